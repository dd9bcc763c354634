package org.quantrain.kernel;

import org.quantrain.testkit.Bfloat16;

/**
 * A number as an oracle knows it.
 *
 * @param value in double
 * @param size the magnitudes that a float32 kernel rounds on its way to it, added up; 0 for what
 *     must be the value rounded once
 */
record Term(double value, double size) {
  /** Half a unit in the last place of 1: one rounding moves x by at most |x| times this. */
  static final double FLOAT = 0x1p-24;

  /**
   * How often a magnitude is rounded at most: constants of the channel (3 operations), quotient,
   * slope, product with dy, and 2 for the polynomial of tanh or log, which is good to 2 units.
   */
  static final int ROUNDINGS = 8;

  /** A bf16 number has 8 bits. */
  private static final double BF16 = 0x1p-8;

  static Term exact(double value) {
    return new Term(value, 0);
  }

  static Term of(double value) {
    return new Term(value, Math.abs(value));
  }

  double bound() {
    return ROUNDINGS * FLOAT * size;
  }

  /** Whether a kernel may answer so, in an element of this type. */
  boolean allows(float actual, boolean bf16) {
    if (size == 0) {
      return actual == (bf16 ? Bfloat16.round((float) value) : (float) value);
    }
    double bound = bound();
    return Math.abs(actual - value) <= bound + (bf16 ? BF16 * (Math.abs(value) + bound) : 0);
  }
}
