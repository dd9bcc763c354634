package org.quantrain.backend.shared;

import java.util.ArrayList;
import java.util.List;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_binary_args;
import org.quantrain.internal.bind.qt_gather_args;
import org.quantrain.internal.bind.qt_gather_backward_args;
import org.quantrain.op.Resize;
import org.quantrain.op.ResizeBackward;
import org.quantrain.runtime.Binding;
import org.quantrain.runtime.Kernel;
import org.quantrain.tensor.Shape;

/**
 * Scaling of images, one dimension after the other: rows are gathered by index, and between two of
 * them interpolated by weights. Indices and weights are made when the kernel is.
 */
final class ResizeKernels {
  private ResizeKernels() {}

  static Kernel resize(NativeContext context, Binding b) {
    Scaling scaling = new Scaling(context, b);
    List<Axis> axes = axes((Resize) b.node().op(), b.input(0).spec().shape());
    Scratch.Region from = Scratch.Region.fixed(b.input(0).address());
    for (int i = 0; i < axes.size(); i++) {
      Axis axis = axes.get(i);
      Scratch.Region to =
          i == axes.size() - 1
              ? Scratch.Region.fixed(b.output(0).address())
              : scaling.region(axis.outputs());
      scaling.forward(axis, from, to);
      from = to;
    }
    return scaling.steps;
  }

  static Kernel resizeBackward(NativeContext context, Binding b) {
    Scaling scaling = new Scaling(context, b);
    List<Axis> axes = axes(((ResizeBackward) b.node().op()).resize(), b.output(0).spec().shape());
    Scratch.Region from = Scratch.Region.fixed(b.input(0).address());
    for (int i = axes.size() - 1; i >= 0; i--) {
      Axis axis = axes.get(i);
      Scratch.Region to =
          i == 0 ? Scratch.Region.fixed(b.output(0).address()) : scaling.region(axis.inputs());
      scaling.backward(axis, from, to);
      from = to;
    }
    return scaling.steps;
  }

  /**
   * One dimension: y[o, j, i] = (1 - weight[j]) x[o, low[j], i] + weight[j] x[o, high[j], i].
   *
   * @param high null where nothing is interpolated
   */
  private record Axis(long outer, long size, long inner, int[] low, int[] high, float[] weight) {
    long inputs() {
      return outer * size * inner;
    }

    long outputs() {
      return outer * low.length * inner;
    }

    static Axis of(Resize op, long outer, int size, long inner, int count, float scale) {
      boolean linear = op.mode() == Resize.Mode.LINEAR;
      int[] low = new int[count];
      int[] high = new int[count];
      float[] weight = new float[count];
      for (int i = 0; i < count; i++) {
        float u = Math.max(0, Math.min(size - 1, place(op.coordinates(), i, size, count, scale)));
        float whole =
            (float) (op.mode() == Resize.Mode.NEAREST_ROUND ? Math.ceil(u - 0.5) : Math.floor(u));
        low[i] = (int) whole;
        high[i] = Math.min(low[i] + 1, size - 1);
        weight[i] = u - whole;
      }
      return new Axis(outer, size, inner, low, linear ? high : null, weight);
    }

    /** The input coordinate of output coordinate i. */
    private static float place(
        Resize.Coordinates coordinates, int i, int size, int count, float scale) {
      return switch (coordinates) {
        case HALF_PIXEL -> (i + 0.5f) / scale - 0.5f;
        case ALIGN_CORNERS -> count == 1 ? 0 : i * (size - 1f) / (count - 1f);
        case ASYMMETRIC -> i / scale;
      };
    }
  }

  /** Rows, then columns; x [N,C,H,W] lies as N,H,W,C. */
  private static List<Axis> axes(Resize op, Shape x) {
    long images = x.dim(0);
    List<Axis> axes = new ArrayList<>();
    axes.add(Axis.of(op, images, x.dim(2), (long) x.dim(3) * x.dim(1), op.height(), op.scaleH()));
    axes.add(Axis.of(op, images * op.height(), x.dim(3), x.dim(1), op.width(), op.scaleW()));
    return axes;
  }

