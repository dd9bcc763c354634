package org.quantrain.backend.shared;

import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_add_args;
import org.quantrain.internal.bind.qt_average_pool_args;
import org.quantrain.internal.bind.qt_average_pool_backward_args;
import org.quantrain.internal.bind.qt_batch_norm_args;
import org.quantrain.internal.bind.qt_batch_norm_backward_args;
import org.quantrain.internal.bind.qt_batch_norm_stats_args;
import org.quantrain.internal.bind.qt_batch_norm_stats_backward_args;
import org.quantrain.internal.bind.qt_channel_sum_args;
import org.quantrain.internal.bind.qt_conv_bn_statistics_args;
import org.quantrain.internal.bind.qt_max_pool_args;
import org.quantrain.internal.bind.qt_max_pool_backward_args;
import org.quantrain.internal.bind.qt_relu_args;
import org.quantrain.internal.bind.qt_relu_backward_args;
import org.quantrain.internal.bind.qt_softmax_cross_entropy_args;
import org.quantrain.internal.bind.qt_transpose_args;
import org.quantrain.op.AveragePool;
import org.quantrain.op.AveragePoolBackward;
import org.quantrain.op.BatchNorm;
import org.quantrain.op.BatchNormBackward;
import org.quantrain.op.BatchNormStats;
import org.quantrain.op.BatchNormStatsBackward;
import org.quantrain.op.GradientPart;
import org.quantrain.op.MaxPool;
import org.quantrain.op.MaxPoolBackward;
import org.quantrain.op.MoveBatchNorm;
import org.quantrain.op.PoolWindow;
import org.quantrain.op.Relu;
import org.quantrain.op.ReluBackward;
import org.quantrain.op.SoftmaxCrossEntropy;
import org.quantrain.runtime.Binding;
import org.quantrain.runtime.Binding.Operand;
import org.quantrain.runtime.Kernel;
import org.quantrain.tensor.Shape;

/** Layers that are no product: batch norm, activations, pooling, changes of layout, the loss. */
final class LayerKernels {
  private LayerKernels() {}

  static Kernel batchNorm(NativeContext context, Binding b) {
    BatchNorm op = (BatchNorm) b.node().op();
    boolean train = op.mode() == BatchNorm.Mode.TRAIN;
    Operand x = b.input(0);
    Steps steps = new Steps(b);
    if (train) {
      steps.add(stats(context, b, op.momentum(), b.output(1), b.output(2), b.input(3), b.input(4)));
    }
    return steps.add(
        context.call(
            b,
            new qt_batch_norm_args()
                .x(At.floats(x))
                .mean(At.floats(train ? b.output(1) : b.input(3)))
                .var(At.floats(train ? b.output(2) : b.input(4)))
                .gamma(At.floats(b.input(1)))
                .beta(At.floats(b.input(2)))
                .y(At.floats(b.output(0)))
                .rows(Sizes.rows(x))
                .channels(Sizes.channels(x))
                .epsilon(op.epsilon()),
            QuantrainNative::qt_batch_norm));
  }

  static Kernel batchNormStats(NativeContext context, Binding b) {
    float momentum = ((BatchNormStats) b.node().op()).momentum();
    return new Steps(b)
        .add(stats(context, b, momentum, b.output(0), b.output(1), b.input(1), b.input(2)));
  }

  static Kernel channelMoments(NativeContext context, Binding b) {
    return context.kernel(
        b,
        moments(b.input(0)).mean(At.floats(b.output(0))).var(At.floats(b.output(1))),
        QuantrainNative::qt_batch_norm_stats);
  }

  private static Steps.Step stats(
      NativeContext context,
      Binding b,
      float momentum,
      Operand mean,
      Operand var,
      Operand runningMean,
      Operand runningVar) {
    return context.call(
        b,
        moments(b.input(0))
            .mean(At.floats(mean))
            .var(At.floats(var))
            .running_mean(At.floats(runningMean))
            .running_var(At.floats(runningVar))
            .momentum(momentum),
        QuantrainNative::qt_batch_norm_stats);
  }

  private static qt_batch_norm_stats_args moments(Operand x) {
    return new qt_batch_norm_stats_args()
        .x(At.floats(x))
        .rows(Sizes.rows(x))
        .channels(Sizes.channels(x));
  }

