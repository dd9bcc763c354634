package org.quantrain.op;

/** How an accumulator becomes a code (NUMERICS.md, "Requantize" and "Fixed-point contracts"). */
public enum Requantization {
  /** Times a float32 multiplier, halves to even. */
  FP32_RNE,
  /** Times a 31-bit multiplier, rounded; then shifted, rounded again with halves away from 0. */
  FIXED_DOUBLE,
  /**
   * Times a multiplier and shifted, rounded once with halves up; with scales that are powers of two
   * it is a shift alone.
   */
  FIXED_SINGLE,
  /** As FIXED_DOUBLE, with halves up in both roundings: ruy on x86. */
  FIXED_RUY
}
