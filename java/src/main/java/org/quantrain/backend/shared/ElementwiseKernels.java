package org.quantrain.backend.shared;

import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_binary_args;
import org.quantrain.internal.bind.qt_channel_sum_args;
import org.quantrain.internal.bind.qt_dequantize_acc_args;
import org.quantrain.internal.bind.qt_scale_channels_args;
import org.quantrain.internal.bind.qt_unary_args;
import org.quantrain.internal.bind.qt_unary_backward_args;
import org.quantrain.internal.bind.qt_where_args;
import org.quantrain.op.Binary;
import org.quantrain.op.Unary;
import org.quantrain.op.UnaryBackward;
import org.quantrain.runtime.Binding;
import org.quantrain.runtime.Binding.Operand;
import org.quantrain.runtime.Kernel;

/** Functions of one, two and three operands element by element, with broadcasting. */
final class ElementwiseKernels {
  private ElementwiseKernels() {}

  static Kernel unary(NativeContext context, Binding b) {
    Unary op = (Unary) b.node().op();
    return context.kernel(
        b,
        new qt_unary_args()
            .x(At.floats(b.input(0)))
            .y(At.floats(b.output(0)))
            .n(Sizes.elements(b.input(0)))
            .kind(kind(op.function(), op.alpha()))
            .alpha(op.alpha())
            .beta(op.beta()),
        QuantrainNative::qt_unary);
  }

  static Kernel unaryBackward(NativeContext context, Binding b) {
    UnaryBackward op = (UnaryBackward) b.node().op();
    return context.kernel(
        b,
        new qt_unary_backward_args()
            .x(At.floats(b.input(0)))
            .dy(At.floats(b.input(1)))
            .dx(At.floats(b.output(0)))
            .n(Sizes.elements(b.input(0)))
            .kind(kind(op.function(), op.alpha()))
            .alpha(op.alpha())
            .beta(op.beta()),
        QuantrainNative::qt_unary_backward);
  }

  private static int kind(Unary.Kind function, float alpha) {
    return switch (function) {
      case AFFINE -> QuantrainNative.QT_UNARY_AFFINE;
      case ABS -> QuantrainNative.QT_UNARY_ABS;
      case EXP -> QuantrainNative.QT_UNARY_EXP;
      case LOG -> QuantrainNative.QT_UNARY_LOG;
      case SQRT -> QuantrainNative.QT_UNARY_SQRT;
      case RECIPROCAL -> QuantrainNative.QT_UNARY_RECIPROCAL;
      // The same bits, without a logarithm.
      case POW -> alpha == 2 ? QuantrainNative.QT_UNARY_SQUARE : QuantrainNative.QT_UNARY_POW;
      case SIGMOID -> QuantrainNative.QT_UNARY_SIGMOID;
      case TANH -> QuantrainNative.QT_UNARY_TANH;
      case ERF -> QuantrainNative.QT_UNARY_ERF;
      case GELU -> QuantrainNative.QT_UNARY_GELU;
      case GELU_TANH -> QuantrainNative.QT_UNARY_GELU_TANH;
      case HARD_SIGMOID -> QuantrainNative.QT_UNARY_HARD_SIGMOID;
      case HARD_SWISH -> QuantrainNative.QT_UNARY_HARD_SWISH;
      case SILU -> QuantrainNative.QT_UNARY_SILU;
      case SOFTPLUS -> QuantrainNative.QT_UNARY_SOFTPLUS;
      case LEAKY_RELU -> QuantrainNative.QT_UNARY_LEAKY_RELU;
      case ELU -> QuantrainNative.QT_UNARY_ELU;
      case CLIP -> QuantrainNative.QT_UNARY_CLIP;
    };
  }

  static Kernel toBf16(NativeContext context, Binding b) {
    boolean scaled = b.inputs().size() > 1;
    long channels = scaled ? Sizes.outer(b.input(1)) : 1;
    return context.kernel(
        b,
        new qt_scale_channels_args()
            .x(At.any(b.input(0)))
            .factor(scaled ? At.floats(b.input(1)) : null)
            .y(At.any(b.output(0)))
            .outer(channels == 1 ? 1 : Sizes.elements(b.input(0)) / channels)
            .channels(channels)
            .inner(channels == 1 ? Sizes.elements(b.input(0)) : 1)
            .element_type(QuantrainNative.QT_ELEMENT_F32)
            .y_type(QuantrainNative.QT_ELEMENT_BF16),
        QuantrainNative::qt_scale_channels);
  }

  /** The ratios, then each row times its own. */
  static Kernel timesRatio(NativeContext context, Binding b) {
    long channels = Sizes.outer(b.input(2));
    Steps steps = new Steps(b);
    Scratch.Region ratios = steps.scratch().region(4 * channels);
    qt_binary_args divide =
        new qt_binary_args()
            .a(At.floats(b.input(1)))
            .b(At.floats(b.input(2)))
            .kind(QuantrainNative.QT_BINARY_DIV);
    Strides walk = Strides.of(b, b.input(2).spec());
    walk.size(divide::size);
    walk.broadcast(divide::a_stride, b.input(1).spec());
    walk.broadcast(divide::b_stride, b.input(2).spec());
    qt_scale_channels_args times =
        new qt_scale_channels_args()
            .x(At.any(b.input(0)))
            .y(At.any(b.output(0)))
            .outer(1)
            .channels(channels)
            .inner(Sizes.elements(b.input(0)) / channels)
            .element_type(QuantrainNative.QT_ELEMENT_F32)
            .y_type(QuantrainNative.QT_ELEMENT_F32);
    ratios.whenKnown(
        address -> {
          divide.y(At.floats(address));
          times.factor(At.floats(address));
        });
    return steps
        .add(context.call(b, divide, QuantrainNative::qt_binary))
        .add(context.call(b, times, QuantrainNative::qt_scale_channels));
  }

