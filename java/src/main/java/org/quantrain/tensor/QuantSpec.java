package org.quantrain.tensor;

/**
 * Grid of a quantized tensor: x = scale * (q - zeroPoint) with integer codes q in [qmin, qmax].
 *
 * @param bits 2 to 8
 * @param signed signed codes [-2^(b-1), 2^(b-1) - 1], else [0, 2^b - 1]
 * @param narrow signed only: the lowest code is left out, so that the grid is symmetric
 * @param symmetric zero-point 0, scale from the largest magnitude; else affine
 * @param perChannel one scale for each index of dimension 0 (weights), else one scale
 * @param powerOfTwo every scale is a power of two
 */
public record QuantSpec(
    int bits,
    boolean signed,
    boolean narrow,
    boolean symmetric,
    boolean perChannel,
    boolean powerOfTwo) {
  /** With scales of any size. */
  public QuantSpec(
      int bits, boolean signed, boolean narrow, boolean symmetric, boolean perChannel) {
    this(bits, signed, narrow, symmetric, perChannel, false);
  }

  public QuantSpec {
    if (bits < 2 || bits > 8) {
      throw new IllegalArgumentException("bits: expected 2 to 8, got " + bits);
    }
    if (narrow && !signed) {
      throw new IllegalArgumentException(
          "narrow: only a signed grid can leave its lowest code out");
    }
  }

  public int qmin() {
    return signed ? -(1 << (bits - 1)) + (narrow ? 1 : 0) : 0;
  }

  public int qmax() {
    return signed ? (1 << (bits - 1)) - 1 : (1 << bits) - 1;
  }

  public DType container() {
    return signed ? DType.S8 : DType.U8;
  }

  public QuantSpec withBits(int other) {
    return new QuantSpec(other, signed, narrow, symmetric, perChannel, powerOfTwo);
  }

  @Override
  public String toString() {
    return (signed ? "int" : "uint")
        + bits
        + (symmetric ? " symmetric" : " affine")
        + (narrow ? " narrow" : "")
        + (perChannel ? " per-channel" : " per-tensor")
        + (powerOfTwo ? " power-of-two" : "");
  }

  /** Whether a scale is a power of two, as float32 has them without denormals. */
  public static boolean isPowerOfTwo(float scale) {
    return scale >= Float.MIN_NORMAL
        && scale <= Float.MAX_VALUE
        && Math.scalb(1f, Math.getExponent(scale)) == scale;
  }

  /**
   * Bits of the narrowest signed grid, at least 2, that holds these codes. A channel's largest
   * weight has the largest code, so of weights it is the grid that they were quantized to.
   */
  public static int signedBits(int[] codes) {
    int bits = 2;
    for (int code : codes) {
      while (code > (1 << (bits - 1)) - 1 || code < -(1 << (bits - 1))) {
        bits++;
      }
    }
    return bits;
  }
}
