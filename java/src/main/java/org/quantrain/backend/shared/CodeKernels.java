package org.quantrain.backend.shared;

import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_add_codes_args;
import org.quantrain.internal.bind.qt_add_codes_fixed_args;
import org.quantrain.internal.bind.qt_add_codes_range_args;
import org.quantrain.internal.bind.qt_average_pool_codes_args;
import org.quantrain.internal.bind.qt_average_pool_codes_fixed_args;
import org.quantrain.internal.bind.qt_dequantize_args;
import org.quantrain.internal.bind.qt_global_pool_sum_args;
import org.quantrain.internal.bind.qt_histogram_args;
import org.quantrain.internal.bind.qt_min_max_args;
import org.quantrain.internal.bind.qt_quantize_args;
import org.quantrain.internal.bind.qt_quantize_weight_args;
import org.quantrain.internal.bind.qt_quantize_weight_backward_args;
import org.quantrain.internal.bind.qt_range_to_qparams_args;
import org.quantrain.internal.bind.qt_requantize_codes_args;
import org.quantrain.internal.bind.qt_ste_backward_args;
import org.quantrain.internal.bind.qt_update_range_args;
import org.quantrain.op.AddCodes;
import org.quantrain.op.AddCodesRange;
import org.quantrain.op.Addition;
import org.quantrain.op.AveragePoolCodes;
import org.quantrain.op.AveragePoolOnGrid;
import org.quantrain.op.Histogram;
import org.quantrain.op.Quantize;
import org.quantrain.op.QuantizeWeight;
import org.quantrain.op.RangeToQParams;
import org.quantrain.op.RequantizeCodes;
import org.quantrain.op.UpdateQParams;
import org.quantrain.runtime.Binding;
import org.quantrain.runtime.Binding.Operand;
import org.quantrain.runtime.Kernel;
import org.quantrain.runtime.StepScalars;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.QuantSpec;

/** From floats to codes and back, observers, and what is computed on codes besides products. */
final class CodeKernels {
  private CodeKernels() {}

  static Kernel minMax(NativeContext context, Binding b) {
    return context.kernel(
        b,
        new qt_min_max_args()
            .x(At.floats(b.input(0)))
            .min(At.floats(b.output(0)))
            .max(At.floats(b.output(1)))
            .nans(At.longs(b.output(2)))
            .outer(1)
            .channels(1)
            .inner(Sizes.elements(b.input(0))),
        QuantrainNative::qt_min_max);
  }

  static Kernel histogram(NativeContext context, Binding b) {
    return context.kernel(
        b,
        new qt_histogram_args()
            .x(At.floats(b.input(0)))
            .counts(At.longs(b.input(1)))
            .exponent(At.ints(b.input(2)))
            .nans(At.longs(b.input(3)))
            .infs(At.longs(b.input(4)))
            .outer(1)
            .channels(1)
            .inner(Sizes.elements(b.input(0)))
            .bins(((Histogram) b.node().op()).bins())
            .is_signed(1),
        QuantrainNative::qt_histogram);
  }

  static Kernel updateQParams(NativeContext context, Binding b) {
    UpdateQParams op = (UpdateQParams) b.node().op();
    int rule =
        switch (op.rule()) {
          case MOVING_AVERAGE -> QuantrainNative.QT_RANGE_EMA;
          case EXTREMES -> QuantrainNative.QT_RANGE_MIN_MAX;
        };
    long channels = Sizes.outer(b.input(0));
    long momentum = b.scalars().address(StepScalars.Slot.OBSERVER_MOMENTUM);
    return new Steps(b)
        .add(
            context.call(
                b,
                new qt_update_range_args()
                    .batch_min(At.floats(b.input(0)))
                    .batch_max(At.floats(b.input(1)))
                    .range_min(At.floats(b.input(2)))
                    .range_max(At.floats(b.input(3)))
                    .count(At.ints(b.input(4)))
                    .momentum(At.floats(momentum))
                    .channels(channels)
                    .rule(rule),
                QuantrainNative::qt_update_range))
        .add(
            context.call(
                b,
                qparams(op.spec(), b.input(2), b.input(3), b.input(5), b.input(6)),
                QuantrainNative::qt_range_to_qparams));
  }

