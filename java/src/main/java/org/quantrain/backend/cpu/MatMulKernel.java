package org.quantrain.backend.cpu;

import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_DST;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_SRC;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_WEIGHTS;
import static org.bytedeco.dnnl.global.dnnl.dnnl_f32;
import static org.bytedeco.dnnl.global.dnnl.dnnl_matmul_primitive_desc_create;

import org.bytedeco.dnnl.dnnl_memory_desc;
import org.bytedeco.dnnl.dnnl_primitive_desc;
import org.quantrain.backend.shared.Sizes;
import org.quantrain.backend.shared.Steps;
import org.quantrain.op.MatMul;
import org.quantrain.runtime.Binding;
import org.quantrain.runtime.Binding.Operand;
import org.quantrain.runtime.Kernel;
import org.quantrain.tensor.Shape;

/** Batched matrix products in float32 or bf16, by oneDNN. */
final class MatMulKernel {
  private MatMulKernel() {}

  static Kernel create(Cpu cpu, Binding b) {
    MatMul op = (MatMul) b.node().op();
    Shape y = b.output(0).spec().shape();
    boolean rows = !op.transA() && isOneMatrix(b.input(1));
    int rank = y.rank();
    Shape left = b.input(0).spec().shape();
    Shape right = b.input(1).spec().shape();
    return ProductKernels.product(
        cpu,
        b,
        (making, steps, type, first, second) ->
            product(
                cpu.dnnl(),
                making,
                steps,
                new Dnnl.Arg(
                    DNNL_ARG_SRC, matrices(making, type, left, rank, op.transA(), rows), first),
                new Dnnl.Arg(
                    DNNL_ARG_WEIGHTS,
                    matrices(making, type, right, rank, op.transB(), rows),
                    second),
                new Dnnl.Arg(
                    DNNL_ARG_DST,
                    matrices(making, dnnl_f32, y, rank, false, rows),
                    ProductKernels.region(b.output(0)))));
  }

  private static boolean isOneMatrix(Operand operand) {
    Shape shape = operand.spec().shape();
    return Sizes.product(shape, 0, shape.rank() - 2) == 1;
  }

  /**
   * Matrices as oneDNN sees them.
   *
   * @param rank of the product, to which the dimensions in front are filled up with ones
   * @param transposed the last two dimensions change places
   * @param rows all matrices below one another as one: their product with one matrix
   */
  private static dnnl_memory_desc matrices(
      Dnnl.Making making, int type, Shape shape, int rank, boolean transposed, boolean rows) {
    int missing = rank - shape.rank();
    long[] dims = new long[rank];
    long[] strides = new long[rank];
    long stride = 1;
    for (int i = rank - 1; i >= 0; i--) {
      dims[i] = i < missing ? 1 : shape.dim(i - missing);
      strides[i] = stride;
      stride *= dims[i];
    }
    if (rows) {
      long columns = dims[rank - 1];
      dims = new long[] {stride / Math.max(columns, 1), columns};
      strides = new long[] {columns, 1};
    }
    if (transposed) {
      swapLast(dims);
      swapLast(strides);
    }
    return making.strided(type, dims, strides);
  }

  private static void swapLast(long[] values) {
    int last = values.length - 1;
    long moved = values[last];
    values[last] = values[last - 1];
    values[last - 1] = moved;
  }

  static String product(
      Dnnl dnnl, Dnnl.Making making, Steps steps, Dnnl.Arg a, Dnnl.Arg b, Dnnl.Arg y) {
    dnnl_primitive_desc desc = new dnnl_primitive_desc();
    int status =
        dnnl_matmul_primitive_desc_create(
            desc, dnnl.engine(), a.desc(), b.desc(), null, y.desc(), making.attr());
    making.primitive(desc, status, "matmul");
    making.add(steps, desc, a, b, y);
    return Dnnl.implementation(desc);
  }
}
