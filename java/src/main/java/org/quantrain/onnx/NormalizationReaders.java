package org.quantrain.onnx;

import static org.quantrain.onnx.Arguments.require;

import java.math.BigDecimal;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.op.BatchNorm;
import org.quantrain.op.GlobalAveragePool;
import org.quantrain.op.LayerNorm;
import org.quantrain.op.Reduce;
import org.quantrain.op.Softmax;
import org.quantrain.op.Unary;
import org.quantrain.tensor.Shape;

/** Normalizations, softmax and reductions. */
final class NormalizationReaders {
  private NormalizationReaders() {}

  static void addTo(Map<String, NodeReader> readers) {
    readers.put("BatchNormalization", NormalizationReaders::batchNorm);
    readers.put("LayerNormalization", NormalizationReaders::layerNorm);
    readers.put("Softmax", (in, a) -> in.pass(a, softmax(in, a)));
    readers.put("LogSoftmax", (in, a) -> in.pass(a, in.step(a, "log", LOG, softmax(in, a))));
    readers.put("ReduceMean", (in, a) -> reduce(in, a, Reduce.Kind.MEAN, null, null));
    readers.put("ReduceSum", (in, a) -> reduce(in, a, Reduce.Kind.SUM, null, null));
    readers.put("ReduceMax", (in, a) -> reduce(in, a, Reduce.Kind.MAX, null, null));
    readers.put("ReduceMin", (in, a) -> reduce(in, a, Reduce.Kind.MIN, null, null));
    readers.put("ReduceL1", (in, a) -> reduce(in, a, Reduce.Kind.SUM, ABS, null));
    readers.put("ReduceL2", (in, a) -> reduce(in, a, Reduce.Kind.SUM, SQUARE, SQRT));
    readers.put("ReduceSumSquare", (in, a) -> reduce(in, a, Reduce.Kind.SUM, SQUARE, null));
  }

  private static final Unary LOG = new Unary(Unary.Kind.LOG);
  private static final Unary ABS = new Unary(Unary.Kind.ABS);
  private static final Unary SQUARE = new Unary(Unary.Kind.POW, 2);
  private static final Unary SQRT = new Unary(Unary.Kind.SQRT);

  /** In training mode whatever the file says; the running statistics are state. */
  private static void batchNorm(Importing in, Arguments a) {
    require(a.node().integer("spatial", 1) == 1, "spatial = 0");
    Value given = in.value(a, 0);
    int rank = given.spec().shape().rank();
    Value[] operands = new Value[5];
    operands[0] = rank == 2 ? given : in.image(given);
    int channels = operands[0].spec().shape().dim(1);
    for (int i = 1; i < 5; i++) {
      Constant c = a.constant(i);
      require(
          c != null && c.kind() == Constant.Kind.REAL, "input " + i + " is not a FLOAT constant");
      operands[i] = in.vector(a, i, channels, i < 3 ? Value.Role.PARAM : Value.Role.STATE);
    }
    float momentum = oneMinus(a.node().real("momentum", 0.9f));
    float epsilon = a.node().real("epsilon", 1e-5f);
    require(
        epsilon > 0 && epsilon < 1 && momentum >= 0 && momentum <= 1,
        "epsilon " + epsilon + ", 1 - momentum " + momentum);
    Op op = new BatchNorm(epsilon, momentum, BatchNorm.Mode.TRAIN);
    Value y = in.builder().node(a.node().output(), op, operands).output(0);
    in.passImage(a, y, rank == 3);
  }

  /** 1 - x on the decimals that are meant, so that 0.9 and 0.1 turn into each other exactly. */
  static float oneMinus(float x) {
    return Float.isFinite(x)
        ? BigDecimal.ONE.subtract(new BigDecimal(Float.toString(x))).floatValue()
        : Float.NaN;
  }

  private static void layerNorm(Importing in, Arguments a) {
    Value x = in.rowMajor(in.value(a, 0));
    int[] dims = x.spec().shape().dims();
    int axis = a.axis("axis", -1, dims.length);
    require(axis > x.spec().shape().batchDim(), "axis " + axis + " of " + x.spec());
    Shape inner = Shape.of(Arrays.copyOfRange(dims, axis, dims.length));
    for (int i = 1; i < 3; i++) {
      Constant c = a.constant(i);
      boolean left = i == 2 && !a.has(2);
      require(
          left || (c != null && c.kind() == Constant.Kind.REAL && c.shape().equals(inner)),
          "input " + i + " is not a FLOAT constant " + inner);
    }
    Value gamma = DecomposedLayerNorm.trained(in, a.node().input(1), inner);
    Value beta =
        a.has(2)
            ? DecomposedLayerNorm.trained(in, a.node().input(2), inner)
            : DecomposedLayerNorm.filled(in, a, inner, 0);
    in.add(a, new LayerNorm(axis, a.node().real("epsilon", 1e-5f)), x, gamma, beta);
  }

  /** Before operator set 13 over all dimensions from the axis on, seen as one. */
  private static Value softmax(Importing in, Arguments a) {
    Value x = in.value(a, 0);
    Shape shape = x.spec().shape();
    boolean flattens = a.opset() < 13;
    int axis = a.axis("axis", flattens ? 1 : -1, shape.rank());
    if (!flattens || axis == shape.rank() - 1) {
      return in.builder().add(a.node().output(), new Softmax(axis), x);
    }
    int[] front = Arrays.copyOf(shape.dims(), axis + 1);
    front[axis] =
        Arguments.size(ShapeRules.product(Arrays.copyOfRange(shape.dims(), axis, shape.rank())));
    Value flat = in.reshaped(a.node().output() + ".flat", x, Shape.of(front));
    Value y = in.step(a, "softmax", new Softmax(axis), flat);
    return in.reshaped(a.node().output(), y, shape);
  }

  private static void reduce(
      Importing in, Arguments a, Reduce.Kind kind, Unary before, Unary after) {
    Value x = in.term(a, 0, Value.Role.STATE);
    Shape shape = x.spec().shape();
    int[] axes = a.axes(1, "axes", shape.rank());
    boolean keep = a.node().integer("keepdims", 1) == 1;
    if (axes == null || axes.length == 0) {
      if (a.node().integer("noop_with_empty_axes", 0) == 1) {
        in.pass(a, x);
        return;
      }
      axes = IntStream.range(0, shape.rank()).toArray();
    }
    List<Integer> sorted = Arrays.stream(axes).sorted().boxed().toList();
    if (kind == Reduce.Kind.MEAN && x.spec().isChannelsLast() && sorted.equals(List.of(2, 3))) {
      Value y = in.builder().add(a.node().output(), new GlobalAveragePool(), x);
      in.pass(
          a,
          keep
              ? y
              : in.reshaped(a.node().output() + ".flat", y, Shape.of(shape.dim(0), shape.dim(1))));
      return;
    }
    Value from = before == null ? x : in.step(a, "before", before, x);
    Value y = in.builder().add(a.node().output(), new Reduce(kind, sorted, keep), from);
    in.pass(a, after == null ? y : in.step(a, "after", after, y));
  }
}