  static Kernel moveBatchNorm(NativeContext context, Binding b) {
    MoveBatchNorm op = (MoveBatchNorm) b.node().op();
    Operand x = b.input(0);
    Operand var = b.input(4);
    Steps steps = new Steps(b);
    qt_conv_bn_statistics_args args =
        new qt_conv_bn_statistics_args()
            .batch_mean(At.floats(b.input(1)))
            .batch_var(At.floats(b.input(2)))
            .running_mean(At.floats(b.input(3)))
            .running_var(At.floats(var))
            .rows(Sizes.rows(x) * op.processes())
            .channels(Sizes.channels(x))
            .momentum(op.momentum())
            .order(QuantrainNative.QT_STATISTICS_UPDATED);
    // The variance that a fold would take; nothing is folded here.
    steps
        .scratch()
        .region(var.spec().bytes())
        .whenKnown(address -> args.fold_var(At.floats(address)));
    return steps.add(context.call(b, args, QuantrainNative::qt_conv_bn_statistics));
  }

  /**
   * Where a sum of batch norm's gradient lies.
   *
   * @param sum 0 for dgamma, 1 for dbeta
   */
  static Operand sums(Binding b, GradientPart part, int sum) {
    return switch (part) {
      case ALL -> b.output(1 + sum);
      case SUMS -> b.output(sum);
      case FROM_SUMS -> b.input(b.inputs().size() - 2 + sum);
    };
  }

  /** Rows that given sums are over; 0 where they are computed. */
  static long sumRows(GradientPart part, Operand x, int processes) {
    return part == GradientPart.FROM_SUMS ? Sizes.rows(x) * processes : 0;
  }

  static Kernel batchNormBackward(NativeContext context, Binding b) {
    BatchNormBackward op = (BatchNormBackward) b.node().op();
    GradientPart part = op.part();
    return context.kernel(
        b,
        new qt_batch_norm_backward_args()
            .x(At.floats(b.input(0)))
            .dy(At.floats(b.input(1)))
            .mean(At.floats(b.input(2)))
            .var(At.floats(b.input(3)))
            .gamma(At.floats(b.input(4)))
            .dx(part == GradientPart.SUMS ? null : At.floats(b.output(0)))
            .dgamma(At.floats(sums(b, part, 0)))
            .dbeta(At.floats(sums(b, part, 1)))
            .rows(Sizes.rows(b.input(0)))
            .channels(Sizes.channels(b.input(0)))
            .sum_rows(sumRows(part, b.input(0), op.processes()))
            .epsilon(op.epsilon())
            .frozen(op.mode() == BatchNorm.Mode.FROZEN ? 1 : 0),
        QuantrainNative::qt_batch_norm_backward);
  }

  static Kernel batchNormStatsBackward(NativeContext context, Binding b) {
    return context.kernel(
        b,
        new qt_batch_norm_stats_backward_args()
            .x(At.floats(b.input(0)))
            .mean(At.floats(b.input(1)))
            .var(At.floats(b.input(2)))
            .dmean(At.floats(b.input(3)))
            .dsigma(At.floats(b.input(4)))
            .dx(At.floats(b.output(0)))
            .rows(Sizes.rows(b.input(0)))
            .channels(Sizes.channels(b.input(0)))
            .epsilon(((BatchNormStatsBackward) b.node().op()).epsilon()),
        QuantrainNative::qt_batch_norm_stats_backward);
  }

  static Kernel relu(NativeContext context, Binding b) {
    return context.kernel(
        b,
        new qt_relu_args()
            .x(At.floats(b.input(0)))
            .y(At.floats(b.output(0)))
            .n(Sizes.elements(b.input(0)))
            .upper(((Relu) b.node().op()).upper()),
        QuantrainNative::qt_relu);
  }

  static Kernel reluBackward(NativeContext context, Binding b) {
    return context.kernel(
        b,
        new qt_relu_backward_args()
            .y(At.floats(b.input(0)))
            .dy(At.floats(b.input(1)))
            .dx(At.floats(b.output(0)))
            .n(Sizes.elements(b.input(0)))
            .upper(((ReluBackward) b.node().op()).upper()),
        QuantrainNative::qt_relu_backward);
  }

  static Kernel add(NativeContext context, Binding b) {
    return context.kernel(
        b,
        new qt_add_args()
            .a(At.floats(b.input(0)))
            .b(At.floats(b.input(1)))
            .y(At.floats(b.output(0)))
            .n(Sizes.elements(b.input(0))),
        QuantrainNative::qt_add);
  }

  static Kernel channelSum(NativeContext context, Binding b) {
    return context.kernel(
        b,
        new qt_channel_sum_args()
            .x(At.floats(b.input(0)))
            .mask(null)
            .sum(At.floats(b.output(0)))
            .rows(Sizes.rows(b.input(0)))
            .channels(Sizes.channels(b.input(0))),
        QuantrainNative::qt_channel_sum);
  }

