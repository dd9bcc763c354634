package org.quantrain.backend.shared;

import java.util.Arrays;
import org.bytedeco.javacpp.BytePointer;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_dequantize_args;
import org.quantrain.internal.bind.qt_dsq_backward_args;
import org.quantrain.internal.bind.qt_dsq_qparams_args;
import org.quantrain.internal.bind.qt_lsq_acc_backward_args;
import org.quantrain.internal.bind.qt_lsq_add_backward_args;
import org.quantrain.internal.bind.qt_lsq_backward_args;
import org.quantrain.internal.bind.qt_lsq_plus_backward_args;
import org.quantrain.internal.bind.qt_lsq_qparams_args;
import org.quantrain.internal.bind.qt_mse_scale_args;
import org.quantrain.internal.bind.qt_pact_backward_args;
import org.quantrain.internal.bind.qt_pact_qparams_args;
import org.quantrain.op.LearnedAccBackward;
import org.quantrain.op.LearnedAddBackward;
import org.quantrain.op.LearnedGridBackward;
import org.quantrain.op.LearnedQParams;
import org.quantrain.op.MseRange;
import org.quantrain.op.ScaleRule;
import org.quantrain.runtime.Binding;
import org.quantrain.runtime.Binding.Operand;
import org.quantrain.runtime.Kernel;
import org.quantrain.tensor.QuantSpec;

/** Learned quantizers: where they start, their scale and zero-point, their gradients. */
final class LearnedKernels {
  private LearnedKernels() {}

  /** Scales and zero-points of a tensor, wherever they are. */
  private record Grid(long channels, Scratch.Region scale, Scratch.Region zeroPoint) {}

  /** The codes are there already: the output is the input. */
  static Kernel grid(NativeContext context, Binding b) {
    return new Steps(b);
  }

  static Kernel qparams(NativeContext context, Binding b) {
    LearnedQParams op = (LearnedQParams) b.node().op();
    QuantSpec spec = op.spec();
    long channels = Sizes.outer(b.output(0));
    Steps steps = new Steps(b);
    switch (op.rule()) {
      case STEP, STEP_AND_OFFSET ->
          steps.add(
              context.call(
                  b,
                  new qt_lsq_qparams_args()
                      .learned_scale(At.floats(b.input(0)))
                      .learned_zero_point(null)
                      .learned_offset(op.rule() == ScaleRule.STEP ? null : At.floats(b.input(1)))
                      .scale(At.floats(b.output(0)))
                      .zero_point(At.ints(b.output(1)))
                      .channels(channels)
                      .qmin(spec.qmin())
                      .qmax(spec.qmax()),
                  QuantrainNative::qt_lsq_qparams));
      case CLIP, SOFT_CLIP ->
          steps.add(
              context.call(
                  b,
                  new qt_pact_qparams_args()
                      .alpha(At.floats(b.input(0)))
                      .scale(At.floats(b.output(0)))
                      .zero_point(At.ints(b.output(1)))
                      .channels(channels)
                      .qmin(spec.qmin())
                      .qmax(spec.qmax())
                      .is_signed(spec.symmetric() ? 1 : 0),
                  QuantrainNative::qt_pact_qparams));
      case SOFT_RANGE ->
          steps.add(
              context.call(
                  b,
                  new qt_dsq_qparams_args()
                      .learned_lower(At.floats(b.input(0)))
                      .learned_upper(At.floats(b.input(1)))
                      .scale(At.floats(b.output(0)))
                      .zero_point(At.ints(b.output(1)))
                      .lower(At.floats(b.output(2)))
                      .upper(At.floats(b.output(3)))
                      .channels(channels)
                      .qmin(spec.qmin())
                      .qmax(spec.qmax()),
                  QuantrainNative::qt_dsq_qparams));
      case OBSERVED -> throw b.failure("an observed quantizer has no learned values");
    }
    Grid grid = new Grid(channels, at(b.output(0)), at(b.output(1)));
    if (op.rule() == ScaleRule.STEP_AND_OFFSET) {
      steps.add(real(context, b, spec, 0, grid, b.output(2)));
    } else if (op.rule() == ScaleRule.SOFT_CLIP) {
      ends(context, b, steps, spec, grid, b.output(2), b.output(3));
    }
    return steps;
  }

