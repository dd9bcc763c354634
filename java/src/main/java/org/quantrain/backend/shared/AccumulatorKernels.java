package org.quantrain.backend.shared;

import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_acc_range_args;
import org.quantrain.internal.bind.qt_acc_stats_args;
import org.quantrain.internal.bind.qt_batch_norm_absorb_args;
import org.quantrain.internal.bind.qt_batch_norm_absorb_backward_args;
import org.quantrain.internal.bind.qt_binary_args;
import org.quantrain.internal.bind.qt_conv_bn_correct_args;
import org.quantrain.internal.bind.qt_conv_bn_correct_backward_args;
import org.quantrain.internal.bind.qt_conv_bn_fold_args;
import org.quantrain.internal.bind.qt_conv_bn_fold_backward_args;
import org.quantrain.internal.bind.qt_dequantize_acc_args;
import org.quantrain.internal.bind.qt_fixed_multiplier_args;
import org.quantrain.internal.bind.qt_fold_weight_args;
import org.quantrain.internal.bind.qt_fold_weight_backward_args;
import org.quantrain.internal.bind.qt_multiplier_args;
import org.quantrain.internal.bind.qt_requantize_args;
import org.quantrain.internal.bind.qt_requantize_fixed_args;
import org.quantrain.op.AccRange;
import org.quantrain.op.BatchNormAbsorb;
import org.quantrain.op.BatchNormAbsorbBackward;
import org.quantrain.op.Compute;
import org.quantrain.op.ConvBnCorrect;
import org.quantrain.op.ConvBnCorrectBackward;
import org.quantrain.op.ConvBnFold;
import org.quantrain.op.ConvBnFoldBackward;
import org.quantrain.op.FixedMultiplier;
import org.quantrain.op.FoldWeight;
import org.quantrain.op.FoldWeightBackward;
import org.quantrain.op.GradientPart;
import org.quantrain.op.PoolMultiplier;
import org.quantrain.op.Requantize;
import org.quantrain.op.RequantizeFixed;
import org.quantrain.runtime.Binding;
import org.quantrain.runtime.Binding.Operand;
import org.quantrain.runtime.Kernel;

/** What happens to an accumulator, and batch norm absorbed by or folded into a product on codes. */
final class AccumulatorKernels {
  private AccumulatorKernels() {}

  static Kernel accStats(NativeContext context, Binding b) {
    return context.kernel(
        b,
        new qt_acc_stats_args()
            .acc(At.ints(b.input(0)))
            .sum(At.longs(b.output(0)))
            .sum_squares(At.longs(b.output(1)))
            .min(At.ints(b.output(2)))
            .max(At.ints(b.output(3)))
            .rows(Sizes.rows(b.input(0)))
            .channels(Sizes.channels(b.input(0))),
        QuantrainNative::qt_acc_stats);
  }

  static Kernel batchNormAbsorb(NativeContext context, Binding b) {
    BatchNormAbsorb op = (BatchNormAbsorb) b.node().op();
    return context.kernel(
        b,
        new qt_batch_norm_absorb_args()
            .sum(At.longs(b.input(1)))
            .sum_squares(At.longs(b.input(2)))
            .gamma(At.floats(b.input(3)))
            .beta(At.floats(b.input(4)))
            .x_scale(At.floats(b.input(5)))
            .w_scale(At.floats(b.input(6)))
            .running_mean(At.floats(b.input(7)))
            .running_var(At.floats(b.input(8)))
            .out_scale(At.floats(b.output(1)))
            .bias(At.ints(b.output(2)))
            .keep(At.ints(b.output(3)))
            .mean(At.floats(b.output(4)))
            .inv_std(At.floats(b.output(5)))
            .rows(Sizes.rows(b.input(0)) * op.processes())
            .channels(Sizes.channels(b.input(0)))
            .epsilon(op.epsilon())
            .momentum(op.momentum()),
        QuantrainNative::qt_batch_norm_absorb);
  }

