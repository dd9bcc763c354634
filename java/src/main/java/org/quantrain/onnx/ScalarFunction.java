package org.quantrain.onnx;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.DoubleBinaryOperator;
import java.util.function.DoubleUnaryOperator;
import org.quantrain.op.Unary;

/**
 * An activation that a file writes as several nodes: GELU by erf or tanh, SiLU, hard sigmoid, hard
 * swish.
 *
 * <p>Exporters write the same function in many ways, so it is recognized by what it computes: the
 * nodes in front of the last one are evaluated, as a function of one tensor, at points that tell
 * these functions apart.
 *
 * @param x the tensor that it is a function of
 */
record ScalarFunction(String x, Unary op) {
  private static final double[] POINTS = {
    -8.7, -3.3, -2.9, -1.7, -0.6, -0.01, 0, 0.02, 0.4, 1.3, 2.8, 3.1, 7.5
  };

  /** Constants are rounded to float32 in files, some to fewer digits. */
  private static final double TOLERANCE = 2e-6;

  /** How many nodes in front of the last are looked at. */
  private static final int LARGEST = 24;

  private static final Map<Unary, DoubleUnaryOperator> KNOWN =
      Map.of(
          new Unary(Unary.Kind.GELU), x -> x / 2 * (1 + erf(x / Math.sqrt(2))),
          new Unary(Unary.Kind.GELU_TANH),
              x -> x / 2 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x * x * x))),
          new Unary(Unary.Kind.SILU), x -> x / (1 + Math.exp(-x)),
          new Unary(Unary.Kind.HARD_SIGMOID, 1 / 6f, 0.5f), ScalarFunction::hardSigmoid,
          new Unary(Unary.Kind.HARD_SWISH), x -> x * hardSigmoid(x));

  private static double hardSigmoid(double x) {
    return Math.min(Math.max(x / 6 + 0.5, 0), 1);
  }

  /** Simpson's rule; off by less than 1e-9 for |x| < 10. */
  private static double erf(double x) {
    int steps = 400;
    double h = x / steps;
    double sum = 1 + Math.exp(-x * x);
    for (int i = 1; i < steps; i++) {
      sum += (i % 2 == 1 ? 4 : 2) * Math.exp(-(i * h) * (i * h));
    }
    return 2 / Math.sqrt(Math.PI) * sum * h / 3;
  }

  /** What the node computes together with those in front of it, if it is one of these functions. */
  static Optional<ScalarFunction> of(Importing in, OnnxNode last) {
    for (String x : inFront(in, last)) {
      double[] values = new Evaluation(in, x).of(last, 0);
      for (Map.Entry<Unary, DoubleUnaryOperator> known : KNOWN.entrySet()) {
        if (values != null && agree(values, known.getValue())) {
          return Optional.of(new ScalarFunction(x, known.getKey()));
        }
      }
    }
    return Optional.empty();
  }

  private static boolean agree(double[] values, DoubleUnaryOperator f) {
    for (int i = 0; i < POINTS.length; i++) {
      double expected = f.applyAsDouble(POINTS[i]);
      if (!(Math.abs(values[i] - expected) <= TOLERANCE * Math.max(1, Math.abs(expected)))) {
        return false;
      }
    }
    return true;
  }

  /** Computed tensors that the node may be a function of, nearest first. */
  private static List<String> inFront(Importing in, OnnxNode last) {
    List<String> found = new ArrayList<>();
    List<OnnxNode> nodes = new ArrayList<>(List.of(last));
    for (int i = 0; i < nodes.size() && i < LARGEST; i++) {
      for (String tensor : nodes.get(i).inputs()) {
        if (in.computed(tensor) != null && !found.contains(tensor)) {
          found.add(tensor);
          OnnxNode producer = in.producer(tensor);
          if (producer != null && Evaluation.knows(producer)) {
            nodes.add(producer);
          }
        }
      }
    }
    return found;
  }

  /** Values of tensors at the points, as functions of x. */
  private record Evaluation(Importing in, String x, Map<String, double[]> done) {
    private static final int DEEPEST = 12;

    private static final Map<String, DoubleBinaryOperator> BINARY =
        Map.of(
            "Add", Double::sum,
            "Sub", (a, b) -> a - b,
            "Mul", (a, b) -> a * b,
            "Div", (a, b) -> a / b,
            "Pow", Math::pow,
            "Min", Math::min,
            "Max", Math::max);

    private static final Map<String, DoubleUnaryOperator> UNARY =
        Map.of(
            "Erf",
            ScalarFunction::erf,
            "Tanh",
            Math::tanh,
            "Sigmoid",
            a -> 1 / (1 + Math.exp(-a)),
            "Exp",
            Math::exp,
            "Neg",
            a -> -a,
            "Reciprocal",
            a -> 1 / a,
            "Relu",
            a -> Math.max(a, 0),
            "Sqrt",
            Math::sqrt);

    Evaluation(Importing in, String x) {
      this(in, x, new HashMap<>());
    }

    static boolean knows(OnnxNode node) {
      return BINARY.containsKey(node.op())
          || UNARY.containsKey(node.op())
          || node.op().equals("Clip")
          || node.op().equals("HardSigmoid");
    }

    /** Null if the tensor is no function of x alone. */
    double[] of(String tensor, int depth) {
      if (tensor.equals(x)) {
        return POINTS;
      }
      if (done.containsKey(tensor)) {
        return done.get(tensor);
      }
      Constant c = in.constant(tensor);
      double[] values = null;
      if (c != null) {
        if (c.elements() == 1 && c.kind() == Constant.Kind.REAL) {
          values = new double[POINTS.length];
          Arrays.fill(values, c.real(0));
        }
      } else if (depth < DEEPEST && in.producer(tensor) != null) {
        values = of(in.producer(tensor), depth);
      }
      done.put(tensor, values);
      return values;
    }

    double[] of(OnnxNode node, int depth) {
      if (!knows(node) || !node.domain().isEmpty()) {
        return null;
      }
      double[] p = of(node.input(0), depth + 1);
      double[] q = BINARY.containsKey(node.op()) ? of(node.input(1), depth + 1) : p;
      if (p == null || q == null || node.inputs().size() > 2 && !node.op().equals("Clip")) {
        return null;
      }
      DoubleBinaryOperator f = BINARY.get(node.op());
      if (f == null) {
        DoubleUnaryOperator g = function(node);
        f = (a, b) -> g.applyAsDouble(a);
      }
      double[] values = new double[POINTS.length];
      for (int i = 0; i < values.length; i++) {
        values[i] = f.applyAsDouble(p[i], q[i]);
      }
      return values;
    }

    private DoubleUnaryOperator function(OnnxNode node) {
      if (node.op().equals("HardSigmoid")) {
        double alpha = node.real("alpha", 0.2f);
        double beta = node.real("beta", 0.5f);
        return a -> Math.min(Math.max(alpha * a + beta, 0), 1);
      }
      if (node.op().equals("Clip")) {
        Arguments clip = in.arguments(node);
        double low = clip.real(1, "min", Float.NEGATIVE_INFINITY);
        double high = clip.real(2, "max", Float.POSITIVE_INFINITY);
        return a -> Math.min(Math.max(a, low), high);
      }
      return UNARY.get(node.op());
    }
  }
}