  private static Scratch.Region at(Operand operand) {
    return Scratch.Region.fixed(operand.address());
  }

  static Kernel gridBackward(NativeContext context, Binding b) {
    LearnedGridBackward op = (LearnedGridBackward) b.node().op();
    Operand x = b.input(0);
    long channels = Sizes.outer(b.input(2));
    long inner = Sizes.elements(x) / channels;
    return switch (op.rule()) {
      case STEP ->
          context.kernel(
              b,
              new qt_lsq_backward_args()
                  .x(At.any(x))
                  .dy(At.any(b.input(1)))
                  .scale(At.floats(b.input(2)))
                  .zero_point(At.ints(b.input(3)))
                  .dx(At.any(b.output(0)))
                  .dscale(At.floats(b.output(1)))
                  .dzero_point(null)
                  .outer(1)
                  .channels(channels)
                  .inner(inner)
                  .qmin(op.spec().qmin())
                  .qmax(op.spec().qmax())
                  .gradient_scale(op.gradientScale())
                  .element_type(QuantrainNative.QT_ELEMENT_F32),
              QuantrainNative::qt_lsq_backward);
      case STEP_AND_OFFSET ->
          context.kernel(
              b,
              new qt_lsq_plus_backward_args()
                  .x(At.any(x))
                  .dy(At.any(b.input(1)))
                  .scale(At.floats(b.input(2)))
                  .beta(At.floats(b.input(4)))
                  .dx(At.any(b.output(0)))
                  .dscale(At.floats(b.output(1)))
                  .dbeta(At.floats(b.output(2)))
                  .outer(1)
                  .channels(channels)
                  .inner(inner)
                  .qmin(op.spec().qmin())
                  .qmax(op.spec().qmax())
                  .gradient_scale(op.gradientScale())
                  .element_type(QuantrainNative.QT_ELEMENT_F32),
              QuantrainNative::qt_lsq_plus_backward);
      case CLIP ->
          context.kernel(
              b,
              new qt_pact_backward_args()
                  .x(At.any(x))
                  .dy(At.any(b.input(1)))
                  .alpha(At.floats(b.input(4)))
                  .dx(At.any(b.output(0)))
                  .dalpha(At.floats(b.output(1)))
                  .outer(1)
                  .channels(channels)
                  .inner(inner)
                  .is_signed(op.spec().symmetric() ? 1 : 0)
                  .element_type(QuantrainNative.QT_ELEMENT_F32),
              QuantrainNative::qt_pact_backward);
      case SOFT_CLIP, SOFT_RANGE ->
          context.kernel(
              b,
              new qt_dsq_backward_args()
                  .x(At.any(x))
                  .dy(At.any(b.input(1)))
                  .lower(At.floats(b.input(4)))
                  .upper(At.floats(b.input(5)))
                  .alpha(At.floats(b.input(6)))
                  .dx(At.any(b.output(0)))
                  .dlower(At.floats(b.output(1)))
                  .dupper(At.floats(b.output(2)))
                  .dalpha(At.floats(b.output(3)))
                  .outer(1)
                  .channels(channels)
                  .inner(inner)
                  .levels(op.spec().qmax() - op.spec().qmin())
                  .element_type(QuantrainNative.QT_ELEMENT_F32),
              QuantrainNative::qt_dsq_backward);
      case OBSERVED -> throw b.failure("an observed quantizer has no learned values");
    };
  }

  static Kernel accBackward(NativeContext context, Binding b) {
    LearnedAccBackward op = (LearnedAccBackward) b.node().op();
    long channels = Sizes.outer(b.input(1));
    return context.kernel(
        b,
        new qt_lsq_acc_backward_args()
            .acc(At.ints(b.input(0)))
            .out_scale(At.floats(b.input(1)))
            .dy(At.floats(b.input(2)))
            .scale(At.floats(b.input(3)))
            .zero_point(At.ints(b.input(4)))
            .bias(b.inputs().size() > 5 ? At.ints(b.input(5)) : null)
            .keep(b.inputs().size() > 6 ? At.ints(b.input(6)) : null)
            .dx(At.floats(b.output(0)))
            .dscale(At.floats(b.output(1)))
            .rows(Sizes.elements(b.input(0)) / channels)
            .channels(channels)
            .relu(op.relu() ? 1 : 0)
            .upper(op.upper())
            .qmin(op.spec().qmin())
            .qmax(op.spec().qmax())
            .gradient_scale(op.gradientScale()),
        QuantrainNative::qt_lsq_acc_backward);
  }

