package org.quantrain.backend.shared;


import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_concat_codes_args;
import org.quantrain.op.ConcatCodes;
import org.quantrain.runtime.Binding;
import org.quantrain.runtime.Binding.Operand;
import org.quantrain.runtime.Kernel;
import org.quantrain.tensor.Shape;

/**
 * Concatenation. In memory a tensor is rows, and the whole's row is the parts' rows one after the
 * other.
 */
final class ConcatKernels {
  private ConcatKernels() {}

  static Kernel concatCodes(NativeContext context, Binding b) {
    ConcatCodes op = (ConcatCodes) b.node().op();
    int parts = ConcatCodes.parts(b.inputs().size());
    Operand y = b.output(0);
    Steps steps = new Steps(b);
    long offset = 0;
    for (int i = 0; i < parts; i++) {
      Operand x = b.input(3 * i);
      long row = row(x, op.axis());
      steps.add(
          context.call(
              b,
              new qt_concat_codes_args()
                  .x(At.any(x))
                  .x_scale(At.floats(b.input(3 * i + 1)))
                  .x_zero_point(At.ints(b.input(3 * i + 2)))
                  .y_scale(At.floats(b.input(3 * parts)))
                  .y_zero_point(At.ints(b.input(3 * parts + 1)))
                  .y(At.any(y))
                  .mask(At.bytes(b.output(1 + i)))
                  .outer(Sizes.elements(x) / row)
                  .width(row)
                  .y_width(row(y, op.axis()))
                  .offset(offset)
                  .qmin(op.spec().qmin())
                  .qmax(op.spec().qmax())
                  .code_type(NativeTypes.codeType(x))
                  .y_code_type(NativeTypes.codeType(y)),
              QuantrainNative::qt_concat_codes));
      offset += row;
    }
    return steps;
  }

  /** Elements that lie together in memory, the axis outermost among them. */
  private static long row(Operand operand, int axis) {
    Shape shape = operand.spec().shape();
    boolean last = operand.spec().isChannelsLast();
    if (last && axis == 1) {
      return shape.dim(1);
    }
    long row = last && axis > 1 ? shape.dim(1) : 1;
    for (int i = axis; i < shape.rank(); i++) {
      row *= shape.dim(i);
    }
    return row;
  }
}