  static Kernel batchNormAbsorbBackward(NativeContext context, Binding b) {
    BatchNormAbsorbBackward op = (BatchNormAbsorbBackward) b.node().op();
    GradientPart part = op.part();
    boolean narrow = op.gradients() == Compute.BF16;
    return context.kernel(
        b,
        new qt_batch_norm_absorb_backward_args()
            .dy(At.any(b.input(0)))
            .mask(null)
            .acc(At.ints(b.input(1)))
            .gamma(At.floats(b.input(2)))
            .x_scale(At.floats(b.input(3)))
            .w_scale(At.floats(b.input(4)))
            .mean(At.floats(b.input(5)))
            .inv_std(At.floats(b.input(6)))
            .du(part == GradientPart.SUMS ? null : At.any(b.output(0)))
            .dgamma(At.floats(LayerKernels.sums(b, part, 0)))
            .dbeta(At.floats(LayerKernels.sums(b, part, 1)))
            .rows(Sizes.rows(b.input(0)))
            .channels(Sizes.channels(b.input(0)))
            .sum_rows(LayerKernels.sumRows(part, b.input(0), op.processes()))
            .du_type(narrow ? QuantrainNative.QT_ELEMENT_BF16 : QuantrainNative.QT_ELEMENT_F32)
            .times_w_scale(narrow ? 1 : 0),
        QuantrainNative::qt_batch_norm_absorb_backward);
  }

  static Kernel foldWeight(NativeContext context, Binding b) {
    FoldWeight op = (FoldWeight) b.node().op();
    int gamma = FoldWeight.GAMMA;
    qt_fold_weight_args args =
        new qt_fold_weight_args()
            .w(At.floats(b.input(0)))
            .x_scale(At.floats(b.input(1)))
            .learned_scale(op.rule().isLearned() ? At.floats(b.input(op.learnedInput())) : null)
            .conv_bias(op.hasBias() ? At.floats(b.input(2)) : null)
            .gamma(op.hasBatchNorm() ? At.floats(b.input(gamma)) : null)
            .beta(op.hasBatchNorm() ? At.floats(b.input(gamma + 1)) : null)
            .mean(op.hasBatchNorm() ? At.floats(b.input(gamma + 2)) : null)
            .var(op.hasBatchNorm() ? At.floats(b.input(gamma + 3)) : null)
            .codes(At.bytes(b.output(0)))
            .w_scale(At.floats(b.output(1)))
            .out_scale(At.floats(b.output(2)))
            .bias(At.ints(b.output(3)))
            .channels(Sizes.outer(b.input(0)))
            .inner(Sizes.inner(b.input(0)))
            .qmin(op.spec().qmin())
            .qmax(op.spec().qmax())
            .per_tensor(op.spec().perChannel() ? 0 : 1)
            .power_of_two(op.spec().powerOfTwo() ? 1 : 0)
            .epsilon(op.epsilon());
    return context.kernel(b, args, QuantrainNative::qt_fold_weight);
  }

  static Kernel foldWeightBackward(NativeContext context, Binding b) {
    FoldWeightBackward op = (FoldWeightBackward) b.node().op();
    boolean norm = op.hasBatchNorm();
    qt_fold_weight_backward_args args =
        new qt_fold_weight_backward_args()
            .w(At.floats(b.input(0)))
            .dw_folded(At.floats(b.input(1)))
            .dbias(At.floats(b.input(2)))
            .conv_bias(null)
            .gamma(norm ? At.floats(b.input(3)) : null)
            .mean(norm ? At.floats(b.input(4)) : null)
            .var(norm ? At.floats(b.input(5)) : null)
            .learned_scale(op.learned() ? At.floats(b.input(norm ? 6 : 3)) : null)
            .dw(At.floats(b.output(0)))
            .dconv_bias(At.floats(b.output(1)))
            .dgamma(norm ? At.floats(b.output(2)) : null)
            .dbeta(norm ? At.floats(b.output(3)) : null)
            .channels(Sizes.outer(b.input(0)))
            .inner(Sizes.inner(b.input(0)))
            .qmin(op.spec().qmin())
            .qmax(op.spec().qmax())
            .per_tensor(op.spec().perChannel() ? 0 : 1)
            .epsilon(op.epsilon());
    return context.kernel(b, args, QuantrainNative::qt_fold_weight_backward);
  }

  static Kernel accRange(NativeContext context, Binding b) {
    AccRange op = (AccRange) b.node().op();
    return context.kernel(
        b,
        new qt_acc_range_args()
            .acc_min(At.ints(b.input(0)))
            .acc_max(At.ints(b.input(1)))
            .out_scale(At.floats(b.input(2)))
            .bias(At.ints(b.input(3)))
            .keep(b.inputs().size() > 4 ? At.ints(b.input(4)) : null)
            .min(At.floats(b.output(0)))
            .max(At.floats(b.output(1)))
            .channels(Sizes.outer(b.input(0)))
            .relu(op.relu() ? 1 : 0)
            .upper(op.upper()),
        QuantrainNative::qt_acc_range);
  }