  static Kernel rangeToQParams(NativeContext context, Binding b) {
    QuantSpec spec = ((RangeToQParams) b.node().op()).spec();
    return context.kernel(
        b,
        qparams(spec, b.input(0), b.input(1), b.output(0), b.output(1)),
        QuantrainNative::qt_range_to_qparams);
  }

  private static qt_range_to_qparams_args qparams(
      QuantSpec spec, Operand min, Operand max, Operand scale, Operand zeroPoint) {
    return new qt_range_to_qparams_args()
        .range_min(At.floats(min))
        .range_max(At.floats(max))
        .scale(At.floats(scale))
        .zero_point(At.ints(zeroPoint))
        .channels(Sizes.outer(min))
        .qmin(spec.qmin())
        .qmax(spec.qmax())
        .symmetric(spec.symmetric() ? 1 : 0)
        .power_of_two(spec.powerOfTwo() ? 1 : 0);
  }

  static Kernel quantize(NativeContext context, Binding b) {
    QuantSpec spec = ((Quantize) b.node().op()).spec();
    long channels = Sizes.outer(b.input(1));
    return context.kernel(
        b,
        new qt_quantize_args()
            .x(At.floats(b.input(0)))
            .scale(At.floats(b.input(1)))
            .zero_point(At.ints(b.input(2)))
            .codes(At.any(b.output(0)))
            .mask(At.bytes(b.output(1)))
            .outer(1)
            .channels(channels)
            .inner(Sizes.elements(b.input(0)) / channels)
            .qmin(spec.qmin())
            .qmax(spec.qmax())
            .code_type(NativeTypes.codeType(b.output(0))),
        QuantrainNative::qt_quantize);
  }

  static Kernel codesToBf16(NativeContext context, Binding b) {
    return context.kernel(
        b,
        new qt_dequantize_args()
            .codes(At.any(b.input(0)))
            .scale(null)
            .zero_point(b.inputs().size() > 1 ? At.ints(b.input(1)) : null)
            .y(At.any(b.output(0)))
            .outer(1)
            .channels(1)
            .inner(Sizes.elements(b.input(0)))
            .code_type(NativeTypes.codeType(b.input(0)))
            .element_type(QuantrainNative.QT_ELEMENT_BF16),
        QuantrainNative::qt_dequantize);
  }

  static Kernel dequantize(NativeContext context, Binding b) {
    long channels = Sizes.outer(b.input(1));
    boolean affine = b.inputs().size() > 2;
    if (affine && channels != 1) {
      throw b.failure("expected one scale where there is a zero-point, got " + channels);
    }
    return context.kernel(
        b,
        new qt_dequantize_args()
            .codes(At.any(b.input(0)))
            .scale(At.floats(b.input(1)))
            .zero_point(affine ? At.ints(b.input(2)) : null)
            .y(At.floats(b.output(0)))
            .outer(1)
            .channels(channels)
            .inner(Sizes.elements(b.input(0)) / channels)
            .code_type(NativeTypes.codeType(b.input(0))),
        QuantrainNative::qt_dequantize);
  }

  static Kernel requantizeCodes(NativeContext context, Binding b) {
    QuantSpec spec = ((RequantizeCodes) b.node().op()).spec();
    return context.kernel(
        b,
        new qt_requantize_codes_args()
            .codes(At.any(b.input(0)))
            .scale(At.floats(b.input(1)))
            .zero_point(At.ints(b.input(2)))
            .out_scale(At.floats(b.input(3)))
            .out_zero_point(At.ints(b.input(4)))
            .out_codes(At.any(b.output(0)))
            .mask(At.bytes(b.output(1)))
            .n(Sizes.elements(b.input(0)))
            .qmin(spec.qmin())
            .qmax(spec.qmax())
            .code_type(NativeTypes.codeType(b.input(0)))
            .out_code_type(NativeTypes.codeType(b.output(0))),
        QuantrainNative::qt_requantize_codes);
  }

