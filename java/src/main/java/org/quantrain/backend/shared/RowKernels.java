package org.quantrain.backend.shared;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_layer_norm_args;
import org.quantrain.internal.bind.qt_layer_norm_backward_args;
import org.quantrain.internal.bind.qt_reduce_args;
import org.quantrain.internal.bind.qt_softmax_args;
import org.quantrain.internal.bind.qt_softmax_backward_args;
import org.quantrain.op.LayerNorm;
import org.quantrain.op.Reduce;
import org.quantrain.op.Softmax;
import org.quantrain.op.SoftmaxBackward;
import org.quantrain.runtime.Binding;
import org.quantrain.runtime.Binding.Operand;
import org.quantrain.runtime.Kernel;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/** Reductions over dimensions, softmax and layer norm. */
final class RowKernels {
  private RowKernels() {}

  // ---- reductions

  static Kernel reduce(NativeContext context, Binding b) {
    Reduce op = (Reduce) b.node().op();
    int kind =
        switch (op.function()) {
          case SUM -> QuantrainNative.QT_REDUCE_SUM;
          case MEAN -> QuantrainNative.QT_REDUCE_MEAN;
          case MAX -> QuantrainNative.QT_REDUCE_MAX;
          case MIN -> QuantrainNative.QT_REDUCE_MIN;
        };
    int[] kept = new int[b.input(0).spec().shape().rank()];
    int place = 0;
    for (int i = 0; i < kept.length; i++) {
      boolean reduced = op.axes().contains(i);
      kept[i] = reduced ? -1 : place;
      place += reduced && !op.keepDims() ? 0 : 1;
    }
    return reduce(context, b, kind, kept);
  }

  static Kernel sumTo(NativeContext context, Binding b) {
    Shape x = b.input(0).spec().shape();
    Shape to = b.output(0).spec().shape();
    int missing = x.rank() - to.rank();
    int[] kept = new int[x.rank()];
    for (int i = 0; i < kept.length; i++) {
      kept[i] = i < missing || to.dim(i - missing) == 1 ? -1 : i - missing;
    }
    return reduce(context, b, QuantrainNative.QT_REDUCE_SUM, kept);
  }

  /** Neighbouring dimensions in memory that are reduced, or are not, together. */
  private record Group(long size, boolean reduced) {}

  /**
   * One native call for each group of neighbouring dimensions, from the outermost on; then a copy,
   * if the output's order in memory is another.
   *
   * @param kept the output's dimension for each of the input's, -1 for those that are reduced
   */
  private static Kernel reduce(NativeContext context, Binding b, int kind, int[] kept) {
    Operand x = b.input(0);
    Operand y = b.output(0);
    List<Group> groups = new ArrayList<>();
    List<Integer> left = new ArrayList<>();
    for (int d : Strides.visible(x.spec())) {
      boolean reduced = kept[d] < 0;
      long size = x.spec().shape().dim(d);
      int last = groups.size() - 1;
      if (last >= 0 && groups.get(last).reduced() == reduced) {
        groups.set(last, new Group(groups.get(last).size() * size, reduced));
      } else {
        groups.add(new Group(size, reduced));
      }
      if (!reduced) {
        left.add(kept[d]);
      }
    }
    if (groups.stream().noneMatch(Group::reduced) && IntStream.of(kept).anyMatch(k -> k < 0)) {
      groups.add(new Group(1, true));
    }
    Steps steps = new Steps(b);
    boolean ordered = left.equals(Strides.visible(y.spec()));
    long calls = groups.stream().filter(Group::reduced).count();
    Scratch.Region from = Scratch.Region.fixed(x.address());
    long outer = 1;
    long inner = Sizes.elements(x);
    for (Group group : groups) {
      inner /= group.size();
      if (!group.reduced()) {
        outer *= group.size();
        continue;
      }
      calls--;
      Scratch.Region to =
          calls == 0 && ordered
              ? Scratch.Region.fixed(y.address())
              : steps.scratch().region(4 * outer * inner);
      qt_reduce_args args =
          new qt_reduce_args().outer(outer).n(group.size()).inner(inner).kind(kind);
      from.whenKnown(address -> args.x(At.floats(address)));
      to.whenKnown(address -> args.y(At.floats(address)));
      steps.add(context.call(b, args, QuantrainNative::qt_reduce));
      from = to;
    }
    if (ordered && groups.stream().anyMatch(Group::reduced)) {
      return steps;
    }
    long[] strides = new long[y.spec().shape().rank()];
    long stride = 1;
    for (int i = left.size() - 1; i >= 0; i--) {
      strides[left.get(i)] = stride;
      stride *= y.spec().shape().dim(left.get(i));
    }
    return steps.add(MovementKernels.copy(context, b, y.spec(), from, strides, y));
  }

