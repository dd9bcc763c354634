package org.quantrain.backend.shared;

import java.util.Arrays;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_matmul_codes_args;
import org.quantrain.internal.bind.qt_scale_channels_args;
import org.quantrain.runtime.Binding;
import org.quantrain.runtime.Binding.Operand;

/** What the products of all backends begin with. */
public final class SharedProducts {
  private SharedProducts() {}

  /** Adds the step that makes float32 of a bf16 operand; returns where. */
  public static Scratch.Region widened(
      NativeContext context, Steps steps, Binding b, Operand narrow) {
    long n = Sizes.elements(narrow);
    Scratch.Region wide = steps.scratch().region(Float.BYTES * n);
    qt_scale_channels_args args =
        new qt_scale_channels_args()
            .x(At.any(narrow))
            .outer(1)
            .channels(1)
            .inner(n)
            .element_type(QuantrainNative.QT_ELEMENT_BF16)
            .y_type(QuantrainNative.QT_ELEMENT_F32);
    wide.whenKnown(address -> args.y(At.any(address)));
    steps.add(context.call(b, args, QuantrainNative::qt_scale_channels));
    return wide;
  }

  /** The native arguments of a product of two stacks of matrices of codes. */
  public static qt_matmul_codes_args matMulCodes(Binding b) {
    int[] a = b.input(0).spec().shape().dims();
    int[] y = b.output(0).spec().shape().dims();
    int last = y.length - 1;
    return new qt_matmul_codes_args()
        .a(At.any(b.input(0)))
        .a_zero_point(At.ints(b.input(2)))
        .b(At.any(b.input(3)))
        .b_zero_point(At.ints(b.input(5)))
        .acc(At.ints(b.output(0)))
        .pairs(Arrays.stream(y, 0, last - 1).asLongStream().reduce(1, Math::multiplyExact))
        .rows(y[last - 1])
        .in(a[last])
        .out(y[last])
        .code_type(NativeTypes.codeType(b.input(0)));
  }
}