  static Kernel steBackward(NativeContext context, Binding b) {
    return context.kernel(
        b,
        new qt_ste_backward_args()
            .dy(At.floats(b.input(0)))
            .mask(At.bytes(b.input(1)))
            .dx(At.floats(b.output(0)))
            .n(Sizes.elements(b.input(0))),
        QuantrainNative::qt_ste_backward);
  }

  static Kernel quantizeWeight(NativeContext context, Binding b) {
    QuantSpec spec = ((QuantizeWeight) b.node().op()).spec();
    Operand w = b.input(0);
    long channels = spec.perChannel() ? Sizes.outer(w) : 1;
    return context.kernel(
        b,
        new qt_quantize_weight_args()
            .w(At.floats(w))
            .gamma(b.inputs().size() > 1 ? At.floats(b.input(1)) : null)
            .codes(At.bytes(b.output(0)))
            .scale(At.floats(b.output(1)))
            .channels(channels)
            .inner(Sizes.elements(w) / channels)
            .qmin(spec.qmin())
            .qmax(spec.qmax())
            .power_of_two(spec.powerOfTwo() ? 1 : 0),
        QuantrainNative::qt_quantize_weight);
  }

  static Kernel timesSign(NativeContext context, Binding b) {
    return context.kernel(
        b,
        new qt_quantize_weight_backward_args()
            .dwq(At.floats(b.input(0)))
            .gamma(At.floats(b.input(1)))
            .dw(At.floats(b.output(0)))
            .channels(Sizes.outer(b.input(0)))
            .inner(Sizes.inner(b.input(0))),
        QuantrainNative::qt_quantize_weight_backward);
  }

  static Kernel addCodes(NativeContext context, Binding b) {
    AddCodes op = (AddCodes) b.node().op();
    if (b.output(0).spec().dtype() != b.input(0).spec().dtype()) {
      throw b.failure("expected the sum's codes in the container of the operands");
    }
    if (op.rule() != Addition.FLOAT) {
      return addCodesFixed(context, b, op);
    }
    return context.kernel(
        b,
        new qt_add_codes_args()
            .a(At.any(b.input(0)))
            .a_scale(At.floats(b.input(1)))
            .a_zero_point(At.ints(b.input(2)))
            .b(At.any(b.input(3)))
            .b_scale(At.floats(b.input(4)))
            .b_zero_point(At.ints(b.input(5)))
            .y_scale(At.floats(b.input(6)))
            .y_zero_point(At.ints(b.input(7)))
            .y(At.any(b.output(0)))
            .mask(At.bytes(b.output(1)))
            .n(Sizes.elements(b.input(0)))
            .qmin(op.spec().qmin())
            .qmax(op.spec().qmax())
            .relu(op.relu() ? 1 : 0)
            .code_type(NativeTypes.codeType(b.input(0))),
        QuantrainNative::qt_add_codes);
  }

  private static Kernel addCodesFixed(NativeContext context, Binding b, AddCodes op) {
    return context.kernel(
        b,
        new qt_add_codes_fixed_args()
            .a(At.any(b.input(0)))
            .a_scale(At.floats(b.input(1)))
            .a_zero_point(At.ints(b.input(2)))
            .b(At.any(b.input(3)))
            .b_scale(At.floats(b.input(4)))
            .b_zero_point(At.ints(b.input(5)))
            .y_scale(At.floats(b.input(6)))
            .y_zero_point(At.ints(b.input(7)))
            .y(At.any(b.output(0)))
            .mask(At.bytes(b.output(1)))
            .n(Sizes.elements(b.input(0)))
            .qmin(op.spec().qmin())
            .qmax(op.spec().qmax())
            .contract(
                op.rule() == Addition.XNNPACK
                    ? QuantrainNative.QT_ADD_XNNPACK
                    : QuantrainNative.QT_ADD_TFLITE)
            .relu(op.relu() ? 1 : 0)
            .code_type(NativeTypes.codeType(b.input(0))),
        QuantrainNative::qt_add_codes_fixed);
  }

