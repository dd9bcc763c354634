package org.quantrain.testkit;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiFunction;
import java.util.function.Function;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;

/**
 * The function whose gradient training computes, over real numbers in double precision, values in
 * logical order.
 *
 * <p>A graph is taken at a base point, with every value that a backend computed there. Each value
 * then stands for the real number of the gradient convention: codes for scale times (code -
 * zero-point), an accumulator for its real value.
 *
 * <ul>
 *   <li>Rounding is the identity plus the error it made at the base point; where a clamp acted (its
 *       mask bit is 0), the output is what it was, whatever the input.
 *   <li>Scales, zero-points and ranges are what they were; so are running statistics. Batch
 *       statistics are functions of the batch.
 *   <li>ReLU and max pooling keep the decisions of the base point.
 * </ul>
 *
 * <p>So the function is smooth, equals what the backend computed at the base point up to float
 * rounding, and its derivatives are those of the straight-through estimator; no step of a finite
 * difference can cross a kink.
 */
public final class Surrogate {
  /** One node at one point. */
  static final class Step {
    private final Surrogate surrogate;
    private final Node node;
    private final Map<Value, double[]> reals;

    Step(Surrogate surrogate, Node node, Map<Value, double[]> reals) {
      this.surrogate = surrogate;
      this.node = node;
      this.reals = reals;
    }

    boolean has(int i) {
      return i < node.inputs().size();
    }

    /** What input i stands for. */
    double[] real(int i) {
      double[] found = reals.get(node.input(i));
      if (found == null) {
        throw new IllegalStateException(node + ": input " + i + " stands for no real number");
      }
      return found;
    }

    /** Whether input i stands for a real number at all: ranges and scales do not. */
    boolean isReal(int i) {
      return reals.containsKey(node.input(i));
    }

    /** What input i was at the base point. */
    HostTensor in(int i) {
      return surrogate.base.apply(node.input(i));
    }

    HostTensor out(int i) {
      return surrogate.base.apply(node.output(i));
    }

    /** What any value was at the base point. */
    HostTensor at(Value value) {
      return surrogate.base.apply(value);
    }

    /** The node that computed input i. */
    Optional<Node> producer(int i) {
      Value in = node.input(i);
      return surrogate.nodes.stream().filter(n -> n.outputs().contains(in)).findFirst();
    }

    int outputs() {
      return node.outputs().size();
    }

    /** {@code base} plus this factor times what input i is off its base point. */
    double[] moved(int i, double[] base, double factor) {
      double[] at = Tensors.logical(in(i));
      double[] y = base.clone();
      for (int k = 0; k < y.length; k++) {
        y[k] += factor * (real(i)[k] - at[k]);
      }
      return y;
    }

    Shape inShape(int i) {
      return in(i).shape();
    }

    int integer(int i) {
      return in(i).ints()[0];
    }

    /** A mask output at the base point, in logical order. */
    boolean[] mask(int output) {
      HostTensor t = out(output);
      boolean[] bits = Tensors.bits(t);
      int[] index = Tensors.memoryIndex(t.shape());
      boolean[] logical = new boolean[bits.length];
      for (int i = 0; i < bits.length; i++) {
        logical[i] = bits[index[i]];
      }
      return logical;
    }

    /**
     * A value that the backend rounds: {@code exact} plus the error of the base point, or the base
     * point's value where the mask (null: all true) says that a clamp acted.
     */
    double[] rounded(double[] exact, double[] actual, boolean[] mask) {
      double[] error =
          surrogate.errors.computeIfAbsent(
              node,
              n -> {
                double[] e = new double[exact.length];
                for (int i = 0; i < e.length; i++) {
                  e[i] = actual[i] - exact[i];
                }
                return e;
              });
      double[] y = new double[exact.length];
      for (int i = 0; i < y.length; i++) {
        y[i] = mask == null || mask[i] ? exact[i] + error[i] : actual[i];
      }
      return y;
    }
  }

  private static final Map<Class<? extends Op>, BiFunction<Op, Step, double[][]>> RULES =
      new HashMap<>();

  static {
    SurrogateRules.register();
    LearnedSurrogate.register();
    ConcatRules.registerSurrogates();
    RegionRules.registerSurrogates();
  }

  private final List<Node> nodes;
  private final Function<Value, HostTensor> base;
  private final Map<Node, double[]> errors = new HashMap<>();

  /**
   * @param nodes in order
   * @param base every value as the backend left it
   * @param leaves what inputs and parameters stand for at the base point
   */
  public Surrogate(
      List<Node> nodes, Function<Value, HostTensor> base, Map<Value, double[]> leaves) {
    this.nodes = List.copyOf(nodes);
    this.base = base;
    evaluate(leaves);
  }

  static <O extends Op> void rule(Class<O> op, BiFunction<O, Step, double[][]> rule) {
    RULES.put(op, (o, step) -> rule.apply(op.cast(o), step));
  }

  /**
   * What every value stands for if the leaves stand for these; values that stand for no real number
   * are missing.
   */
  public Map<Value, double[]> evaluate(Map<Value, double[]> leaves) {
    Map<Value, double[]> reals = new HashMap<>(leaves);
    for (Node node : nodes) {
      BiFunction<Op, Step, double[][]> rule = RULES.get(node.op().getClass());
      if (rule == null) {
        continue;
      }
      double[][] outputs = rule.apply(node.op(), new Step(this, node, reals));
      for (int i = 0; i < outputs.length; i++) {
        if (outputs[i] != null) {
          reals.put(node.output(i), outputs[i]);
        }
      }
    }
    return reals;
  }

  /** scale * (code - zero-point) in logical order, one scale or one for each of dimension 0. */
  public static double[] realOfCodes(HostTensor codes, float[] scale, int zeroPoint) {
    int[] q = codes.codes();
    int inner = q.length / scale.length;
    double[] real = new double[q.length];
    for (int i = 0; i < q.length; i++) {
      real[i] = (double) scale[i / inner] * (q[i] - zeroPoint);
    }
    return Tensors.toLogical(codes.shape(), real);
  }

  /** scale[c] * (keep * acc + bias) in logical order; bias and keep may be null. */
  public static double[] realOfAcc(HostTensor acc, double[] scale, int[] bias, int[] keep) {
    int[] a = acc.ints();
    double[] real = new double[a.length];
    for (int i = 0; i < a.length; i++) {
      int c = i % scale.length;
      double sum = (keep == null ? 1.0 : keep[c]) * a[i] + (bias == null ? 0.0 : bias[c]);
      real[i] = scale[c] * sum;
    }
    return Tensors.toLogical(acc.shape(), real);
  }
}
