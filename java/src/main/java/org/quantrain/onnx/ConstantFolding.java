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
    rule("GatherND", ConstantFolding::gatherTuples);
    rule("GatherElements", ConstantFolding::gatherElements);
    rule("CumSum", ConstantFolding::sums);
    rule("Expand", ConstantFolding::expand);
    rule("Tile", ConstantFolding::tile);
    rule("ConstantOfShape", ConstantFolding::constantOfShape);
    rule("Range", ConstantFolding::range);
    rule("Trilu", ConstantFolding::trilu);
    rule("Size", (a, in) -> size(in.get(0).shape()));
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

  private static Constant size(Shape x) {
    int elements = Arguments.size(ShapeRules.product(x.dims()));
    return Constant.ofSizes(elements).reshaped(Shape.of());
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
    Affine[] integers = new Affine[real ? 0 : n];
    int column = 0;
    for (Constant part : parts) {
      require(part.kind() == parts.get(0).kind(), "joins " + part + " to " + parts.get(0));
      int own = part.shape().dim(axis) * row;
      for (int i = 0; i < part.elements(); i++) {
        int at = i / own * width + column + i % own;
        if (real) {
          reals[at] = part.real(i);
        } else {
          integers[at] = part.number(i);
        }
      }
      column += own;
    }
    return real
        ? Constant.of(to, reals)
        : Constant.of(parts.get(0).kind(), to, i -> integers[i]);
  }

  private static Constant gather(Arguments a, List<Constant> in) {
    Constant data = in.get(0);
    return gather(a, data, a.known(1, "indices"), a.axis("axis", 0, data.rank()));
  }

  private static Constant gatherTuples(Arguments a, List<Constant> in) {
    IndexTuples tuples = IndexTuples.of(a, in.get(0).shape());
    return gather(a, in.get(0).reshaped(tuples.data()), tuples.indices(), 0);
  }

  private static Constant gather(Arguments a, Constant data, Constant indices, int axis) {
    int size = data.shape().dim(axis);
    PickedRows picked = PickedRows.of(a, indices, size);
    int[] rows = picked.rows();
    int dim = Math.abs(size);
    int inner = Strides.of(data.shape()).steps()[axis];
    Shape to = ShapeRules.gather(axis, data.shape(), picked.shape());
    return data.pick(
        to,
        i -> (i / inner / rows.length * dim + rows[i / inner % rows.length]) * inner + i % inner);
  }

  /** Element i of the indices is replaced by the one at its place but for this dimension. */
  private static Constant gatherElements(Arguments a, List<Constant> in) {
    Constant data = in.get(0);
    Constant indices = a.known(1, "indices");
    Shape to = indices.shape();
    int axis = a.axis("axis", 0, data.rank());
    int dim = data.shape().dim(axis);
    require(dim >= 0, "picks from the batch");
    require(to.rank() == data.rank(), "indices " + to + " for " + data);
    for (int d = 0; d < to.rank(); d++) {
      int size = data.shape().dim(d);
      boolean fits = d == axis || to.dim(d) == size || (to.dim(d) >= 0 && to.dim(d) <= size);
      require(fits, "indices " + to + " for " + data);
    }
    Strides from = Strides.of(data.shape());
    int step = from.steps()[axis];
    int[] steps = from.steps().clone();
    steps[axis] = 0;
    Strides others = new Strides(Strides.of(to).dims(), steps, 0);
    int[] rows = PickedRows.of(a, indices, dim).rows();
    return data.pick(to, i -> others.index(i) + rows[i] * step);
  }

  /** CumSum. */
  private static Constant sums(Arguments a, List<Constant> in) {
    Constant x = in.get(0);
    Constant at = a.known(1, "axis");
    require(at.elements() == 1, "axis: expected one number, got " + at);
    int axis = Arguments.axis(at.integer(0), x.rank());
    int dim = x.shape().dim(axis);
    require(dim >= 0, "adds up the batch");
    boolean reverse = a.node().integer("reverse", 0) == 1;
    boolean exclusive = a.node().integer("exclusive", 0) == 1;
    int step = Strides.of(x.shape()).steps()[axis];
    boolean real = x.kind() == Constant.Kind.REAL;
    float[] reals = new float[real ? x.elements() : 0];
    Affine[] integers = new Affine[real ? 0 : x.elements()];
    for (int line = 0; line < x.elements() / Math.max(dim, 1); line++) {
      int start = line / step * step * dim + line % step;
      double sum = 0;
      Affine count = Affine.of(0);
      for (int k = 0; k < dim; k++) {
        int i = start + (reverse ? dim - 1 - k : k) * step;
        double sumBefore = sum;
        Affine countBefore = count;
        if (real) {
          sum += x.real(i);
          reals[i] = (float) (exclusive ? sumBefore : sum);
        } else {
          count = count.plus(x.number(i));
          integers[i] = exclusive ? countBefore : count;
        }
      }
    }
    return real
        ? Constant.of(x.shape(), reals)
        : Constant.of(x.kind(), x.shape(), i -> integers[i]);
  }

  private static Constant expand(Arguments a, List<Constant> in) {
    Constant x = in.get(0);
    Shape to = ShapeRules.expand(a, x.shape());
    return x.pick(to, Strides.of(to).broadcastFrom(x.shape())::index);
  }

  private static Constant tile(Arguments a, List<Constant> in) {
    Constant x = in.get(0);
    long[] repeats = a.known(1, "repeats").longs();
    require(repeats.length == x.rank(), "repeats for " + x);
    List<Integer> dims = new ArrayList<>();
    for (int i = 0; i < repeats.length; i++) {
      require(repeats[i] >= 0 && repeats[i] <= Integer.MAX_VALUE, "repeats " + repeats[i]);
      require(repeats[i] == 1 || x.shape().dim(i) >= 0, "repeats the batch");
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
    Affine span = limit.number(0).minus(start.number(0));
    if (span.perBatch() != 0) {
      return sampleNumbers(start.integer(0), span, step);
    }
    double count = Math.ceil(((double) limit.integer(0) - start.integer(0)) / step);
    require(count <= Integer.MAX_VALUE, "count " + count);
    long[] values = new long[Constant.count(Shape.of((int) Math.max(count, 0)))];
    for (int i = 0; i < values.length; i++) {
      values[i] = start.integer(0) + i * step;
    }
    return Constant.of(Constant.Kind.INTEGER, Shape.of(values.length), values);
  }

  /** A Range of k N numbers, of which each sample has the k that are its own. */
  private static Constant sampleNumbers(long start, Affine span, long step) {
    require(
        span.fixed() == 0 && span.perSample() == 0 && span.perBatch() > 0 && step == 1,
        "counts something else than samples");
    long k = span.perBatch();
    return Constant.of(
        Constant.Kind.INTEGER,
        Shape.of(Arguments.size(-k)),
        i -> new Affine(start + i, 0, k));
  }

  private static Constant trilu(Arguments a, List<Constant> in) {
    Constant x = in.get(0);
    require(x.rank() >= 2, "expected a matrix, got " + x);
    require(x.shape().batchDim() < x.rank() - 2, "cuts the batch");
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