  static Kernel maxPool(NativeContext context, Binding b) {
    qt_max_pool_args args =
        new qt_max_pool_args()
            .x(At.any(b.input(0)))
            .y(At.any(b.output(0)))
            .argmax(At.bytes(b.output(1)))
            .element_type(NativeTypes.elementType(b, b.input(0).spec().dtype()));
    PoolWindow window = ((MaxPool) b.node().op()).window();
    Sizes.window(args.window(), window, shape(b.input(0)), shape(b.output(0)));
    return context.kernel(b, args, QuantrainNative::qt_max_pool);
  }

  static Kernel maxPoolBackward(NativeContext context, Binding b) {
    qt_max_pool_backward_args args =
        new qt_max_pool_backward_args()
            .dy(At.floats(b.input(0)))
            .argmax(At.bytes(b.input(1)))
            .dx(At.floats(b.output(0)));
    PoolWindow window = ((MaxPoolBackward) b.node().op()).window();
    Sizes.window(args.window(), window, shape(b.output(0)), shape(b.input(0)));
    return context.kernel(b, args, QuantrainNative::qt_max_pool_backward);
  }

  static Kernel averagePool(NativeContext context, Binding b) {
    AveragePool op = (AveragePool) b.node().op();
    return averagePool(context, b, op.window(), op.countPadding());
  }

  static Kernel globalAveragePool(NativeContext context, Binding b) {
    return averagePool(context, b, Sizes.whole(shape(b.input(0))), true);
  }

  private static Kernel averagePool(NativeContext context, Binding b, PoolWindow window, boolean countPadding) {
    qt_average_pool_args args =
        new qt_average_pool_args()
            .x(At.floats(b.input(0)))
            .y(At.floats(b.output(0)))
            .count_padding(countPadding ? 1 : 0);
    Sizes.window(args.window(), window, shape(b.input(0)), shape(b.output(0)));
    return context.kernel(b, args, QuantrainNative::qt_average_pool);
  }

  static Kernel averagePoolBackward(NativeContext context, Binding b) {
    AveragePoolBackward op = (AveragePoolBackward) b.node().op();
    return averagePoolBackward(context, b, op.window(), op.countPadding());
  }

  static Kernel globalAveragePoolBackward(NativeContext context, Binding b) {
    return averagePoolBackward(context, b, Sizes.whole(shape(b.output(0))), true);
  }

  private static Kernel averagePoolBackward(
      NativeContext context, Binding b, PoolWindow window, boolean countPadding) {
    qt_average_pool_backward_args args =
        new qt_average_pool_backward_args()
            .dy(At.floats(b.input(0)))
            .dx(At.floats(b.output(0)))
            .count_padding(countPadding ? 1 : 0);
    Sizes.window(args.window(), window, shape(b.output(0)), shape(b.input(0)));
    return context.kernel(b, args, QuantrainNative::qt_average_pool_backward);
  }

  static Kernel flatten(NativeContext context, Binding b) {
    return transpose(context, b, shape(b.input(0)), true);
  }

  static Kernel unflatten(NativeContext context, Binding b) {
    return transpose(context, b, shape(b.output(0)), false);
  }

  private static Kernel transpose(NativeContext context, Binding b, Shape x, boolean toNchw) {
    long bytes = b.input(0).spec().bytes();
    if (x.dim(2) * x.dim(3) == 1) {
      return new Steps(b)
          .lowered("copy")
          .add(context.copying(b.input(0).address(), b.output(0).address(), bytes));
    }
    return context.kernel(
        b,
        new qt_transpose_args()
            .x(At.any(b.input(0)))
            .y(At.any(b.output(0)))
            .n(x.dim(0))
            .h(x.dim(2))
            .w(x.dim(3))
            .c(x.dim(1))
            .element_bytes((int) (bytes / x.elements()))
            .to_nchw(toNchw ? 1 : 0),
        QuantrainNative::qt_transpose);
  }

  static Kernel softmaxCrossEntropy(NativeContext context, Binding b) {
    return context.kernel(
        b,
        new qt_softmax_cross_entropy_args()
            .logits(At.floats(b.input(0)))
            .labels(At.ints(b.input(1)))
            .loss(At.floats(b.output(0)))
            .correct(At.ints(b.output(1)))
            .dlogits(At.floats(b.output(2)))
            .rows(Sizes.rows(b.input(0)))
            .classes(Sizes.channels(b.input(0)))
            .smoothing(((SoftmaxCrossEntropy) b.node().op()).smoothing()),
        QuantrainNative::qt_softmax_cross_entropy);
  }

  private static Shape shape(Operand operand) {
    return operand.spec().shape();
  }
}
