package org.quantrain.backend.cpu;

import org.quantrain.backend.shared.At;
import org.quantrain.backend.shared.NativeTypes;
import org.quantrain.backend.shared.Scratch;
import org.quantrain.backend.shared.Steps;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_conv2d_backward_weights_args;
import org.quantrain.internal.bind.qt_dequantize_args;
import org.quantrain.op.ConvGeometry;
import org.quantrain.runtime.Binding;
import org.quantrain.runtime.Binding.Operand;
import org.quantrain.tensor.DType;

/**
 * Gradient of a convolution's weights by our own kernel, whose sums have the same bits for any
 * number of threads, and what oneDNN needs where its is faster. Inputs as those of {@link
 * org.quantrain.op.Conv2dBackwardWeights}.
 */
final class WeightGradient {
  private WeightGradient() {}

  /** Whether there is a kernel for this convolution, and a faster one than oneDNN's with AVX2. */
  static boolean takes(Convolution conv) {
    ConvGeometry g = conv.geometry();
    return conv.groups() == 1
        && conv.r() * conv.s() > 1
        && Math.max(g.padTop(), g.padBottom()) <= (conv.r() - 1) * g.dilationH()
        && Math.max(g.padLeft(), g.padRight()) <= (conv.s() - 1) * g.dilationW();
  }

  static Steps kernel(Cpu cpu, Binding b, Convolution conv) {
    Operand x = b.input(0);
    ConvGeometry geometry = conv.geometry();
    qt_conv2d_backward_weights_args args =
        new qt_conv2d_backward_weights_args()
            .x(At.any(x))
            .dy(At.floats(b.input(1)))
            .dw(At.floats(b.output(0)))
            .k(conv.k())
            .dilation_h(geometry.dilationH())
            .dilation_w(geometry.dilationW())
            .x_type(NativeTypes.elementType(b, x.spec().dtype()));
    if (isCodes(x)) {
      args.x_scale(At.floats(b.input(2))).x_zero_point(At.ints(b.input(3)));
    }
    conv.describe(args.window());
    return cpu.kernel(b, args, QuantrainNative::qt_conv2d_backward_weights)
        .lowered("float32 in bands");
  }

  /** Where x is in float32, after the steps that make it so. */
  static Scratch.Region values(Cpu cpu, Steps steps, Binding b, Convolution conv) {
    Operand x = b.input(0);
    if (!isCodes(x)) {
      return ProductKernels.region(x);
    }
    Scratch.Region values = steps.scratch().region(4 * conv.inputs());
    qt_dequantize_args args =
        new qt_dequantize_args()
            .codes(At.any(x))
            .scale(At.floats(b.input(2)))
            .zero_point(At.ints(b.input(3)))
            .outer(1)
            .channels(1)
            .inner(conv.inputs())
            .code_type(NativeTypes.codeType(x));
    values.whenKnown(address -> args.y(At.floats(address)));
    steps.add(cpu.call(b, args, QuantrainNative::qt_dequantize));
    return values;
  }

  private static boolean isCodes(Operand x) {
    return x.spec().dtype() != DType.F32;
  }
}
