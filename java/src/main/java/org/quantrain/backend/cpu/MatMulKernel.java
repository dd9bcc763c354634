package org.quantrain.backend.cpu;

import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_DST;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_SRC;
import static org.bytedeco.dnnl.global.dnnl.DNNL_ARG_WEIGHTS;
import static org.bytedeco.dnnl.global.dnnl.dnnl_f32;
import static org.bytedeco.dnnl.global.dnnl.dnnl_matmul_primitive_desc_create;

import org.bytedeco.dnnl.dnnl_memory_desc;
import org.bytedeco.dnnl.dnnl_primitive_desc;
import org.quantrain.op.MatMul;
import org.quantrain.runtime.Binding;
import org.quantrain.runtime.Binding.Operand;
import org.quantrain.runtime.Kernel;
import org.quantrain.tensor.Shape;

/** Batched matrix products in float32, by oneDNN. */
final class MatMulKernel {
  private MatMulKernel() {}

  static Kernel create(Cpu cpu, Binding b) {
    MatMul op = (MatMul) b.node().op();
    Shape y = b.output(0).spec().shape();
    boolean rows = !op.transA() && isOneMatrix(b.input(1));
    int rank = y.rank();
    return ProductKernels.build(
        cpu,
        b,
        (making, steps) ->
            product(
                cpu.dnnl(),
                making,
                steps,
                argument(making, DNNL_ARG_SRC, b.input(0), rank, op.transA(), rows),
                argument(making, DNNL_ARG_WEIGHTS, b.input(1), rank, op.transB(), rows),
                argument(making, DNNL_ARG_DST, b.output(0), rank, false, rows)));
  }

  private static boolean isOneMatrix(Operand operand) {
    Shape shape = operand.spec().shape();
    return MovementKernels.product(shape, 0, shape.rank() - 2) == 1;
  }

  /**
   * The operand as oneDNN sees it.
   *
   * @param rank of the product, to which the dimensions in front are filled up with ones
   * @param transposed the last two dimensions change places
   * @param rows all matrices below one another as one: their product with one matrix
   */
  private static Dnnl.Arg argument(
      Dnnl.Making making, int id, Operand operand, int rank, boolean transposed, boolean rows) {
    Shape shape = operand.spec().shape();
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
    dnnl_memory_desc desc = making.strided(dnnl_f32, dims, strides);
    return new Dnnl.Arg(id, desc, ProductKernels.region(operand));
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