  // ---- softmax

  static Kernel softmax(NativeContext context, Binding b) {
    Lines lines = new Lines(context, b, ((Softmax) b.node().op()).axis());
    qt_softmax_args args = new qt_softmax_args().rows(lines.rows()).n(lines.n());
    lines.in(0).whenKnown(address -> args.x(At.floats(address)));
    lines.out().whenKnown(address -> args.y(At.floats(address)));
    return lines.around(context.call(b, args, QuantrainNative::qt_softmax));
  }

  static Kernel softmaxBackward(NativeContext context, Binding b) {
    Lines lines = new Lines(context, b, ((SoftmaxBackward) b.node().op()).axis());
    qt_softmax_backward_args args = new qt_softmax_backward_args().rows(lines.rows()).n(lines.n());
    lines.in(0).whenKnown(address -> args.y(At.floats(address)));
    lines.in(1).whenKnown(address -> args.dy(At.floats(address)));
    lines.out().whenKnown(address -> args.dx(At.floats(address)));
    return lines.around(context.call(b, args, QuantrainNative::qt_softmax_backward));
  }

  /**
   * The operands, all of one spec, with a dimension innermost: as they are where it is, else copies
   * in the workspace.
   */
  private static final class Lines {
    private final NativeContext context;
    private final Binding binding;
    private final Steps steps;
    private final TensorSpec spec;
    private final int axis;
    private final boolean innermost;
    private final long[] strides;
    private final Scratch.Region result;

    Lines(NativeContext context, Binding binding, int axis) {
      this.context = context;
      this.binding = binding;
      this.axis = axis;
      steps = new Steps(binding);
      spec = binding.output(0).spec();
      List<Integer> visible = Strides.visible(spec);
      innermost = n() == 1 || visible.get(visible.size() - 1) == axis;
      strides = new long[spec.shape().rank()];
      long stride = n();
      for (int i = strides.length - 1; i >= 0; i--) {
        strides[i] = i == axis ? 1 : stride;
        stride *= i == axis ? 1 : spec.shape().dim(i);
      }
      result =
          innermost
              ? Scratch.Region.fixed(binding.output(0).address())
              : steps.scratch().region(spec.bytes());
    }

    long n() {
      return spec.shape().dim(axis);
    }

    long rows() {
      return spec.shape().elements() / n();
    }

    Scratch.Region in(int i) {
      Operand operand = binding.input(i);
      if (innermost) {
        return Scratch.Region.fixed(operand.address());
      }
      Scratch.Region copy = steps.scratch().region(spec.bytes());
      steps.add(MovementKernels.copy(context, binding, spec, operand, copy, strides));
      return copy;
    }

    Scratch.Region out() {
      return result;
    }

    Kernel around(Steps.Step step) {
      steps.add(step);
      return innermost
          ? steps
          : steps.add(MovementKernels.copy(context, binding, spec, result, strides, binding.output(0)));
    }
  }

  // ---- layer norm

  static Kernel layerNorm(NativeContext context, Binding b) {
    LayerNorm op = (LayerNorm) b.node().op();
    return context.kernel(
        b,
        new qt_layer_norm_args()
            .x(At.floats(b.input(0)))
            .gamma(At.floats(b.input(1)))
            .beta(At.floats(b.input(2)))
            .y(At.floats(b.output(0)))
            .mean(At.floats(b.output(1)))
            .rstd(At.floats(b.output(2)))
            .rows(Sizes.elements(b.output(1)))
            .n(Sizes.elements(b.input(1)))
            .epsilon(op.epsilon()),
        QuantrainNative::qt_layer_norm);
  }

  static Kernel layerNormBackward(NativeContext context, Binding b) {
    return context.kernel(
        b,
        new qt_layer_norm_backward_args()
            .x(At.floats(b.input(0)))
            .dy(At.floats(b.input(1)))
            .mean(At.floats(b.input(2)))
            .rstd(At.floats(b.input(3)))
            .gamma(At.floats(b.input(4)))
            .dx(At.floats(b.output(0)))
            .dgamma(At.floats(b.output(1)))
            .dbeta(At.floats(b.output(2)))
            .rows(Sizes.elements(b.input(2)))
            .n(Sizes.elements(b.input(4))),
        QuantrainNative::qt_layer_norm_backward);
  }
}
