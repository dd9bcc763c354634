package org.quantrain.op;

/** How an accumulator becomes a code (NUMERICS.md, "Requantize" and "Fixed-point contracts"). */
public enum Requantization {
  /** Times a float32 multiplier, halves to even. */
  FP32_RNE,
  /** Times a 31-bit multiplier, rounded; then shifted, rounded again with halves away from 0. */
  FIXED_DOUBLE,
  /** Times a multiplier and shifted, rounded once with halves up. */
  FIXED_SINGLE,
  /** As FIXED_DOUBLE, with halves up in both roundings: ruy on x86. */
  FIXED_RUY,
  /** Shifted, halves to even; scales are powers of two. */
  POWER_OF_TWO_EVEN;

  /** Whether there is no multiplier besides the shift. */
  public boolean isShift() {
    return this == POWER_OF_TWO_EVEN;
  }
}
