package org.quantrain.onnx;

import static org.quantrain.onnx.Arguments.require;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.quantrain.op.Slice;
import org.quantrain.tensor.Shape;

/**
 * Computes what depends on constants and shapes only: how exporters write down the sizes that a
 * reshape, a slice or an attention mask needs.
 */
final class ConstantFolding {
  /** Computes the outputs of a node from its inputs, null where one is left out. */
  private interface Rule {
    List<Constant> apply(Arguments a, List<Constant> in);
  }

  /** A rule for the only output. */
  private interface OneRule {
    Constant apply(Arguments a, List<Constant> in);
  }

  /** Elements that may be computed in all, so that no file makes the reader fill the memory. */
  private static final long LARGEST_SUM = 1 << 24;

  private static final Map<String, Rule> RULES = new HashMap<>();

  private long computed;

  private static void rule(String op, OneRule rule) {
    RULES.put(op, (a, in) -> List.of(rule.apply(a, in)));
  }

  static {
    FoldedArithmetic.rules().forEach((op, f) -> rule(op, (a, in) -> f.apply(in)));
    for (String op : List.of("ReduceProd", "ReduceSum", "ReduceMax", "ReduceMin")) {
      OneRule all = (a, in) -> FoldedArithmetic.rules().get(op).apply(in);
      rule(op, (a, in) -> kept(a, all.apply(a, in)));
    }
    rule("Identity", (a, in) -> in.get(0));
    rule("Dropout", (a, in) -> in.get(0));
    rule("Cast", ConstantFolding::cast);
    rule("Reshape", (a, in) -> in.get(0).reshaped(ShapeRules.reshape(a, in.get(0).shape())));
    rule("Flatten", (a, in) -> in.get(0).reshaped(ShapeRules.flatten(a, in.get(0).shape())));
    rule("Squeeze", (a, in) -> in.get(0).reshaped(ShapeRules.squeeze(a, in.get(0).shape())));
    rule("Unsqueeze", (a, in) -> in.get(0).reshaped(ShapeRules.unsqueeze(a, in.get(0).shape())));
    rule("Transpose", ConstantFolding::transpose);
    rule("Slice", ConstantFolding::slice);
    RULES.put("Split", ConstantFolding::split);
    rule("Concat", ConstantFolding::concat);
    rule("Gather", ConstantFolding::gather);
    rule("Expand", ConstantFolding::expand);
    rule("Tile", ConstantFolding::tile);
    rule("ConstantOfShape", ConstantFolding::constantOfShape);
    rule("Range", ConstantFolding::range);
    rule("Trilu", ConstantFolding::trilu);
    rule("Size", (a, in) -> scalar(in.get(0).elements()));
    rule("Shape", (a, in) -> shape(a, in.get(0).shape()));
  }

  /** Whether there is a rule for this operator. */
  boolean knows(OnnxNode node) {
    return node.domain().isEmpty() && RULES.containsKey(node.op());
  }

  /**
   * The outputs of a node whose inputs are all known.
   *
   * @throws IllegalArgumentException saying why they cannot be computed
   */
  List<Constant> fold(Arguments a) {
    List<Constant> in = new ArrayList<>();
    for (int i = 0; i < a.node().inputs().size(); i++) {
      in.add(a.constant(i));
    }
    require(a.node().op().equals("Concat") || (!in.isEmpty() && in.get(0) != null), "has no input");
    List<Constant> out = RULES.get(a.node().op()).apply(a, in);
    for (Constant c : out) {
      computed += c.file() == null && c.transposeOf() == null ? c.elements() : 0;
    }
    require(computed <= LARGEST_SUM, "the file's constants compute too much");
    return out;
  }

  private static Constant kept(Arguments a, Constant scalar) {
    return a.node().integer("keepdims", 1) == 1 ? scalar.reshaped(Shape.of(1)) : scalar;
  }

  private static Constant scalar(long value) {
    return Constant.of(Constant.Kind.INTEGER, Shape.of(), value);
  }

  /** Shape, of opset 15 with bounds. */
  static Constant shape(Arguments a, Shape x) {
    int rank = x.rank();
    long start = a.node().integer("start", 0);
    long end = a.node().integer("end", rank);
    int from = (int) Math.min(Math.max(start < 0 ? start + rank : start, 0), rank);
    int to = (int) Math.min(Math.max(end < 0 ? end + rank : end, from), rank);
    return Constant.ofSizes(Arrays.copyOfRange(x.dims(), from, to));
  }