  private record Scaling(NativeContext context, Binding binding, Steps steps) {
    Scaling(NativeContext context, Binding binding) {
      this(context, binding, new Steps(binding));
    }

    Scratch.Region region(long floats) {
      return steps.scratch().region(4 * floats);
    }

    void forward(Axis axis, Scratch.Region from, Scratch.Region to) {
      if (axis.high == null) {
        gather(axis, axis.low, from, to);
        return;
      }
      Scratch.Region low = region(axis.outputs());
      Scratch.Region high = region(axis.outputs());
      gather(axis, axis.low, from, low);
      gather(axis, axis.high, from, high);
      weigh(axis, true, low, low);
      weigh(axis, false, high, high);
      add(axis.outputs(), low, high, to);
    }

    void backward(Axis axis, Scratch.Region from, Scratch.Region to) {
      if (axis.high == null) {
        scatter(axis, axis.low, from, to);
        return;
      }
      Scratch.Region weighed = region(axis.outputs());
      Scratch.Region low = region(axis.inputs());
      Scratch.Region high = region(axis.inputs());
      weigh(axis, true, from, weighed);
      scatter(axis, axis.low, weighed, low);
      weigh(axis, false, from, weighed);
      scatter(axis, axis.high, weighed, high);
      add(axis.inputs(), low, high, to);
    }

    private void gather(Axis axis, int[] indices, Scratch.Region from, Scratch.Region to) {
      qt_gather_args args =
          new qt_gather_args()
              .indices(context.constant(steps, indices))
              .outer(axis.outer)
              .axis(axis.size)
              .inner(axis.inner)
              .count(indices.length)
              .element_bytes(4);
      from.whenKnown(address -> args.x(At.any(address)));
      to.whenKnown(address -> args.y(At.any(address)));
      steps.add(context.call(binding, args, QuantrainNative::qt_gather));
    }

    private void scatter(Axis axis, int[] indices, Scratch.Region from, Scratch.Region to) {
      qt_gather_backward_args args =
          new qt_gather_backward_args()
              .indices(context.constant(steps, indices))
              .outer(axis.outer)
              .axis(axis.size)
              .inner(axis.inner)
              .count(indices.length);
      from.whenKnown(address -> args.dy(At.floats(address)));
      to.whenKnown(address -> args.dx(At.floats(address)));
      steps.add(context.call(binding, args, QuantrainNative::qt_gather_backward));
    }

    /** to = from times the weights of the lower or the higher neighbours. */
    private void weigh(Axis axis, boolean lower, Scratch.Region from, Scratch.Region to) {
      float[] weights = axis.weight.clone();
      for (int i = 0; lower && i < weights.length; i++) {
        weights[i] = 1 - weights[i];
      }
      qt_binary_args args =
          binary(QuantrainNative.QT_BINARY_MUL, axis.outer, weights.length, axis.inner)
              .b(context.constant(steps, weights));
      args.b_stride(4, 1);
      from.whenKnown(address -> args.a(At.floats(address)));
      to.whenKnown(address -> args.y(At.floats(address)));
      steps.add(context.call(binding, args, QuantrainNative::qt_binary));
    }

    private void add(long n, Scratch.Region a, Scratch.Region b, Scratch.Region to) {
      qt_binary_args args = binary(QuantrainNative.QT_BINARY_ADD, 1, 1, n);
      args.b_stride(5, 1);
      a.whenKnown(address -> args.a(At.floats(address)));
      b.whenKnown(address -> args.b(At.floats(address)));
      to.whenKnown(address -> args.y(At.floats(address)));
      steps.add(context.call(binding, args, QuantrainNative::qt_binary));
    }

    /** Over [outer, count, inner], the first operand dense, the second without strides so far. */
    private static qt_binary_args binary(int kind, long outer, long count, long inner) {
      qt_binary_args args = new qt_binary_args().kind(kind);
      long[] size = {1, 1, 1, outer, count, inner};
      long stride = 1;
      for (int i = size.length - 1; i >= 0; i--) {
        args.size(i, size[i]).a_stride(i, stride).b_stride(i, 0);
        stride *= size[i];
      }
      return args;
    }
  }
}