  static Kernel addCodesRange(NativeContext context, Binding b) {
    AddCodesRange op = (AddCodesRange) b.node().op();
    return context.kernel(
        b,
        new qt_add_codes_range_args()
            .a(At.any(b.input(0)))
            .a_scale(At.floats(b.input(1)))
            .a_zero_point(At.ints(b.input(2)))
            .b(At.any(b.input(3)))
            .b_scale(At.floats(b.input(4)))
            .b_zero_point(At.ints(b.input(5)))
            .min(At.floats(b.output(0)))
            .max(At.floats(b.output(1)))
            .n(Sizes.elements(b.input(0)))
            .relu(op.relu() ? 1 : 0)
            .upper(op.upper())
            .code_type(NativeTypes.codeType(b.input(0))),
        QuantrainNative::qt_add_codes_range);
  }

  static Kernel globalPoolSum(NativeContext context, Binding b) {
    Operand x = b.input(0);
    return context.kernel(
        b,
        new qt_global_pool_sum_args()
            .x(At.any(x))
            .zero_point(At.ints(b.input(1)))
            .acc(At.ints(b.output(0)))
            .n(x.spec().shape().dim(0))
            .hw((long) x.spec().shape().dim(2) * x.spec().shape().dim(3))
            .c(Sizes.channels(x))
            .code_type(NativeTypes.codeType(x)),
        QuantrainNative::qt_global_pool_sum);
  }

  static Kernel averagePoolCodes(NativeContext context, Binding b) {
    AveragePoolCodes op = (AveragePoolCodes) b.node().op();
    if (b.output(0).spec().dtype() != b.input(0).spec().dtype()) {
      throw b.failure("expected the pool's codes in the container of its input");
    }
    qt_average_pool_codes_args args =
        new qt_average_pool_codes_args()
            .x(At.any(b.input(0)))
            .x_scale(At.floats(b.input(1)))
            .x_zero_point(At.ints(b.input(2)))
            .y_scale(At.floats(b.input(3)))
            .y_zero_point(At.ints(b.input(4)))
            .y(At.any(b.output(0)))
            .mask(At.bytes(b.output(1)))
            .qmin(op.spec().qmin())
            .qmax(op.spec().qmax())
            .count_padding(op.countPadding() ? 1 : 0)
            .code_type(NativeTypes.codeType(b.input(0)));
    Sizes.window(args.window(), op.window(), b.input(0).spec().shape(), b.output(0).spec().shape());
    return context.kernel(b, args, QuantrainNative::qt_average_pool_codes);
  }

  static Kernel averagePoolOnGrid(NativeContext context, Binding b) {
    AveragePoolOnGrid op = (AveragePoolOnGrid) b.node().op();
    boolean unsigned = b.input(0).spec().dtype() == DType.U8;
    qt_average_pool_codes_fixed_args args =
        new qt_average_pool_codes_fixed_args()
            .x(At.any(b.input(0)))
            .y(At.any(b.output(0)))
            .mask(null)
            .qmin(unsigned ? 0 : -128)
            .qmax(unsigned ? 255 : 127)
            .code_type(NativeTypes.codeType(b.input(0)));
    Sizes.window(args.window(), op.window(), b.input(0).spec().shape(), b.output(0).spec().shape());
    return context.kernel(b, args, QuantrainNative::qt_average_pool_codes_fixed);
  }
}
