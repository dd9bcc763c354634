package org.quantrain.testkit;

/** bfloat16, the upper half of a float. */
public final class Bfloat16 {
  private Bfloat16() {}

  public static float widen(short bits) {
    return Float.intBitsToFloat(bits << 16);
  }

  /** To nearest, ties to even; for numbers, not NaN. */
  public static short narrow(float x) {
    int bits = Float.floatToRawIntBits(x);
    return (short) (bits + 0x7fff + (bits >>> 16 & 1) >>> 16);
  }

  public static float round(float x) {
    return Float.isNaN(x) ? x : widen(narrow(x));
  }
}