  static Kernel multiplier(NativeContext context, Binding b) {
    return multiplier(context, b, 0);
  }

  static Kernel poolMultiplier(NativeContext context, Binding b) {
    return multiplier(context, b, ((PoolMultiplier) b.node().op()).count());
  }

  private static Kernel multiplier(NativeContext context, Binding b, long poolCount) {
    return context.kernel(
        b,
        new qt_multiplier_args()
            .out_scale(At.floats(b.input(0)))
            .y_scale(At.floats(b.input(1)))
            .multiplier(At.floats(b.output(0)))
            .channels(Sizes.outer(b.output(0)))
            .pool_count(poolCount),
        QuantrainNative::qt_multiplier);
  }

  static Kernel productScale(NativeContext context, Binding b) {
    Strides walk = Strides.of(b, b.output(0).spec());
    qt_binary_args args =
        new qt_binary_args()
            .a(At.floats(b.input(0)))
            .b(At.floats(b.input(1)))
            .y(At.floats(b.output(0)))
            .kind(QuantrainNative.QT_BINARY_MUL);
    walk.size(args::size);
    walk.broadcast(args::a_stride, b.input(0).spec());
    walk.broadcast(args::b_stride, b.input(1).spec());
    return context.kernel(b, args, QuantrainNative::qt_binary);
  }

  static Kernel requantize(NativeContext context, Binding b) {
    Requantize op = (Requantize) b.node().op();
    return context.kernel(
        b,
        new qt_requantize_args()
            .acc(At.ints(b.input(0)))
            .multiplier(At.floats(b.input(1)))
            .zero_point(At.ints(b.input(2)))
            .bias(b.inputs().size() > 3 ? At.ints(b.input(3)) : null)
            .keep(b.inputs().size() > 4 ? At.ints(b.input(4)) : null)
            .codes(At.any(b.output(0)))
            .mask(At.bytes(b.output(1)))
            .rows(Sizes.elements(b.input(0)) / Sizes.outer(b.input(1)))
            .channels(Sizes.outer(b.input(1)))
            .qmin(op.spec().qmin())
            .qmax(op.spec().qmax())
            .relu(op.relu() ? 1 : 0)
            .code_type(NativeTypes.codeType(b.output(0))),
        QuantrainNative::qt_requantize);
  }

  static Kernel fixedMultiplier(NativeContext context, Binding b) {
    FixedMultiplier op = (FixedMultiplier) b.node().op();
    return context.kernel(
        b,
        new qt_fixed_multiplier_args()
            .x_scale(At.floats(b.input(0)))
            .w_scale(At.floats(b.input(1)))
            .y_scale(At.floats(b.input(2)))
            .multiplier(At.ints(b.output(0)))
            .shift(At.ints(b.output(1)))
            .channels(Sizes.outer(b.output(0)))
            .form(
                op.powerOfTwo()
                    ? QuantrainNative.QT_MULTIPLIER_POWER_OF_TWO
                    : QuantrainNative.QT_MULTIPLIER_DOUBLE),
        QuantrainNative::qt_fixed_multiplier);
  }

  static Kernel requantizeFixed(NativeContext context, Binding b) {
    RequantizeFixed op = (RequantizeFixed) b.node().op();
    return context.kernel(
        b,
        new qt_requantize_fixed_args()
            .acc(At.ints(b.input(0)))
            .multiplier(op.rule().isShift() ? null : At.ints(b.input(1)))
            .shift(At.ints(b.input(2)))
            .zero_point(At.ints(b.input(3)))
            .bias(b.inputs().size() > 4 ? At.ints(b.input(4)) : null)
            .codes(At.any(b.output(0)))
            .mask(At.bytes(b.output(1)))
            .rows(Sizes.rows(b.input(0)))
            .channels(Sizes.channels(b.input(0)))
            .qmin(op.spec().qmin())
            .qmax(op.spec().qmax())
            .contract(
                switch (op.rule()) {
                  case FIXED_DOUBLE -> QuantrainNative.QT_FIXED_DOUBLE;
                  case FIXED_SINGLE -> QuantrainNative.QT_FIXED_SINGLE;
                  case FIXED_RUY -> QuantrainNative.QT_FIXED_RUY;
                  case POWER_OF_TWO_EVEN -> QuantrainNative.QT_POWER_OF_TWO_EVEN;
                  case FP32_RNE -> throw b.failure("FP32_RNE is the rule of Requantize");
                })
            .relu(op.relu() ? 1 : 0)
            .code_type(NativeTypes.codeType(b.output(0))),
        QuantrainNative::qt_requantize_fixed);
  }

