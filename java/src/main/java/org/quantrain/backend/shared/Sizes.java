package org.quantrain.backend.shared;

import org.quantrain.internal.bind.qt_window;
import org.quantrain.op.PoolWindow;
import org.quantrain.runtime.Binding.Operand;
import org.quantrain.tensor.Shape;

/** How native kernels see a tensor: rows of channels, channels of weights, or just elements. */
public final class Sizes {
  private Sizes() {}

  public static long elements(Operand operand) {
    return operand.spec().shape().elements();
  }

  /** Channels of an activation [N,C,H,W] or [N,C], innermost in memory. */
  public static long channels(Operand activation) {
    return activation.spec().shape().dim(1);
  }

  /** All elements of an activation but the channels. */
  public static long rows(Operand activation) {
    return elements(activation) / Math.max(channels(activation), 1);
  }

  /** Output channels of weights [K,...], outermost in memory; also the length of a vector. */
  public static long outer(Operand weights) {
    return weights.spec().shape().dim(0);
  }

  /** Elements of one output channel. */
  public static long inner(Operand weights) {
    return weights.spec().shape().elementsPerSample();
  }

  public static void window(qt_window target, PoolWindow window, Shape x, Shape y) {
    target
        .n(x.dim(0))
        .h(x.dim(2))
        .w(x.dim(3))
        .c(x.dim(1))
        .p(y.dim(2))
        .q(y.dim(3))
        .kernel_h(window.kernelH())
        .kernel_w(window.kernelW())
        .stride_h(window.strideH())
        .stride_w(window.strideW())
        .pad_top(window.padTop())
        .pad_left(window.padLeft());
  }

  /** The window that covers the whole of x [N,C,H,W]. */
  public static PoolWindow whole(Shape x) {
    return new PoolWindow(x.dim(2), x.dim(3), 1, 1, 0, 0, 0, 0);
  }

  /** Elements of the dimensions [from, to). */
  public static long product(Shape shape, int from, int to) {
    long n = 1;
    for (int i = from; i < to; i++) {
      n *= shape.dim(i);
    }
    return n;
  }
}
