package org.quantrain.backend.cuda;

import java.util.Map;
import org.quantrain.backend.shared.At;
import org.quantrain.backend.shared.NativeContext;
import org.quantrain.backend.shared.NativeTypes;
import org.quantrain.backend.shared.SharedProducts;
import org.quantrain.graph.Op;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_conv2d_codes_args;
import org.quantrain.internal.bind.qt_gemm_codes_args;
import org.quantrain.op.ConvCodes;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.LinearCodes;
import org.quantrain.op.MatMulCodes;
import org.quantrain.runtime.Binding;
import org.quantrain.runtime.Kernel;
import org.quantrain.tensor.Shape;

/**
 * Products on codes, with sums in int32: each is one of our native kernels, which has the same
 * accumulators in every lowering.
 */
final class CodeProducts {
  /** Makes the kernel of one operation. */
  @FunctionalInterface
  private interface Factory {
    Kernel create(NativeContext context, Binding binding);
  }

  private static final Map<Class<? extends Op>, Factory> KERNELS =
      Map.of(
          ConvCodes.class, CodeProducts::conv,
          LinearCodes.class, CodeProducts::linear,
          MatMulCodes.class, CodeProducts::matMul);

  private CodeProducts() {}

  /** Whether this operation is one of these products. */
  static boolean have(Op op) {
    return KERNELS.containsKey(op.getClass());
  }

  static Kernel prepare(NativeContext context, Binding binding) {
    return KERNELS.get(binding.node().op().getClass()).create(context, binding);
  }

  private static Kernel conv(NativeContext context, Binding b) {
    ConvGeometry geometry = ((ConvCodes) b.node().op()).geometry();
    Shape x = b.input(0).spec().shape();
    Shape w = b.input(3).spec().shape();
    qt_conv2d_codes_args args =
        new qt_conv2d_codes_args()
            .x(At.any(b.input(0)))
            .x_zero_point(At.ints(b.input(2)))
            .w(At.bytes(b.input(3)))
            .acc(At.ints(b.output(0)))
            .k(w.dim(0))
            .groups(geometry.groups())
            .dilation_h(geometry.dilationH())
            .dilation_w(geometry.dilationW())
            .code_type(NativeTypes.codeType(b.input(0)));
    ConvShape.describe(args.window(), geometry, x, w);
    return context.kernel(b, args, QuantrainNative::qt_conv2d_codes);
  }

  private static Kernel linear(NativeContext context, Binding b) {
    Shape x = b.input(0).spec().shape();
    return context.kernel(
        b,
        new qt_gemm_codes_args()
            .x(At.any(b.input(0)))
            .x_zero_point(At.ints(b.input(2)))
            .w(At.bytes(b.input(3)))
            .acc(At.ints(b.output(0)))
            .rows(x.dim(0))
            .in(x.dim(1))
            .out(b.input(3).spec().shape().dim(0))
            .code_type(NativeTypes.codeType(b.input(0))),
        QuantrainNative::qt_gemm_codes);
  }

  private static Kernel matMul(NativeContext context, Binding b) {
    return context.kernel(b, SharedProducts.matMulCodes(b), QuantrainNative::qt_matmul_codes);
  }
}