  private static Constant cast(Arguments a, List<Constant> in) {
    Constant x = in.get(0);
    int to = (int) a.node().integer("to", 0);
    Constant.Kind kind =
        switch (to) {
          case OnnxTensor.FLOAT, OnnxTensor.FLOAT16, OnnxTensor.BFLOAT16, OnnxTensor.DOUBLE ->
              Constant.Kind.REAL;
          case OnnxTensor.BOOL -> Constant.Kind.BOOLEAN;
          case OnnxTensor.INT64, OnnxTensor.INT32, OnnxTensor.INT8, OnnxTensor.UINT8 ->
              Constant.Kind.INTEGER;
          default -> throw new IllegalArgumentException("to " + OnnxTensor.nameOf(to));
        };
    if (kind == x.kind()) {
      return x;
    }
    int n = Constant.count(x.shape());
    if (kind == Constant.Kind.REAL) {
      float[] values = new float[n];
      for (int i = 0; i < n; i++) {
        values[i] = x.integer(i);
      }
      return Constant.of(x.shape(), values);
    }
    long[] values = new long[n];
    for (int i = 0; i < n; i++) {
      if (kind == Constant.Kind.BOOLEAN) {
        values[i] = x.real(i) != 0 ? 1 : 0;
      } else {
        values[i] = x.kind() == Constant.Kind.REAL ? (long) x.real(i) : x.integer(i);
      }
    }
    return Constant.of(kind, x.shape(), values);
  }

  private static Constant transpose(Arguments a, List<Constant> in) {
    Constant x = in.get(0);
    List<Integer> perm = ShapeRules.permutation(a, x.shape());
    if (perm.equals(List.of(1, 0)) && x.kind() == Constant.Kind.REAL) {
      return x.transposedMatrix();
    }
    Strides from = Strides.of(x.shape());
    int[] strides = new int[perm.size()];
    List<Integer> dims = new ArrayList<>();
    for (int i = 0; i < strides.length; i++) {
      strides[i] = from.steps()[perm.get(i)];
      dims.add(x.shape().dim(perm.get(i)));
    }
    Shape to = Arguments.shape(dims);
    return x.pick(to, new Strides(Strides.of(to).dims(), strides, 0)::index);
  }

  private static Constant slice(Arguments a, List<Constant> in) {
    Constant x = in.get(0);
    for (Slice slice : ShapeRules.slices(a, x.shape())) {
      x = slice(x, slice);
    }
    return x;
  }

  private static Constant slice(Constant x, Slice slice) {
    Strides from = Strides.of(x.shape());
    int[] steps = from.steps().clone();
    int offset = slice.start() * steps[slice.axis()];
    steps[slice.axis()] *= slice.step();
    Shape to = x.shape().with(slice.axis(), slice.size());
    return x.pick(to, new Strides(Strides.of(to).dims(), steps, offset)::index);
  }

  private static List<Constant> split(Arguments a, List<Constant> in) {
    return ShapeRules.splits(a, in.get(0).shape()).stream().map(s -> slice(in.get(0), s)).toList();
  }

  private static Constant concat(Arguments a, List<Constant> in) {
    require(!in.isEmpty() && !in.contains(null), "has an input that is left out");
    List<Constant> parts = in.stream().filter(c -> c.rank() != 1 || c.elements() > 0).toList();
    if (parts.isEmpty()) {
      return in.get(0);
    }
    Shape to = ShapeRules.concat(a, parts.stream().map(Constant::shape).toList());
    int axis = a.axis("axis", 1, to.rank());
    int n = Constant.count(to);
    int row = 1;
    for (int i = axis + 1; i < to.rank(); i++) {
      row *= Math.abs(to.dim(i));
    }
    int width = to.dim(axis) * row;
    boolean real = parts.get(0).kind() == Constant.Kind.REAL;
    float[] reals = new float[real ? n : 0];
    long[] fixed = new long[real ? 0 : n];
    long[] perBatch = new long[real ? 0 : n];
    int column = 0;
    for (Constant part : parts) {
      require(part.kind() == parts.get(0).kind(), "joins " + part + " to " + parts.get(0));
      int own = part.shape().dim(axis) * row;
      for (int i = 0; i < part.elements(); i++) {
        int at = i / own * width + column + i % own;
        if (real) {
          reals[at] = part.real(i);
        } else {
          fixed[at] = part.fixed(i);
          perBatch[at] = part.perBatch(i);
        }
      }
      column += own;
    }
    if (real) {
      return Constant.of(to, reals);
    }
    return parts.get(0).kind() == Constant.Kind.BOOLEAN
        ? Constant.of(Constant.Kind.BOOLEAN, to, fixed)
        : Constant.symbolic(to, fixed, perBatch);
  }

