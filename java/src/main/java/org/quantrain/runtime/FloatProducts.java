package org.quantrain.runtime;

/**
 * What a CUDA device may do to products of floats to be faster. The CPU does neither.
 *
 * @param tf32 operands of float32 may lose 13 bits of their mantissa, for tensor units; sums stay
 *     float32
 * @param deterministic sums are added in the same order in every run; without that also
 *     convolutions may be transformed (Winograd, FFT), which loosens the bound of their errors
 */
public record FloatProducts(boolean tf32, boolean deterministic) {
  /** The products of float32, and the same bits in every run. */
  public static final FloatProducts EXACT = new FloatProducts(false, true);

  /** As in "float32 products, deterministic algorithms". */
  @Override
  public String toString() {
    return (tf32 ? "TF32" : "float32")
        + " products, "
        + (deterministic ? "deterministic algorithms" : "fastest algorithms");
  }
}
