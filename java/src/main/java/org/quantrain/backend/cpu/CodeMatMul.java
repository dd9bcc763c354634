package org.quantrain.backend.cpu;

import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_DST;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_SRC;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_WEIGHTS;
import static org.bytedeco.dnnl.global.dnnl.dnnl_f32;

import java.util.Arrays;
import org.bytedeco.dnnl.dnnl_memory_desc;
import org.quantrain.backend.shared.At;
import org.quantrain.backend.shared.NativeTypes;
import org.quantrain.backend.shared.Scratch;
import org.quantrain.backend.shared.SharedProducts;
import org.quantrain.backend.shared.Sizes;
import org.quantrain.backend.shared.Steps;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_dequantize_args;
import org.quantrain.internal.bind.qt_float_to_acc_args;
import org.quantrain.op.Lowering;
import org.quantrain.op.MatMulCodes;
import org.quantrain.runtime.Binding;
import org.quantrain.runtime.Binding.Operand;
import org.quantrain.runtime.Kernel;

/**
 * Batched products of two computed operands on codes, by two roads to the same accumulators: oneDNN
 * on integer-valued floats, because its int8 products want one operand that is signed, and plain
 * integer loops. No partial sum of any order reaches 2^24, so the floats are the integers.
 */
final class CodeMatMul {
  /** So many products of two codes less their zero-points stay exact in any order of summation. */
  private static final long EXACT_PRODUCTS = ((1 << 24) - 1) / (255 * 255);

  private CodeMatMul() {}

  static Kernel create(Cpu cpu, Binding b) {
    return ((MatMulCodes) b.node().op()).lowering() == Lowering.REFERENCE
        ? reference(cpu, b)
        : ProductKernels.build(cpu, b, (making, steps) -> simulated(cpu, making, steps, b));
  }

  private static Kernel reference(Cpu cpu, Binding b) {
    return cpu.kernel(b, SharedProducts.matMulCodes(b), QuantrainNative::qt_matmul_codes)
        .lowered("integer loops");
  }

  /** The sum over K in parts that are exact in float32, added in int32. */
  private static String simulated(Cpu cpu, Dnnl.Making making, Steps steps, Binding b) {
    int[] a = b.input(0).spec().shape().dims();
    int[] y = b.output(0).spec().shape().dims();
    int last = y.length - 1;
    int terms = a[last];
    Scratch scratch = steps.scratch();
    Scratch.Region left = values(cpu, steps, b, b.input(0), b.input(2));
    Scratch.Region right = values(cpu, steps, b, b.input(3), b.input(5));
    Scratch.Region sum = scratch.region(4 * Sizes.elements(b.output(0)));
    String name = "";
    long parts = (terms + EXACT_PRODUCTS - 1) / EXACT_PRODUCTS;
    int most = (int) ((terms + parts - 1) / parts);
    for (int from = 0; from < terms; from += most) {
      int some = Math.min(most, terms - from);
      name =
          MatMulKernel.product(
              cpu.dnnl(),
              making,
              steps,
              new Dnnl.Arg(
                  DNNL_ARG_SRC,
                  matrices(making, y, y[last - 1], some, terms, y[last - 1]),
                  CodeProducts.behind(left, 4L * from)),
              new Dnnl.Arg(
                  DNNL_ARG_WEIGHTS,
                  matrices(making, y, some, y[last], y[last], terms),
                  CodeProducts.behind(right, 4L * from * y[last])),
              new Dnnl.Arg(
                  DNNL_ARG_DST,
                  matrices(making, y, y[last - 1], y[last], y[last], y[last - 1]),
                  sum));
      qt_float_to_acc_args add =
          new qt_float_to_acc_args()
              .acc(At.ints(b.output(0)))
              .n(Sizes.elements(b.output(0)))
              .accumulate(from > 0 ? 1 : 0);
      sum.whenKnown(address -> add.x(At.floats(address)));
      steps.add(cpu.call(b, add, QuantrainNative::qt_float_to_acc));
    }
    return "integer-valued floats in " + parts + (parts == 1 ? " part " : " parts ") + name;
  }

  /** Codes less their zero-point as floats. */
  private static Scratch.Region values(
      Cpu cpu, Steps steps, Binding b, Operand codes, Operand zeroPoint) {
    Scratch.Region region = steps.scratch().region(4 * Sizes.elements(codes));
    qt_dequantize_args args =
        new qt_dequantize_args()
            .codes(At.any(codes))
            .scale(null)
            .zero_point(At.ints(zeroPoint))
            .outer(1)
            .channels(1)
            .inner(Sizes.elements(codes))
            .code_type(NativeTypes.codeType(codes));
    region.whenKnown(address -> args.y(At.floats(address)));
    steps.add(cpu.call(b, args, QuantrainNative::qt_dequantize));
    return region;
  }

  /**
   * Some columns or rows of matrices that lie dense in memory.
   *
   * @param y dimensions of the product; those in front are the matrices'
   * @param width elements from one row of a whole matrix to the next
   * @param height rows of a whole matrix
   */
  private static dnnl_memory_desc matrices(
      Dnnl.Making making, int[] y, long rows, long columns, long width, long height) {
    int rank = y.length;
    long[] dims = Arrays.stream(y).asLongStream().toArray();
    long[] strides = new long[rank];
    dims[rank - 2] = rows;
    dims[rank - 1] = columns;
    strides[rank - 1] = 1;
    strides[rank - 2] = width;
    long stride = width * height;
    for (int i = rank - 3; i >= 0; i--) {
      strides[i] = stride;
      stride *= dims[i];
    }
    return making.strided(dnnl_f32, dims, strides);
  }
}
