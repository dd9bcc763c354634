package org.quantrain.testkit;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.tensor.HostTensor;

/**
 * What every operation must compute, in plain Java: the bits of integers and elementwise floats,
 * and for float sums the value in double precision with a bound for each element.
 *
 * <p>Bounds. u = 2^-24 is half a unit in the last place of a float32. A sum of n float32 products
 * in any order, fused or not, is off by at most (n + 1) u times the sum of the terms' magnitudes
 * (Higham, Accuracy and Stability, section 3.1, to first order; n u is below 0.001 in every case
 * here, which the factor's + 1 covers). What is done with a sum afterwards adds u for each
 * operation.
 *
 * <p>An elementwise result that depends on a float sum (batch norm's output on the batch mean) is
 * checked to the bit from the sum that the backend computed; the sum itself is checked by its
 * bound.
 */
public final class Oracle {
  /** Half a unit in the last place of float32, relative. */
  static final double U = 0x1p-24;

  /** Where results are denormal, relative bounds end. */
  static final double TINY = 0x1p-149;

  /** What an operation is given and what a backend made of it. */
  public record Call(List<HostTensor> inputs, List<HostTensor> actual, float observerMomentum) {
    HostTensor in(int i) {
      return inputs.get(i);
    }

    float[] floats(int i) {
      return in(i).floats();
    }

    int[] ints(int i) {
      return in(i).ints();
    }

    int[] codes(int i) {
      return in(i).codes();
    }

    /** The only element of a float input. */
    float scalar(int i) {
      return in(i).floats()[0];
    }

    /** The only element of an int32 input. */
    int integer(int i) {
      return in(i).ints()[0];
    }

    boolean has(int i) {
      return i < inputs.size();
    }

    float[] actualFloats(int i) {
      return actual.get(i).floats();
    }
  }

  @FunctionalInterface
  interface Rule<O extends Op> {
    Expected expect(O op, Call call);
  }

  private static final Map<Class<? extends Op>, Rule<Op>> RULES = new HashMap<>();

  static {
    QuantizeRules.register();
    AccumulatorRules.register();
    BatchNormRules.register();
    FoldRules.register();
    LearnedRules.register();
    FloatRules.register();
    PoolRules.register();
    ConcatRules.register();
    RegionRules.register();
    ProductRules.register();
    ElementwiseRules.register();
    MovementRules.register();
    RowRules.register();
    CollectiveRules.register();
  }

  private Oracle() {}

  static <O extends Op> void rule(Class<O> op, Rule<O> rule) {
    RULES.put(op, (o, call) -> rule.expect(op.cast(o), call));
  }

  /** Operations that the oracle knows. */
  public static Set<Class<? extends Op>> operations() {
    return Set.copyOf(RULES.keySet());
  }

  /** What the operation must have computed from these inputs as they were before it ran. */
  public static Expected expect(Op op, Call call) {
    Rule<Op> rule = RULES.get(op.getClass());
    if (rule == null) {
      throw new IllegalArgumentException("the oracle has no rule for " + op.kind());
    }
    return rule.expect(op, call);
  }

  /**
   * Runs a whole graph of integers and elementwise floats: the deployed network, without a backend.
   *
   * @param given contents of the inputs, parameters and state, by name; state that the graph
   *     updates is replaced in it
   * @return every computed value
   * @throws IllegalStateException if the graph holds a float sum, which has no bits to expect
   */
  public static Map<Value, HostTensor> run(
      Graph graph, Map<String, HostTensor> given, float observerMomentum) {
    Map<Value, HostTensor> values = new HashMap<>();
    graph.inputs().forEach(v -> values.put(v, given.get(v.name())));
    for (Node node : graph.nodes()) {
      List<HostTensor> inputs =
          node.inputs().stream()
              .map(v -> v.isPersistent() ? given.get(v.name()) : values.get(v))
              .toList();
      Expected expected = expect(node.op(), new Call(inputs, List.of(), observerMomentum));
      for (int i = 0; i < node.outputs().size(); i++) {
        values.put(node.output(i), bits(node, expected.outputs().get(i)));
      }
      expected.updated().forEach((i, r) -> given.put(node.input(i).name(), bits(node, r)));
    }
    return values;
  }

  private static HostTensor bits(Node node, Expected.Result result) {
    if (result instanceof Expected.Bits bits) {
      return bits.tensor();
    }
    throw new IllegalStateException(node + " has no exact result");
  }
}
