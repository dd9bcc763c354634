package org.quantrain.integer;

import org.quantrain.tensor.DType;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.Shape;

/**
 * A tensor of codes in a quantized file; it stands for scale * (code - zeroPoint).
 *
 * @param qmin 0, or -2^(bits - 1) where the codes are signed
 * @param qmax largest code: qmin + 2^bits - 1
 * @param relu codes below the zero-point do not occur, though the grid has them
 */
public record CodesTensor(
    String name, Shape shape, float scale, int zeroPoint, int qmin, int qmax, boolean relu) {
  public CodesTensor {
    if (!(scale > 0 && Float.isFinite(scale))) {
      throw new IllegalArgumentException(name + ": expected a scale above 0, got " + scale);
    }
    int levels = qmax - qmin + 1;
    if (Integer.bitCount(levels) != 1
        || levels < 4
        || levels > 256
        || (qmin != 0 && qmin != -levels / 2)) {
      throw new IllegalArgumentException(
          name + ": expected a grid of 2 to 8 bits, got codes " + qmin + " to " + qmax);
    }
    if (zeroPoint < qmin || zeroPoint > qmax) {
      throw new IllegalArgumentException(
          name + ": zero-point " + zeroPoint + " is not on the grid " + qmin + " to " + qmax);
    }
  }

  /** One whose codes are all of the grid's. */
  public CodesTensor(String name, Shape shape, float scale, int zeroPoint, int qmin, int qmax) {
    this(name, shape, scale, zeroPoint, qmin, qmax, false);
  }

  /** The lowest code that occurs. */
  int lowest() {
    return relu ? zeroPoint : qmin;
  }

  public int bits() {
    return Integer.numberOfTrailingZeros(qmax - qmin + 1);
  }

  public boolean isSigned() {
    return qmin < 0;
  }

  /** The grid; a zero-point of 0 makes it symmetric. */
  QuantSpec spec() {
    return new QuantSpec(bits(), isSigned(), false, zeroPoint == 0, false);
  }

  /** What a code is stored in. */
  DType dtype() {
    return isSigned() ? DType.S8 : DType.U8;
  }

  /** The same grid under another name and shape. */
  CodesTensor as(String otherName, Shape otherShape) {
    return new CodesTensor(otherName, otherShape, scale, zeroPoint, qmin, qmax, relu);
  }

  /** The code of a float32: QuantizeLinear. NaN gets the lowest. */
  int code(float x) {
    float level = x / scale;
    float lowest = qmin - zeroPoint;
    float clamped = level > lowest ? Math.min(level, qmax - zeroPoint) : lowest;
    return (int) Math.rint(clamped) + zeroPoint;
  }

  /** The real number that a code stands for. */
  public double real(int code) {
    return (double) scale * (code - zeroPoint);
  }
}
