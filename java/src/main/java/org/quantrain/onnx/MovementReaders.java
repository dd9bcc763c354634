package org.quantrain.onnx;

import static org.quantrain.onnx.Arguments.require;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.BiFunction;
import org.quantrain.graph.Value;
import org.quantrain.op.Concat;
import org.quantrain.op.Expand;
import org.quantrain.op.Gather;
import org.quantrain.op.Slice;
import org.quantrain.op.Transpose;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Layout;
import org.quantrain.tensor.Shape;

/** Operators that move elements around and compute nothing. */
final class MovementReaders {
  private MovementReaders() {}

  static void addTo(Map<String, NodeReader> readers) {
    shape(readers, "Reshape", ShapeRules::reshape);
    shape(readers, "Flatten", ShapeRules::flatten);
    shape(readers, "Squeeze", ShapeRules::squeeze);
    shape(readers, "Unsqueeze", ShapeRules::unsqueeze);
    readers.put("Transpose", MovementReaders::transpose);
    readers.put("Slice", MovementReaders::slice);
    readers.put("Split", MovementReaders::split);
    readers.put("Concat", MovementReaders::concat);
    readers.put("Pad", PadReader::read);
    readers.put("Expand", MovementReaders::expand);
    readers.put("Tile", MovementReaders::tile);
    readers.put("Gather", MovementReaders::gather);
    readers.put("GatherND", MovementReaders::gatherTuples);
  }

  private static void shape(
      Map<String, NodeReader> readers, String op, BiFunction<Arguments, Shape, Shape> rule) {
    readers.put(
        op,
        (in, a) -> {
          Value x = in.value(a, 0);
          in.pass(a, in.reshaped(a.node().output(), x, rule.apply(a, x.spec().shape())));
        });
  }

  private static void transpose(Importing in, Arguments a) {
    Value x = in.value(a, 0);
    List<Integer> perm = ShapeRules.permutation(a, x.spec().shape());
    // Files of NHWC tools turn images over; the rest is attention.
    boolean toImage = perm.equals(List.of(0, 3, 1, 2));
    in.add(a, new Transpose(perm, toImage ? Layout.CHANNELS_LAST : Layout.ROW_MAJOR), x);
  }

  private static void slice(Importing in, Arguments a) {
    Value x = in.operand(a, 0, Value.Role.PARAM);
    List<Slice> slices = ShapeRules.slices(a, x.spec().shape());
    for (Slice slice : slices) {
      require(
          slice.size() > 0, "nothing is left of dimension " + slice.axis() + " of " + x.spec());
    }
    if (slices.isEmpty()) {
      in.pass(a, x);
      return;
    }
    int last = slices.size() - 1;
    for (Slice slice : slices.subList(0, last)) {
      x = in.step(a, "axis" + slice.axis(), slice, x);
    }
    in.add(a, slices.get(last), x);
  }

  private static void split(Importing in, Arguments a) {
    Value x = in.value(a, 0);
    List<Slice> slices = ShapeRules.splits(a, x.spec().shape());
    for (int i = 0; i < slices.size(); i++) {
      String output = a.node().outputs().get(i);
      if (!output.isEmpty()) {
        in.put(output, in.builder().add(output, slices.get(i), x));
      }
    }
  }

  private static void concat(Importing in, Arguments a) {
    Value[] parts = new Value[a.node().inputs().size()];
    int rank = 0;
    for (int i = 0; i < parts.length; i++) {
      parts[i] = in.operand(a, i, Value.Role.PARAM);
      rank = Math.max(rank, parts[i].spec().shape().rank());
    }
    int axis = a.axis("axis", 1, rank);
    Shape like =
        Arrays.stream(parts)
            .map(v -> v.spec().shape())
            .filter(Shape::hasBatch)
            .findFirst()
            .orElse(parts[0].spec().shape());
    for (int i = 0; i < parts.length; i++) {
      parts[i] = withBatch(in, a, i, parts[i], like);
    }
    in.add(a, new Concat(axis), in.aligned(parts));
  }

  /** A part that is the same for all samples (a class token), for each of them. */
  private static Value withBatch(Importing in, Arguments a, int i, Value part, Shape like) {
    Shape shape = part.spec().shape();
    if (shape.hasBatch() || !like.hasBatch()) {
      return part;
    }
    int[] dims = new int[like.rank()];
    Arrays.fill(dims, 1);
    System.arraycopy(shape.dims(), 0, dims, dims.length - shape.rank(), shape.rank());
    require(dims[like.batchDim()] == 1, "joins " + shape + " to " + like);
    dims[like.batchDim()] = like.dim(like.batchDim());
    return expanded(in, a, ".part" + i, part, Shape.of(dims));
  }

