package org.quantrain.testkit;

import static org.quantrain.testkit.Oracle.TINY;
import static org.quantrain.testkit.Oracle.U;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.IntUnaryOperator;
import org.quantrain.graph.Op;
import org.quantrain.op.Concat;
import org.quantrain.op.Expand;
import org.quantrain.op.Gather;
import org.quantrain.op.GatherBackward;
import org.quantrain.op.Pad;
import org.quantrain.op.Reshape;
import org.quantrain.op.Resize;
import org.quantrain.op.ResizeBackward;
import org.quantrain.op.Slice;
import org.quantrain.op.SliceBackward;
import org.quantrain.op.Transpose;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;
import org.quantrain.testkit.Expected.Near;

/** Operations that move elements, over logical order; scaling of images, near. */
final class MovementRules {
  private MovementRules() {}

  static void register() {
    Oracle.rule(Transpose.class, MovementRules::transpose);
    Oracle.rule(
        Reshape.class,
        (op, call) -> Expected.bits(Tensors.of(out(op, call), Tensors.numbers(call.in(0)))));
    Oracle.rule(
        Expand.class,
        (op, call) -> {
          Shape x = call.in(0).shape();
          return moved(op, call, i -> Indexing.broadcast(op.to().shape(), i, x));
        });
    Oracle.rule(Slice.class, (op, call) -> moved(op, call, i -> source(op, call.in(0).shape(), i)));
    Oracle.rule(SliceBackward.class, MovementRules::sliceBackward);
    Oracle.rule(Concat.class, MovementRules::concat);
    Oracle.rule(Pad.class, MovementRules::pad);
    Oracle.rule(Gather.class, MovementRules::gather);
    Oracle.rule(GatherBackward.class, MovementRules::gatherBackward);
    Oracle.rule(Resize.class, MovementRules::resize);
    Oracle.rule(ResizeBackward.class, MovementRules::resizeBackward);
  }

  static TensorSpec out(Op op, Oracle.Call call) {
    return op.infer(call.inputs().stream().map(HostTensor::spec).toList()).get(0);
  }

  /** Element i of the output is element from(i) of the first input. */
  private static Expected moved(Op op, Oracle.Call call, IntUnaryOperator from) {
    TensorSpec spec = out(op, call);
    double[] x = Tensors.numbers(call.in(0));
    double[] y = new double[Math.toIntExact(spec.shape().elements())];
    for (int i = 0; i < y.length; i++) {
      y[i] = x[from.applyAsInt(i)];
    }
    return Expected.bits(Tensors.of(spec, y));
  }

  private static Expected transpose(Transpose op, Oracle.Call call) {
    Shape y = out(op, call).shape();
    Shape x = call.in(0).shape();
    return moved(op, call, i -> permuted(op.perm(), x, y, i));
  }

  /** The element of x that becomes element i of the transposed y. */
  static int permuted(List<Integer> perm, Shape x, Shape y, int i) {
    int[] at = Indexing.at(y, i);
    int[] from = new int[at.length];
    for (int d = 0; d < at.length; d++) {
      from[perm.get(d)] = at[d];
    }
    return Indexing.of(x, from);
  }

  /** The element of x that becomes element i of the slice. */
  static int source(Slice op, Shape x, int i) {
    int[] at = Indexing.at(x.with(op.axis(), op.size()), i);
    at[op.axis()] = op.start() + op.step() * at[op.axis()];
    return Indexing.of(x, at);
  }

  private static Expected sliceBackward(SliceBackward op, Oracle.Call call) {
    double[] dy = Tensors.logical(call.in(0));
    double[] dx = new double[Math.toIntExact(op.x().shape().elements())];
    for (int i = 0; i < dy.length; i++) {
      dx[source(op.slice(), op.x().shape(), i)] = dy[i];
    }
    return Expected.bits(Tensors.of(op.x(), dx));
  }

  private static Expected concat(Concat op, Oracle.Call call) {
    TensorSpec spec = out(op, call);
    double[] y = new double[Math.toIntExact(spec.shape().elements())];
    int start = 0;
    for (HostTensor part : call.inputs()) {
      double[] x = Tensors.logical(part);
      for (int i = 0; i < x.length; i++) {
        int[] at = Indexing.at(part.shape(), i);
        at[op.axis()] += start;
        y[Indexing.of(spec.shape(), at)] = x[i];
      }
      start += part.shape().dim(op.axis());
    }
    return Expected.bits(Tensors.of(spec, y));
  }

  private static Expected pad(Pad op, Oracle.Call call) {
    TensorSpec spec = out(op, call);
    double[] x = Tensors.logical(call.in(0));
    double[] y = new double[Math.toIntExact(spec.shape().elements())];
    Arrays.fill(y, op.value());
    for (int i = 0; i < x.length; i++) {
      y[padded(op, call.in(0).shape(), spec.shape(), i)] = x[i];
    }
    return Expected.bits(Tensors.of(spec, y));
  }

