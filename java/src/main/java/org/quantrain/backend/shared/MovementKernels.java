package org.quantrain.backend.shared;

import java.util.List;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_gather_args;
import org.quantrain.internal.bind.qt_gather_backward_args;
import org.quantrain.internal.bind.qt_strided_copy_args;
import org.quantrain.op.Concat;
import org.quantrain.op.Gather;
import org.quantrain.op.GatherBackward;
import org.quantrain.op.Pad;
import org.quantrain.op.PadCodes;
import org.quantrain.op.Slice;
import org.quantrain.op.SliceBackward;
import org.quantrain.op.Transpose;
import org.quantrain.runtime.Binding;
import org.quantrain.runtime.Binding.Operand;
import org.quantrain.runtime.Kernel;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/** Operations that only move elements: every one is a copy with strides, or several. */
final class MovementKernels {
  private MovementKernels() {}

  static Kernel transpose(NativeContext context, Binding b) {
    List<Integer> perm = ((Transpose) b.node().op()).perm();
    long[] from = Strides.strides(b.input(0).spec());
    long[] strides = new long[from.length];
    for (int i = 0; i < strides.length; i++) {
      strides[i] = from[perm.get(i)];
    }
    return new Steps(b)
        .add(copy(context, b, b.output(0).spec(), view(b.input(0), 0, strides), whole(b.output(0))));
  }

  /** Nothing: the output is the input's memory. */
  static Kernel reshape(NativeContext context, Binding b) {
    return new Steps(b).lowered("alias");
  }

  static Kernel expand(NativeContext context, Binding b) {
    TensorSpec y = b.output(0).spec();
    qt_strided_copy_args args =
        new qt_strided_copy_args()
            .x(At.any(b.input(0)))
            .y(At.any(b.output(0)))
            .element_bytes(4)
            .fill_bits(0);
    Strides walk = Strides.of(b, y);
    walk.size(args::size);
    walk.broadcast(args::x_stride, b.input(0).spec());
    walk.dense(args::y_stride);
    return context.kernel(b, args, QuantrainNative::qt_strided_copy);
  }

  static Kernel slice(NativeContext context, Binding b) {
    View part = part(b.input(0), (Slice) b.node().op());
    return new Steps(b).add(copy(context, b, b.output(0).spec(), part, whole(b.output(0))));
  }

  static Kernel sliceBackward(NativeContext context, Binding b) {
    Slice slice = ((SliceBackward) b.node().op()).slice();
    Operand dy = b.input(0);
    Operand dx = b.output(0);
    Steps steps = new Steps(b);
    if (slice.size() < dx.spec().shape().dim(slice.axis())) {
      steps.add(fill(context, b, dx, 0));
    }
    if (slice.step() > 0) {
      return steps.add(copy(context, b, dy.spec(), whole(dy), part(dx, slice)));
    }
    // From the last element on: what is written goes upwards.
    Slice upwards =
        new Slice(
            slice.axis(),
            slice.start() + slice.step() * (slice.size() - 1),
            -slice.step(),
            slice.size());
    Slice backwards = new Slice(slice.axis(), slice.size() - 1, -1, slice.size());
    return steps.add(copy(context, b, dy.spec(), part(dy, backwards), part(dx, upwards)));
  }

  static Kernel concat(NativeContext context, Binding b) {
    int axis = ((Concat) b.node().op()).axis();
    Steps steps = new Steps(b);
    int start = 0;
    for (Operand x : b.inputs()) {
      int size = x.spec().shape().dim(axis);
      View part = part(b.output(0), new Slice(axis, start, 1, size));
      steps.add(copy(context, b, x.spec(), whole(x), part));
      start += size;
    }
    return steps;
  }

  static Kernel pad(NativeContext context, Binding b) {
    Pad pad = (Pad) b.node().op();
    return padded(context, b, pad, fill(context, b, b.output(0), pad.value()));
  }

  /** Padding codes is padding with the zero-point, whose low byte is the code in either container. */
  static Kernel padCodes(NativeContext context, Binding b) {
    Operand y = b.output(0);
    long[] still = new long[y.spec().shape().rank()];
    View zeroPoint = view(b.input(1), 0, still);
    Steps.Step fill = copy(context, b, y.spec(), zeroPoint, whole(y));
    return padded(context, b, ((PadCodes) b.node().op()).pad(), fill);
  }