  static Kernel addBackward(NativeContext context, Binding b) {
    LearnedAddBackward op = (LearnedAddBackward) b.node().op();
    boolean two = b.inputs().size() > 6;
    return context.kernel(
        b,
        new qt_lsq_add_backward_args()
            .a(At.any(b.input(0)))
            .a_scale(At.floats(b.input(1)))
            .a_zero_point(At.ints(b.input(2)))
            .dy(At.floats(b.input(3)))
            .scale(At.floats(b.input(4)))
            .zero_point(At.ints(b.input(5)))
            .b(two ? At.any(b.input(6)) : null)
            .b_scale(two ? At.floats(b.input(7)) : null)
            .b_zero_point(two ? At.ints(b.input(8)) : null)
            .dx(At.floats(b.output(0)))
            .dscale(At.floats(b.output(1)))
            .n(Sizes.elements(b.input(0)))
            .relu(op.relu() ? 1 : 0)
            .upper(op.upper())
            .qmin(op.spec().qmin())
            .qmax(op.spec().qmax())
            .gradient_scale(op.gradientScale())
            .code_type(NativeTypes.codeType(b.input(0))),
        QuantrainNative::qt_lsq_add_backward);
  }

  /** Writes what the lowest and the highest code stand for. */
  private static void ends(
      NativeContext context, Binding b, Steps steps, QuantSpec spec, Grid grid, Operand lower, Operand upper) {
    steps.add(real(context, b, spec, spec.qmin(), grid, lower));
    steps.add(real(context, b, spec, spec.qmax(), grid, upper));
  }

  /** Writes what a code stands for. */
  private static Steps.Step real(
      NativeContext context, Binding b, QuantSpec spec, int code, Grid grid, Operand target) {
    byte[] repeated = new byte[Math.toIntExact(grid.channels())];
    Arrays.fill(repeated, (byte) code);
    BytePointer codes = new BytePointer(repeated);
    qt_dequantize_args args =
        new qt_dequantize_args()
            .codes(codes)
            .y(At.floats(target))
            .outer(1)
            .channels(grid.channels())
            .inner(1)
            .code_type(spec.signed() ? QuantrainNative.QT_S8 : QuantrainNative.QT_U8);
    grid.scale().whenKnown(address -> args.scale(At.floats(address)));
    grid.zeroPoint().whenKnown(address -> args.zero_point(At.ints(address)));
    Steps.Step step = context.call(b, args, QuantrainNative::qt_dequantize);
    return new Steps.Step() {
      @Override
      public void run() {
        step.run();
      }

      @Override
      public void close() {
        step.close();
        codes.close();
      }
    };
  }

  static Kernel mseRange(NativeContext context, Binding b) {
    QuantSpec spec = ((MseRange) b.node().op()).spec();
    Operand x = b.input(0);
    long channels = Sizes.outer(b.output(0));
    Steps steps = new Steps(b);
    qt_mse_scale_args args =
        new qt_mse_scale_args()
            .x(At.floats(x))
            .outer(1)
            .channels(channels)
            .inner(Sizes.elements(x) / channels)
            .qmin(spec.qmin())
            .qmax(spec.qmax())
            .symmetric(spec.symmetric() ? 1 : 0)
            .candidates(MseRange.CANDIDATES);
    steps.add(context.call(b, args, QuantrainNative::qt_mse_scale));
    Grid grid =
        new Grid(
            channels,
            steps.scratch().region(channels * Float.BYTES),
            steps.scratch().region(channels * Integer.BYTES));
    grid.scale().whenKnown(address -> args.scale(At.floats(address)));
    grid.zeroPoint().whenKnown(address -> args.zero_point(At.ints(address)));
    ends(context, b, steps, spec, grid, b.output(0), b.output(1));
    return steps;
  }
}