  /** Where element i of x stands in the padded y. */
  static int padded(Pad op, Shape x, Shape y, int i) {
    int[] at = Indexing.at(x, i);
    for (int d = 0; d < at.length; d++) {
      at[d] += op.before().get(d);
    }
    return Indexing.of(y, at);
  }

  private static Expected gather(Gather op, Oracle.Call call) {
    int[] indices = call.ints(1);
    Shape data = call.in(0).shape();
    return moved(op, call, i -> gathered(op.axis(), data, indices, i));
  }

  /** The element of the data that becomes element i of the result. */
  static int gathered(int axis, Shape data, int[] indices, int i) {
    int inner = 1;
    for (int d = axis + 1; d < data.rank(); d++) {
      inner *= data.dim(d);
    }
    int row = i / inner;
    int outer = row / indices.length;
    return (outer * data.dim(axis) + indices[row % indices.length]) * inner + i % inner;
  }

  private static Expected gatherBackward(GatherBackward op, Oracle.Call call) {
    float[] dy = call.floats(0);
    int[] indices = call.ints(1);
    float[] dx = new float[Math.toIntExact(op.data().shape().elements())];
    for (int i = 0; i < dy.length; i++) {
      dx[gathered(op.axis(), op.data().shape(), indices, i)] += dy[i];
    }
    return Expected.bits(Tensors.of(op.data(), dx));
  }

  // ---- scaling

  /** What one output element takes of an input element. */
  record Tap(int input, double weight) {}

  /** One dimension of a scaling: up to two neighbours of each output coordinate. */
  private static List<List<Tap>> taps(Resize op, int size, int count, float scale) {
    List<List<Tap>> all = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      float u =
          switch (op.coordinates()) {
            case HALF_PIXEL -> (i + 0.5f) / scale - 0.5f;
            case ALIGN_CORNERS -> count == 1 ? 0 : i * (size - 1f) / (count - 1f);
            case ASYMMETRIC -> i / scale;
          };
      double x = Math.min(Math.max(u, 0), size - 1);
      int below = (int) Math.floor(x);
      all.add(
          switch (op.mode()) {
            case NEAREST -> List.of(new Tap(below, 1));
            case NEAREST_ROUND -> List.of(new Tap(x - below > 0.5 ? below + 1 : below, 1));
            case LINEAR ->
                List.of(
                    new Tap(below, 1 - (x - below)),
                    new Tap(Math.min(below + 1, size - 1), x - below));
          });
    }
    return all;
  }

  /** Calls for every product of the scaling of x. */
  interface Term {
    void at(int output, int input, double weight);
  }

  static void scale(Resize op, Shape x, Term term) {
    List<List<Tap>> rows = taps(op, x.dim(2), op.height(), op.scaleH());
    List<List<Tap>> columns = taps(op, x.dim(3), op.width(), op.scaleW());
    for (int plane = 0; plane < x.dim(0) * x.dim(1); plane++) {
      for (int p = 0; p < op.height(); p++) {
        for (int q = 0; q < op.width(); q++) {
          int output = (plane * op.height() + p) * op.width() + q;
          for (Tap row : rows.get(p)) {
            for (Tap column : columns.get(q)) {
              term.at(
                  output,
                  (plane * x.dim(2) + row.input) * x.dim(3) + column.input,
                  row.weight * column.weight);
            }
          }
        }
      }
    }
  }

  /** Two products and a sum in each dimension. */
  private static Expected resize(Resize op, Oracle.Call call) {
    TensorSpec spec = out(op, call);
    double[] x = Tensors.logical(call.in(0));
    double[] y = new double[Math.toIntExact(spec.shape().elements())];
    double[] bound = new double[y.length];
    scale(
        op,
        call.in(0).shape(),
        (o, i, w) -> {
          y[o] += w * x[i];
          bound[o] += 8 * U * (w + U) * Math.abs(x[i]) + TINY;
        });
    return Expected.of(new Near(Tensors.toMemory(spec, y), Tensors.toMemory(spec, bound)));
  }

  private static Expected resizeBackward(ResizeBackward op, Oracle.Call call) {
    TensorSpec spec = out(op, call);
    double[] dy = Tensors.logical(call.in(0));
    double[] dx = new double[Math.toIntExact(spec.shape().elements())];
    double[] bound = new double[dx.length];
    int terms = op.resize().height() + op.resize().width() + 8;
    scale(
        op.resize(),
        op.x(),
        (o, i, w) -> {
          dx[i] += w * dy[o];
          bound[i] += terms * U * (w + U) * Math.abs(dy[o]) + TINY;
        });
    return Expected.of(new Near(Tensors.toMemory(spec, dx), Tensors.toMemory(spec, bound)));
  }
}
