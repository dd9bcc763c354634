package org.quantrain.integer;

import org.quantrain.tensor.Shape;

/**
 * A tensor of unsigned codes in a quantized file; it stands for scale * (code - zeroPoint).
 *
 * @param qmax largest code: 2^bits - 1
 */
public record CodesTensor(String name, Shape shape, float scale, int zeroPoint, int qmax) {
  public CodesTensor {
    if (!(scale > 0 && Float.isFinite(scale))) {
      throw new IllegalArgumentException(name + ": expected a scale above 0, got " + scale);
    }
    if (Integer.bitCount(qmax + 1) != 1 || qmax < 3 || qmax > 255) {
      throw new IllegalArgumentException(
          name + ": expected a grid of 2 to 8 bits, got codes 0 to " + qmax);
    }
    if (zeroPoint < 0 || zeroPoint > qmax) {
      throw new IllegalArgumentException(
          name + ": zero-point " + zeroPoint + " is not on the grid 0 to " + qmax);
    }
  }

  public int bits() {
    return Integer.numberOfTrailingZeros(qmax + 1);
  }

  /** The same grid under another name and shape. */
  CodesTensor as(String otherName, Shape otherShape) {
    return new CodesTensor(otherName, otherShape, scale, zeroPoint, qmax);
  }

  /** The real number that a code stands for. */
  public double real(int code) {
    return (double) scale * (code - zeroPoint);
  }
}
