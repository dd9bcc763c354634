package org.quantrain.integer;

/**
 * How far the integers of a convolution or linear layer went in a verification.
 *
 * @param layer its name
 * @param largestSum largest absolute sum of products that was seen, before or behind the bias; rows
 *     that fill up the last batch count too
 * @param bound what no input can pass: sum |w| * max |q - zero-point| + |bias| of the output
 *     channel where that is largest; below 2^31
 * @param codes that the layer gave; 0 for logits
 * @param saturated of them at an end of their grid that does not stand for zero
 */
public record LayerHeadroom(
    String layer, long largestSum, long bound, long codes, long saturated) {
  private static final double LIMIT = 0x1p31;

  /** Doublings of the largest sum that an int32 still holds. */
  public double bits() {
    return Math.log(LIMIT / Math.max(largestSum, 1)) / Math.log(2);
  }

  /** From 0 to 1. */
  public double saturation() {
    return codes == 0 ? 0 : (double) saturated / codes;
  }
}
