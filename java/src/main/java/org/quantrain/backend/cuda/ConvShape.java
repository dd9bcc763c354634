package org.quantrain.backend.cuda;

import java.util.List;
import org.quantrain.internal.bind.qt_window;
import org.quantrain.op.ConvGeometry;
import org.quantrain.tensor.Shape;

/**
 * One convolution of bound size as cuDNN is told of it: activations [N,C,H,W] and weights
 * [K,C/groups,R,S] that lie in memory as NHWC and KRSC. The number of groups follows from the
 * channels. cuDNN pads both sides alike; where the sides differ, x is brought between margins of
 * zeros first.
 *
 * @param x with its margins
 * @param padding on both sides, rows and columns
 * @param margin zeros in x around what it holds
 */
record ConvShape(
    Tensor x,
    Tensor w,
    Tensor y,
    List<Long> padding,
    List<Long> stride,
    List<Long> dilation,
    Margin margin) {
  /**
   * A tensor with four dimensions and the elements from one index of each to the next.
   *
   * @param dims logical: [N,C,H,W] or [K,C,R,S]
   */
  record Tensor(List<Long> dims, List<Long> strides) {
    static Tensor channelsLast(long n, long c, long h, long w) {
      return new Tensor(List.of(n, c, h, w), List.of(h * w * c, 1L, w * c, c));
    }

    static Tensor channelsLast(Shape shape) {
      return channelsLast(shape.dim(0), shape.dim(1), shape.dim(2), shape.dim(3));
    }

    long elements() {
      return dims.stream().reduce(1L, Math::multiplyExact);
    }
  }

  /** Rows and columns beside a tensor. */
  record Margin(long top, long left, long bottom, long right) {
    static final Margin NONE = new Margin(0, 0, 0, 0);

    boolean isNone() {
      return equals(NONE);
    }
  }

  static ConvShape of(ConvGeometry g, Shape x, Shape w) {
    Shape y = g.output(x, w);
    boolean even = even(g).output(x, w).equals(y);
    Margin margin =
        even
            ? Margin.NONE
            : new Margin(g.padTop(), g.padLeft(), g.padBottom(), g.padRight());
    return new ConvShape(
        Tensor.channelsLast(
            x.dim(0),
            x.dim(1),
            x.dim(2) + margin.top + margin.bottom,
            x.dim(3) + margin.left + margin.right),
        Tensor.channelsLast(w),
        Tensor.channelsLast(y),
        even ? List.of((long) g.padTop(), (long) g.padLeft()) : List.of(0L, 0L),
        List.of((long) g.strideH(), (long) g.strideW()),
        List.of((long) g.dilationH(), (long) g.dilationW()),
        margin);
  }

  /**
   * The same windows where the output has as many: those that a larger padding below and to the
   * right would add, or a smaller one take, are not there.
   */
  private static ConvGeometry even(ConvGeometry g) {
    return new ConvGeometry(
        g.strideH(),
        g.strideW(),
        g.padTop(),
        g.padLeft(),
        g.padTop(),
        g.padLeft(),
        g.dilationH(),
        g.dilationW(),
        g.groups());
  }

  /** x without its margins. */
  Tensor inner() {
    List<Long> dims = x.dims();
    return Tensor.channelsLast(
        dims.get(0),
        dims.get(1),
        dims.get(2) - margin.top - margin.bottom,
        dims.get(3) - margin.left - margin.right);
  }

  /** Where what x holds begins in it, in elements. */
  long inside() {
    return margin.top * x.strides().get(2) + margin.left * x.strides().get(3);
  }

  /** Fills in what native kernels are told of sizes, strides and padding of a convolution. */
  static void describe(qt_window window, ConvGeometry g, Shape x, Shape w) {
    Shape y = g.output(x, w);
    window
        .n(x.dim(0))
        .h(x.dim(2))
        .w(x.dim(3))
        .c(x.dim(1))
        .p(y.dim(2))
        .q(y.dim(3))
        .kernel_h(w.dim(2))
        .kernel_w(w.dim(3))
        .stride_h(g.strideH())
        .stride_w(g.strideW())
        .pad_top(g.padTop())
        .pad_left(g.padLeft());
  }
}