  static Kernel dequantizeAcc(NativeContext context, Binding b) {
    return context.kernel(
        b,
        new qt_dequantize_acc_args()
            .acc(At.ints(b.input(0)))
            .out_scale(At.floats(b.input(1)))
            .bias(b.inputs().size() > 2 ? At.ints(b.input(2)) : null)
            .keep(b.inputs().size() > 3 ? At.ints(b.input(3)) : null)
            .y(At.floats(b.output(0)))
            .rows(Sizes.elements(b.input(0)) / Sizes.outer(b.input(1)))
            .channels(Sizes.outer(b.input(1))),
        QuantrainNative::qt_dequantize_acc);
  }

  static Kernel convBnFold(NativeContext context, Binding b) {
    Operand w = b.input(0);
    Operand variance = b.input(2);
    return new Steps(b)
        .add(
            context.call(
                b,
                new qt_conv_bn_fold_args()
                    .w(At.floats(w))
                    .gamma(At.floats(b.input(1)))
                    .running_var(At.floats(variance))
                    .w_folded(At.floats(b.output(0)))
                    .channels(Sizes.outer(w))
                    .inner(Sizes.inner(w))
                    .epsilon(((ConvBnFold) b.node().op()).epsilon()),
                QuantrainNative::qt_conv_bn_fold))
        .add(context.copying(variance.address(), b.output(1).address(), variance.spec().bytes()));
  }

  static Kernel convBnFoldBackward(NativeContext context, Binding b) {
    Operand w = b.input(0);
    // The native kernel adds to dgamma, so that it can join another gradient; here it stands alone.
    long bytes = b.output(1).spec().bytes();
    return new Steps(b)
        .add(context.zeroing(b.output(1).address(), bytes))
        .add(
            context.call(
                b,
                new qt_conv_bn_fold_backward_args()
                    .w(At.floats(w))
                    .dw_folded(At.floats(b.input(1)))
                    .gamma(At.floats(b.input(2)))
                    .running_var(At.floats(b.input(3)))
                    .dw(At.floats(b.output(0)))
                    .dgamma(At.floats(b.output(1)))
                    .channels(Sizes.outer(w))
                    .inner(Sizes.inner(w))
                    .epsilon(((ConvBnFoldBackward) b.node().op()).epsilon()),
                QuantrainNative::qt_conv_bn_fold_backward));
  }

  static Kernel convBnCorrect(NativeContext context, Binding b) {
    return context.kernel(
        b,
        new qt_conv_bn_correct_args()
            .batch_mean(At.floats(b.input(1)))
            .batch_var(At.floats(b.input(2)))
            .running_var(At.floats(b.input(3)))
            .gamma(At.floats(b.input(4)))
            .beta(At.floats(b.input(5)))
            .x_scale(At.floats(b.input(6)))
            .w_scale(At.floats(b.input(7)))
            .out_scale(At.floats(b.output(1)))
            .bias(At.ints(b.output(2)))
            .channels(Sizes.channels(b.input(0)))
            .epsilon(((ConvBnCorrect) b.node().op()).epsilon()),
        QuantrainNative::qt_conv_bn_correct);
  }

  static Kernel convBnCorrectBackward(NativeContext context, Binding b) {
    return context.kernel(
        b,
        new qt_conv_bn_correct_backward_args()
            .dy(At.floats(b.input(0)))
            .mask(null)
            .acc(At.ints(b.input(1)))
            .batch_mean(At.floats(b.input(2)))
            .batch_var(At.floats(b.input(3)))
            .running_var(At.floats(b.input(4)))
            .gamma(At.floats(b.input(5)))
            .x_scale(At.floats(b.input(6)))
            .w_scale(At.floats(b.input(7)))
            .d_out(At.floats(b.output(0)))
            .dgamma(At.floats(b.output(1)))
            .dbeta(At.floats(b.output(2)))
            .dmean(At.floats(b.output(3)))
            .dsigma(At.floats(b.output(4)))
            .rows(Sizes.rows(b.input(0)))
            .channels(Sizes.channels(b.input(0)))
            .epsilon(((ConvBnCorrectBackward) b.node().op()).epsilon()),
        QuantrainNative::qt_conv_bn_correct_backward);
  }
}
