package org.quantrain.tensor;

/** Order of a tensor's elements in memory; ranks other than 4 know only {@link #ROW_MAJOR}. */
public enum Layout {
  /** Activations N,H,W,C and convolution weights K,R,S,C for logical N,C,H,W and K,C,R,S. */
  CHANNELS_LAST,
  /** The last logical dimension is contiguous: attention's [N,heads,L,d]. */
  ROW_MAJOR
}
