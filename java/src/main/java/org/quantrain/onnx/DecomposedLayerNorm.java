package org.quantrain.onnx;

import java.util.Arrays;
import org.quantrain.graph.Value;
import org.quantrain.op.LayerNorm;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;

/**
 * A layer normalization that a file writes as ReduceMean, Sub, Pow (or Mul), ReduceMean, Add, Sqrt,
 * Div (or a product with the reciprocal), and then Mul and Add of constants.
 *
 * @param x the tensor that is normalized
 * @param axis the first dimension that is
 */
record DecomposedLayerNorm(String x, int axis, float epsilon) {

  /** Reads the node as the end of a normalization, if it is one. */
  static boolean read(Importing in, Arguments a) {
    OnnxNode node = a.node();
    DecomposedLayerNorm norm = of(in, node);
    if (norm != null) {
      return norm.add(in, a, null, null);
    }
    for (int i = 0; i < 2; i++) {
      OnnxNode before = in.producer(node.input(i));
      Constant c = a.constant(1 - i);
      if (before == null || c == null) {
        continue;
      }
      if (node.op().equals("Mul")) {
        norm = of(in, before);
        if (norm != null) {
          return norm.add(in, a, node.input(1 - i), null);
        }
      } else if (node.op().equals("Add") && before.op().equals("Mul")) {
        for (int k = 0; k < 2; k++) {
          OnnxNode first = in.producer(before.input(k));
          norm = first == null || in.constant(before.input(1 - k)) == null ? null : of(in, first);
          if (norm != null) {
            return norm.add(in, a, before.input(1 - k), node.input(1 - i));
          }
        }
      }
    }
    return false;
  }

  /** False if gamma and beta are not of the shape that is normalized. */
  private boolean add(Importing in, Arguments a, String gamma, String beta) {
    Value v = in.rowMajor(in.computed(x));
    int[] dims = v.spec().shape().dims();
    Shape inner = Shape.of(Arrays.copyOfRange(dims, axis, dims.length));
    for (String tensor : Arrays.asList(gamma, beta)) {
      if (tensor != null && !fits(in.constant(tensor), inner)) {
        return false;
      }
    }
    in.add(
        a,
        new LayerNorm(axis, epsilon),
        v,
        vector(in, a, gamma, inner, 1),
        vector(in, a, beta, inner, 0));
    return true;
  }

  private static boolean fits(Constant c, Shape inner) {
    int[] dims = c.shape().dims();
    int ones = dims.length - inner.rank();
    return c.kind() == Constant.Kind.REAL
        && ones >= 0
        && Arrays.stream(dims, 0, ones).allMatch(d -> d == 1)
        && Arrays.equals(Arrays.copyOfRange(dims, ones, dims.length), inner.dims());
  }

  private Value vector(Importing in, Arguments a, String tensor, Shape inner, float orElse) {
    return tensor == null
        ? filled(in, a, inner, orElse)
        : in.once("normalized " + x + " by " + tensor, () -> trained(in, tensor, inner));
  }

  /** What is left out: ones or zeros. */
  static Value filled(Importing in, Arguments a, Shape inner, float value) {
    String name = a.node().output() + (value == 1 ? ".gamma" : ".beta");
    return in.persistent(name, HostTensor.filled(inner, value), Value.Role.STATE);
  }

  /** A parameter of the node's own. */
  static Value trained(Importing in, String tensor, Shape inner) {
    Constant c = in.constant(tensor);
    String name = c.file() == null ? tensor : c.file().name();
    return in.persistent(name, HostTensor.of(inner, c.floats()), Value.Role.PARAM);
  }

  /** (x - mean) / sqrt(mean((x - mean)^2) + epsilon), null if the node is something else. */
  private static DecomposedLayerNorm of(Importing in, OnnxNode node) {
    boolean product = node.op().equals("Mul");
    if (!product && !node.op().equals("Div")) {
      return null;
    }
    for (int i = 0; i < (product ? 2 : 1); i++) {
      OnnxNode difference = producer(in, node.input(i), "Sub");
      OnnxNode deviation = in.producer(node.input(1 - i));
      if (product && deviation != null) {
        deviation = deviation.op().equals("Reciprocal") ? in.producer(deviation.input(0)) : null;
      }
      if (difference != null && deviation != null && deviation.op().equals("Sqrt")) {
        DecomposedLayerNorm norm = of(in, difference, deviation);
        if (norm != null) {
          return norm;
        }
      }
    }
    return null;
  }

  private static DecomposedLayerNorm of(Importing in, OnnxNode difference, OnnxNode sqrt) {
    String x = difference.input(0);
    int axis = meanAxis(in, difference.input(1), x);
    OnnxNode sum = producer(in, sqrt.input(0), "Add");
    if (axis < 0 || sum == null) {
      return null;
    }
    for (int i = 0; i < 2; i++) {
      Constant epsilon = in.constant(sum.input(1 - i));
      OnnxNode variance = producer(in, sum.input(i), "ReduceMean");
      if (epsilon == null || variance == null || epsilon.elements() != 1) {
        continue;
      }
      OnnxNode square = in.producer(variance.input(0));
      boolean isSquare =
          square != null
              && (square.op().equals("Pow")
                  ? in.constant(square.input(1)) != null
                      && in.constant(square.input(1)).elements() == 1
                      && in.constant(square.input(1)).real(0) == 2
                  : square.op().equals("Mul") && square.input(0).equals(square.input(1)));
      OnnxNode again = isSquare ? producer(in, square.input(0), "Sub") : null;
      if (again != null
          && again.input(0).equals(x)
          && meanAxis(in, again.input(1), x) == axis
          && meanAxis(in, sum.input(i), variance.input(0)) == axis
          && epsilon.real(0) > 0) {
        return new DecomposedLayerNorm(x, axis, epsilon.real(0));
      }
    }
    return null;
  }

  /** The first of the last dimensions that the tensor is the mean of x over; -1 if it is not. */
  private static int meanAxis(Importing in, String tensor, String x) {
    OnnxNode mean = producer(in, tensor, "ReduceMean");
    if (mean == null || !mean.input(0).equals(x) || mean.integer("keepdims", 1) != 1) {
      return -1;
    }
    Value v = in.computed(x);
    int rank = v == null ? 0 : v.spec().shape().rank();
    int[] axes = rank == 0 ? null : in.arguments(mean).axes(1, "axes", rank);
    if (axes == null || axes.length == 0) {
      return -1;
    }
    Arrays.sort(axes);
    for (int i = 0; i < axes.length; i++) {
      if (axes[i] != rank - axes.length + i) {
        return -1;
      }
    }
    return axes[0] > v.spec().shape().batchDim() ? axes[0] : -1;
  }

  private static OnnxNode producer(Importing in, String tensor, String op) {
    OnnxNode node = in.producer(tensor);
    return node != null && node.op().equals(op) ? node : null;
  }
}