  static Kernel binary(NativeContext context, Binding b) {
    int kind =
        switch (((Binary) b.node().op()).function()) {
          case ADD -> QuantrainNative.QT_BINARY_ADD;
          case SUB -> QuantrainNative.QT_BINARY_SUB;
          case MUL -> QuantrainNative.QT_BINARY_MUL;
          case DIV -> QuantrainNative.QT_BINARY_DIV;
          case MIN -> QuantrainNative.QT_BINARY_MIN;
          case MAX -> QuantrainNative.QT_BINARY_MAX;
          case EQUAL -> QuantrainNative.QT_BINARY_EQUAL;
          case LESS -> QuantrainNative.QT_BINARY_LESS;
        };
    Strides walk = Strides.of(b, b.output(0).spec());
    qt_binary_args args =
        new qt_binary_args()
            .a(At.floats(b.input(0)))
            .b(At.floats(b.input(1)))
            .y(At.floats(b.output(0)))
            .kind(kind);
    walk.size(args::size);
    walk.broadcast(args::a_stride, b.input(0).spec());
    walk.broadcast(args::b_stride, b.input(1).spec());
    return context.kernel(b, args, QuantrainNative::qt_binary);
  }

  static Kernel where(NativeContext context, Binding b) {
    Strides walk = Strides.of(b, b.output(0).spec());
    qt_where_args args =
        new qt_where_args()
            .condition(At.floats(b.input(0)))
            .a(At.floats(b.input(1)))
            .b(At.floats(b.input(2)))
            .y(At.floats(b.output(0)));
    walk.size(args::size);
    walk.broadcast(args::condition_stride, b.input(0).spec());
    walk.broadcast(args::a_stride, b.input(1).spec());
    walk.broadcast(args::b_stride, b.input(2).spec());
    return context.kernel(b, args, QuantrainNative::qt_where);
  }

  static Kernel toFloat(NativeContext context, Binding b) {
    Steps steps = new Steps(b);
    return steps.add(
        context.call(
            b,
            new qt_dequantize_acc_args()
                .acc(At.ints(b.input(0)))
                .bias(null)
                .keep(null)
                .out_scale(context.constant(steps, 1f))
                .y(At.floats(b.output(0)))
                .rows(Sizes.elements(b.input(0)))
                .channels(1),
            QuantrainNative::qt_dequantize_acc));
  }

  /** y = (x > 0 ? 1 : slope) * x. */
  static Kernel pRelu(NativeContext context, Binding b) {
    return new Steps(b)
        .add(slope(context, b, b.input(0), b.input(1), b.output(0)))
        .add(times(context, b, region(b.output(0)), region(b.input(0)), b.input(0)));
  }

  /** dx = (x > 0 ? 1 : slope) * dy; dslope: the sums of min(x, 0) * dy. */
  static Kernel pReluBackward(NativeContext context, Binding b) {
    Operand x = b.input(0);
    Operand dy = b.input(1);
    Steps steps = new Steps(b);
    Scratch.Region products = steps.scratch().region(x.spec().bytes());
    qt_unary_args negative =
        new qt_unary_args()
            .x(At.floats(x))
            .n(Sizes.elements(x))
            .kind(QuantrainNative.QT_UNARY_CLIP)
            .alpha(Float.NEGATIVE_INFINITY)
            .beta(0);
    products.whenKnown(address -> negative.y(At.floats(address)));
    qt_channel_sum_args sum =
        new qt_channel_sum_args()
            .mask(null)
            .sum(At.floats(b.output(1)))
            .rows(Sizes.rows(x))
            .channels(Sizes.channels(x));
    products.whenKnown(address -> sum.x(At.floats(address)));
    return steps
        .add(slope(context, b, x, b.input(2), b.output(0)))
        .add(times(context, b, region(b.output(0)), region(dy), x))
        .add(context.call(b, negative, QuantrainNative::qt_unary))
        .add(times(context, b, products, region(dy), x))
        .add(context.call(b, sum, QuantrainNative::qt_channel_sum));
  }

  private static Scratch.Region region(Operand operand) {
    return Scratch.Region.fixed(operand.address());
  }

  /** y = x > 0 ? 1 : slope, one slope for each channel. */
  private static Steps.Step slope(NativeContext context, Binding b, Operand x, Operand slopes, Operand y) {
    qt_binary_args args =
        new qt_binary_args()
            .a(At.floats(x))
            .b(At.floats(slopes))
            .y(At.floats(y))
            .kind(QuantrainNative.QT_BINARY_SLOPE);
    Strides walk = Strides.of(b, x.spec());
    walk.size(args::size);
    walk.dense(args::a_stride);
    long[] strides = new long[x.spec().shape().rank()];
    strides[1] = 1;
    walk.stride(args::b_stride, strides);
    return context.call(b, args, QuantrainNative::qt_binary);
  }

  /** to *= factor, both of this shape. */
  private static Steps.Step times(
      NativeContext context, Binding b, Scratch.Region to, Scratch.Region factor, Operand like) {
    qt_binary_args args = new qt_binary_args().kind(QuantrainNative.QT_BINARY_MUL);
    to.whenKnown(address -> args.a(At.floats(address)).y(At.floats(address)));
    factor.whenKnown(address -> args.b(At.floats(address)));
    Strides walk = Strides.of(b, like.spec());
    walk.size(args::size);
    walk.dense(args::a_stride);
    walk.dense(args::b_stride);
    return context.call(b, args, QuantrainNative::qt_binary);
  }
}
