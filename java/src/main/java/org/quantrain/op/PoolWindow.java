package org.quantrain.op;

import org.quantrain.graph.ShapeException;
import org.quantrain.tensor.Shape;

/** Window of a 2-D pooling operation. Padding may differ per side. */
public record PoolWindow(
    int kernelH,
    int kernelW,
    int strideH,
    int strideW,
    int padTop,
    int padLeft,
    int padBottom,
    int padRight) {
  public PoolWindow {
    if (kernelH < 1 || kernelW < 1 || strideH < 1 || strideW < 1) {
      throw new ShapeException("kernel and stride: expected at least 1");
    }
    if (padTop < 0
        || padLeft < 0
        || padTop >= kernelH
        || padLeft >= kernelW
        || padBottom < 0
        || padRight < 0
        || padBottom >= kernelH
        || padRight >= kernelW) {
      throw new ShapeException("padding: expected 0 to kernel - 1");
    }
  }

  public static PoolWindow of(int kernel, int stride) {
    return new PoolWindow(kernel, kernel, stride, stride, 0, 0, 0, 0);
  }

  public static PoolWindow of(int kernel, int stride, int padding) {
    return new PoolWindow(kernel, kernel, stride, stride, padding, padding, padding, padding);
  }

  public boolean isPadded() {
    return padTop + padLeft + padBottom + padRight > 0;
  }

  public PoolWindow withoutPadding() {
    return new PoolWindow(kernelH, kernelW, strideH, strideW, 0, 0, 0, 0);
  }

  /** Whether the window is the whole image, without padding. */
  public boolean isAllOf(Shape x) {
    return !isPadded() && kernelH == x.dim(2) && kernelW == x.dim(3);
  }

  /** Output shape [N,C,P,Q] for input [N,C,H,W]. */
  public Shape output(Shape x) {
    if (x.rank() != 4) {
      throw new ShapeException("expected x [N,C,H,W], got " + x);
    }
    int h = x.dim(2) + padTop + padBottom - kernelH;
    int w = x.dim(3) + padLeft + padRight - kernelW;
    if (h < 0 || w < 0) {
      throw new ShapeException(
          "window " + kernelH + "x" + kernelW + " is larger than the padded input " + x);
    }
    return Shape.of(x.dim(0), x.dim(1), h / strideH + 1, w / strideW + 1);
  }
}