  private static Value expanded(Importing in, Arguments a, String name, Value x, Shape to) {
    if (x.spec().shape().equals(to)) {
      return x;
    }
    Layout layout = x.spec().shape().rank() == to.rank() ? x.spec().layout() : Layout.ROW_MAJOR;
    Expand op = new Expand(x.spec().with(layout).with(to).with(layout));
    return in.builder().add(a.node().output() + name, op, x);
  }

  private static void expand(Importing in, Arguments a) {
    Value x = in.operand(a, 0, Value.Role.PARAM);
    in.pass(a, expanded(in, a, "", x, ShapeRules.expand(a, x.spec().shape())));
  }

  private static void tile(Importing in, Arguments a) {
    Value x = in.operand(a, 0, Value.Role.PARAM);
    long[] repeats = a.known(1, "repeats").longs();
    require(repeats.length == x.spec().shape().rank(), "repeats for " + x.spec());
    for (int i = 0; i < repeats.length; i++) {
      require(repeats[i] >= 1 && repeats[i] <= 64, "repeats " + repeats[i]);
      if (repeats[i] > 1) {
        Value[] copies = new Value[(int) repeats[i]];
        Arrays.fill(copies, x);
        x = in.step(a, "axis" + i, new Concat(i), copies);
      }
    }
    in.pass(a, x);
  }

  private static void gather(Importing in, Arguments a) {
    Value data = in.rowMajor(in.operand(a, 0, Value.Role.PARAM));
    Shape shape = data.spec().shape();
    int axis = a.axis("axis", 0, shape.rank());
    Constant indices = a.constant(1);
    if (indices == null) {
      Value rows = in.value(a, 1);
      require(rows.spec().dtype() == DType.S32, "indices are reals");
      in.add(a, new Gather(axis), data, in.rowMajor(rows));
      return;
    }
    gather(in, a, data, axis, indices);
  }

  private static void gatherTuples(Importing in, Arguments a) {
    Value data = in.rowMajor(in.value(a, 0));
    IndexTuples tuples = IndexTuples.of(a, data.spec().shape());
    Value rows = in.reshaped(a.node().output() + ".rows", data, tuples.data());
    gather(in, a, rows, 0, tuples.indices());
  }

  private static void gather(
      Importing in, Arguments a, Value data, int axis, Constant indices) {
    Shape shape = data.spec().shape();
    PickedRows picked = PickedRows.of(a, indices, shape.dim(axis));
    boolean own = shape.dim(axis) < 0;
    Shape where = own ? picked.shape() : picked.shape().withBatch(1);
    Value from = own ? in.reshaped(a.node().output() + ".own", data, own(shape, axis)) : data;
    int at = own ? axis + 1 : axis;
    Slice run = run(picked.rows(), at);
    if (run == null && !own) {
      in.add(a, new Gather(axis), data, indices(in, a, where, picked.rows()));
      return;
    }
    Value taken = from;
    if (run == null) {
      Shape list = Shape.of(picked.rows().length);
      taken = in.step(a, "taken", new Gather(at), from, indices(in, a, list, picked.rows()));
    } else if (run.size() < from.spec().shape().dim(at) || run.step() != 1) {
      taken = in.step(a, "picked", run, from);
    }
    Shape to = ShapeRules.gather(axis, shape, where);
    in.pass(a, in.reshaped(a.node().output(), taken, to));
  }

  private static Value indices(Importing in, Arguments a, Shape shape, int[] rows) {
    HostTensor held = HostTensor.of(shape, rows);
    String name = a.node().output() + ".indices";
    return in.rowMajor(in.persistent(name, held, Value.Role.STATE));
  }

  /** The shape with a dimension k N as N and k. */
  private static Shape own(Shape shape, int axis) {
    int[] dims = new int[shape.rank() + 1];
    for (int i = 0; i < dims.length; i++) {
      dims[i] = shape.dim(i > axis ? i - 1 : i);
    }
    dims[axis] = Shape.BATCH;
    dims[axis + 1] = -shape.dim(axis);
    return Shape.of(dims);
  }

  /** The rows as every step-th from a start on; null if they are not. */
  private static Slice run(int[] rows, int axis) {
    int step = rows.length > 1 ? rows[1] - rows[0] : 1;
    for (int i = 1; i < rows.length; i++) {
      if (step == 0 || rows[i] - rows[i - 1] != step) {
        return null;
      }
    }
    return rows.length == 0 ? null : new Slice(axis, rows[0], step, rows.length);
  }
}