  private static Kernel padded(NativeContext context, Binding b, Pad pad, Steps.Step fill) {
    Operand y = b.output(0);
    long[] strides = Strides.strides(y.spec());
    long first = 0;
    for (int i = 0; i < strides.length; i++) {
      first += pad.before().get(i) * strides[i];
    }
    View inside = view(y, first, strides);
    return new Steps(b)
        .add(fill)
        .add(copy(context, b, b.input(0).spec(), whole(b.input(0)), inside));
  }

  static Kernel gather(NativeContext context, Binding b) {
    int axis = ((Gather) b.node().op()).axis();
    Shape data = b.input(0).spec().shape();
    return context.kernel(
        b,
        new qt_gather_args()
            .x(At.any(b.input(0)))
            .indices(At.ints(b.input(1)))
            .y(At.any(b.output(0)))
            .outer(Sizes.product(data, 0, axis))
            .axis(data.dim(axis))
            .inner(Sizes.product(data, axis + 1, data.rank()))
            .count(Sizes.elements(b.input(1)))
            .element_bytes(b.input(0).spec().dtype().isCodes() ? 1 : Float.BYTES),
        QuantrainNative::qt_gather);
  }

  static Kernel gatherBackward(NativeContext context, Binding b) {
    int axis = ((GatherBackward) b.node().op()).axis();
    Shape data = b.output(0).spec().shape();
    return context.kernel(
        b,
        new qt_gather_backward_args()
            .dy(At.floats(b.input(0)))
            .indices(At.ints(b.input(1)))
            .dx(At.floats(b.output(0)))
            .outer(Sizes.product(data, 0, axis))
            .axis(data.dim(axis))
            .inner(Sizes.product(data, axis + 1, data.rank()))
            .count(Sizes.elements(b.input(1))),
        QuantrainNative::qt_gather_backward);
  }

  /**
   * Elements somewhere in memory.
   *
   * @param first where the first lies
   * @param strides for each logical dimension
   */
  private record View(Scratch.Region first, long[] strides) {}

  private static View whole(Operand operand) {
    return view(operand, 0, Strides.strides(operand.spec()));
  }

  private static View view(Operand operand, long skipped, long[] strides) {
    long first = operand.address() + elementBytes(operand.spec()) * skipped;
    return new View(Scratch.Region.fixed(first), strides);
  }

  private static View part(Operand operand, Slice slice) {
    long[] strides = Strides.strides(operand.spec());
    long skipped = slice.start() * strides[slice.axis()];
    strides[slice.axis()] *= slice.step();
    return view(operand, skipped, strides);
  }

  private static int elementBytes(TensorSpec spec) {
    return (int) spec.dtype().bytes(1);
  }

  /** Copies the tensor into memory with these strides, one for each logical dimension. */
  static Steps.Step copy(
      NativeContext context, Binding b, TensorSpec walked, Operand from, Scratch.Region to, long[] strides) {
    return copy(context, b, walked, whole(from), new View(to, strides));
  }

  /** Copies memory with these strides, one for each logical dimension, into the tensor. */
  static Steps.Step copy(
      NativeContext context, Binding b, TensorSpec walked, Scratch.Region from, long[] strides, Operand to) {
    return copy(context, b, walked, new View(from, strides), whole(to));
  }

  /** Copies the elements of a tensor of this shape. */
  private static Steps.Step copy(NativeContext context, Binding b, TensorSpec walked, View from, View to) {
    qt_strided_copy_args args =
        new qt_strided_copy_args().element_bytes(elementBytes(walked)).fill_bits(0);
    from.first.whenKnown(address -> args.x(At.any(address)));
    to.first.whenKnown(address -> args.y(At.any(address)));
    Strides walk = Strides.of(b, walked);
    walk.size(args::size);
    walk.stride(args::x_stride, from.strides);
    walk.stride(args::y_stride, to.strides);
    return context.call(b, args, QuantrainNative::qt_strided_copy);
  }

  private static Steps.Step fill(NativeContext context, Binding b, Operand y, float value) {
    qt_strided_copy_args args =
        new qt_strided_copy_args()
            .x(null)
            .y(At.any(y))
            .element_bytes(4)
            .fill_bits(Float.floatToRawIntBits(value));
    Strides walk = Strides.of(b, y.spec());
    walk.size(args::size);
    walk.dense(args::x_stride);
    walk.dense(args::y_stride);
    return context.call(b, args, QuantrainNative::qt_strided_copy);
  }
}