  private static Constant gather(Arguments a, List<Constant> in) {
    Constant data = in.get(0);
    Constant indices = a.known(1, "indices");
    int axis = a.axis("axis", 0, data.rank());
    int dim = data.shape().dim(axis);
    require(dim >= 0, "picks from the batch");
    int[] rows = new int[indices.elements()];
    for (int i = 0; i < rows.length; i++) {
      long at = indices.integer(i) < 0 ? indices.integer(i) + dim : indices.integer(i);
      require(at >= 0 && at < dim, "index " + indices.integer(i) + " of " + data.shape());
      rows[i] = (int) at;
    }
    int inner = Strides.of(data.shape()).steps()[axis];
    Shape to = ShapeRules.gather(axis, data.shape(), indices.shape());
    return data.pick(
        to,
        i -> (i / inner / rows.length * dim + rows[i / inner % rows.length]) * inner + i % inner);
  }

  private static Constant expand(Arguments a, List<Constant> in) {
    Constant x = in.get(0);
    Shape to = ShapeRules.broadcast(x.shape(), ShapeRules.shapeOf(a.known(1, "shape")));
    return x.pick(to, Strides.of(to).broadcastFrom(x.shape())::index);
  }

  private static Constant tile(Arguments a, List<Constant> in) {
    Constant x = in.get(0);
    long[] repeats = a.known(1, "repeats").longs();
    require(repeats.length == x.rank(), "repeats for " + x);
    List<Integer> dims = new ArrayList<>();
    for (int i = 0; i < repeats.length; i++) {
      require(repeats[i] >= 0 && repeats[i] <= Integer.MAX_VALUE, "repeats " + repeats[i]);
      dims.add(Arguments.size(repeats[i] * x.shape().dim(i)));
    }
    Shape to = Arguments.shape(dims);
    Strides out = Strides.of(to);
    Strides from = Strides.of(x.shape());
    return x.pick(
        to,
        i -> {
          int at = 0;
          for (int d = 0; d < repeats.length; d++) {
            at += i / out.steps()[d] % out.dims()[d] % from.dims()[d] * from.steps()[d];
          }
          return at;
        });
  }

  private static Constant constantOfShape(Arguments a, List<Constant> in) {
    Shape to = ShapeRules.shapeOf(in.get(0));
    Constant value =
        a.node().attributes().get("value") instanceof OnnxTensor t
            ? Constant.of(t)
            : Constant.of(Shape.of(1), 0f);
    require(value.elements() == 1, "value: expected one element, got " + value);
    return value.pick(to, i -> 0);
  }

  private static Constant range(Arguments a, List<Constant> in) {
    Constant start = in.get(0);
    Constant limit = a.known(1, "limit");
    Constant delta = a.known(2, "delta");
    require(
        start.elements() == 1 && limit.elements() == 1 && delta.elements() == 1,
        "expected three numbers");
    if (start.kind() == Constant.Kind.REAL) {
      double step = delta.real(0);
      double count = Math.ceil((limit.real(0) - (double) start.real(0)) / step);
      require(count >= 0 && count <= Integer.MAX_VALUE, "count " + count);
      float[] values = new float[Constant.count(Shape.of((int) count))];
      for (int i = 0; i < values.length; i++) {
        values[i] = (float) (start.real(0) + i * step);
      }
      return Constant.of(Shape.of(values.length), values);
    }
    long step = delta.integer(0);
    require(step != 0, "step 0");
    double count = Math.ceil(((double) limit.integer(0) - start.integer(0)) / step);
    require(count <= Integer.MAX_VALUE, "count " + count);
    long[] values = new long[Constant.count(Shape.of((int) Math.max(count, 0)))];
    for (int i = 0; i < values.length; i++) {
      values[i] = start.integer(0) + i * step;
    }
    return Constant.of(Constant.Kind.INTEGER, Shape.of(values.length), values);
  }

  private static Constant trilu(Arguments a, List<Constant> in) {
    Constant x = in.get(0);
    require(x.rank() >= 2, "expected a matrix, got " + x);
    boolean upper = a.node().integer("upper", 1) == 1;
    long k = a.has(1) ? a.known(1, "k").integer(0) : 0;
    int columns = x.shape().dim(x.rank() - 1);
    int rows = x.shape().dim(x.rank() - 2);
    int n = Constant.count(x.shape());
    boolean real = x.kind() == Constant.Kind.REAL;
    float[] reals = new float[real ? n : 0];
    long[] integers = new long[real ? 0 : n];
    for (int i = 0; i < n; i++) {
      long above = i % columns - i / columns % rows - k;
      if (upper ? above >= 0 : above <= 0) {
        if (real) {
          reals[i] = x.real(i);
        } else {
          integers[i] = x.integer(i);
        }
      }
    }
    return real ? Constant.of(x.shape(), reals) : Constant.of(x.kind(), x.shape(), integers);
  }
}
