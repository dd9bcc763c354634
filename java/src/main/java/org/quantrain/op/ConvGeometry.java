package org.quantrain.op;

import org.quantrain.graph.ShapeException;
import org.quantrain.tensor.Shape;

/**
 * Geometry of a 2-D convolution: strides, zero padding, dilation, groups (groups = channels is
 * depthwise).
 *
 * @param padTop rows of padding above; likewise the other sides, which may differ
 */
public record ConvGeometry(
    int strideH,
    int strideW,
    int padTop,
    int padLeft,
    int padBottom,
    int padRight,
    int dilationH,
    int dilationW,
    int groups) {
  public ConvGeometry {
    if (strideH < 1 || strideW < 1 || dilationH < 1 || dilationW < 1 || groups < 1) {
      throw new ShapeException("stride, dilation and groups: expected at least 1");
    }
    if (padTop < 0 || padLeft < 0 || padBottom < 0 || padRight < 0) {
      throw new ShapeException("padding: expected at least 0");
    }
  }

  /** The same stride and padding on all sides. */
  public static ConvGeometry of(int stride, int padding) {
    return new ConvGeometry(stride, stride, padding, padding, padding, padding, 1, 1, 1);
  }

  public ConvGeometry withGroups(int n) {
    return new ConvGeometry(
        strideH, strideW, padTop, padLeft, padBottom, padRight, dilationH, dilationW, n);
  }

  /** Output shape [N,K,P,Q] for input [N,C,H,W] and weights [K,C/groups,R,S]. */
  public Shape output(Shape x, Shape w) {
    if (x.rank() != 4 || w.rank() != 4) {
      throw new ShapeException(
          "expected x [N,C,H,W] and w [K,C/groups,R,S], got " + x + " and " + w);
    }
    if (x.dim(1) != w.dim(1) * groups || w.dim(0) % groups != 0) {
      throw new ShapeException(
          "channels of x " + x + " and weights " + w + " do not fit " + groups + " groups");
    }
    int p = extent(x.dim(2), w.dim(2), strideH, dilationH, padTop + padBottom);
    int q = extent(x.dim(3), w.dim(3), strideW, dilationW, padLeft + padRight);
    return Shape.of(x.dim(0), w.dim(0), p, q);
  }

  private static int extent(int size, int kernel, int stride, int dilation, int padding) {
    int span = size + padding - dilation * (kernel - 1) - 1;
    if (span < 0) {
      throw new ShapeException(
          "kernel of "
              + kernel
              + " with dilation "
              + dilation
              + " is larger than the padded input of "
              + (size + padding));
    }
    return span / stride + 1;
  }
}
