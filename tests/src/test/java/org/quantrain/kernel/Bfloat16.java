package org.quantrain.kernel;

/** bfloat16, the upper half of a float. */
final class Bfloat16 {
  private Bfloat16() {}

  static float widen(short bits) {
    return Float.intBitsToFloat(bits << 16);
  }

  /** To nearest, ties to even; for numbers, not NaN. */
  static short narrow(float x) {
    int bits = Float.floatToRawIntBits(x);
    return (short) (bits + 0x7fff + (bits >>> 16 & 1) >>> 16);
  }

  static float round(float x) {
    return Float.isNaN(x) ? x : widen(narrow(x));
  }
}
