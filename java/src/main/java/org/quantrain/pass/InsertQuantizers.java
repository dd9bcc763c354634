package org.quantrain.pass;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.NavigableSet;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import org.quantrain.graph.Graph;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.GraphException;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.op.Add;
import org.quantrain.op.AveragePool;
import org.quantrain.op.BatchNorm;
import org.quantrain.op.Concat;
import org.quantrain.op.Conv2d;
import org.quantrain.op.FakeQuant;
import org.quantrain.op.Flatten;
import org.quantrain.op.Gather;
import org.quantrain.op.GlobalAveragePool;
import org.quantrain.op.Linear;
import org.quantrain.op.MatMul;
import org.quantrain.op.MaxPool;
import org.quantrain.op.Pad;
import org.quantrain.op.Relu;
import org.quantrain.op.Reshape;
import org.quantrain.op.ScaleRule;
import org.quantrain.op.Slice;
import org.quantrain.op.Transpose;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.quant.Target;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.QuantSpec;

/**
 * Puts a {@link FakeQuant} on every weight and on every value that a quantized operation reads.
 *
 * <p>A table of which the network's input picks rows, such as an embedding, is on the grid of what
 * is picked, which is that of an activation: runtimes add codes of one type alone.
 *
 * <p>Max pooling, slices, padding with zeros and what only moves or reshapes keep their input's
 * grid, as average pools do for some targets. A value that is read at several widths gets the
 * widest quantizer first and the narrower ones on top of it, because the deployed producer emits
 * one tensor of codes.
 *
 * <p>Operations without an integer form (layer norm, softmax, GELU) are islands: they stay float
 * and read codes of what integer operations compute, so that every result of an integer operation
 * is on a grid. Between two such operations there is no quantizer.
 *
 * <p>What is computed for a concatenation alone has no quantizer of its own: it goes to the grid of
 * the whole in one step. What something else reads too, or what only moved, is requantized from its
 * own grid.
 */
public final class InsertQuantizers {
  private static final TreeMap<Integer, Value> NONE = new TreeMap<>();

  private final Graph graph;
  private final QuantPolicy policy;
  private final Set<Node> firstAndLast = new HashSet<>();
  private final Map<Value, NavigableSet<Integer>> demands = new HashMap<>();

  /** The concatenation to whose grid a value without a quantizer of its own goes. */
  private final Map<Value, Node> joined = new HashMap<>();

  private final GraphBuilder builder = new GraphBuilder();
  private final Map<Value, Value> plain = new HashMap<>();
  private final Map<Value, TreeMap<Integer, Value>> quantized = new HashMap<>();
  private final Map<Value, Boolean> integers = new HashMap<>();

  private InsertQuantizers(Graph graph, QuantPolicy policy) {
    this.graph = graph;
    this.policy = policy;
  }

  /**
   * @throws GraphException if the graph has no convolution or linear layer, an override matches no
   *     layer, or the target does not run an operation, neither in integers nor in float
   */
  public static Graph apply(Graph graph, QuantPolicy policy) {
    return new InsertQuantizers(graph, policy).run();
  }

  private static boolean isLayer(Node node) {
    return node.op() instanceof Conv2d || node.op() instanceof Linear;
  }

  /** False for the constant layers of {@link InsertIdentities}. */
  private static boolean isTrained(Node layer) {
    return layer.input(1).role() == Value.Role.PARAM;
  }

  /** Operations whose output is on their input's grid. */
  private boolean keepsGrid(Node node) {
    return node.op() instanceof MaxPool
        || node.op() instanceof Flatten
        || node.op() instanceof Reshape
        || node.op() instanceof Transpose
        || node.op() instanceof Slice
        || (node.op() instanceof Pad pad && pad.value() == 0)
        || (isAverage(node) && policy.target().contract().averagesOnGrid());
  }

  /** The product of two computed operands, matrix by matrix; a matrix for several stays float. */
  private static boolean isProduct(Node node) {
    return node.op() instanceof MatMul
        && node.inputs().stream().noneMatch(Value::isPersistent)
        && Arrays.equals(front(node.input(0)), front(node.input(1)));
  }

  /** Picks rows of a table by the network's input, and the target mixes such rows with floats. */
  private boolean isLookup(Node node) {
    return node.op() instanceof Gather gather
        && gather.axis() == 0
        && node.input(0).isPersistent()
        && graph.inputs().contains(node.input(1))
        && policy.target().mixesFloats();
  }

  private static int[] front(Value x) {
    return Arrays.copyOf(x.spec().shape().dims(), x.spec().shape().rank() - 2);
  }

  /** Whether the node has no integer form here. */
  private boolean isIsland(Node node) {
    if (node.op() instanceof Relu || node.op() instanceof BatchNorm) {
      return !follows(node);
    } else if (node.op() instanceof Add || node.op() instanceof Concat) {
      boolean wanted = node.op() instanceof Concat && isQuantized(node);
      return !wanted && node.inputs().stream().noneMatch(this::isInteger);
    }
    return !isLayer(node)
        && !isProduct(node)
        && !isLookup(node)
        && !isAverage(node)
        && !keepsGrid(node);
  }

  /** Whether batch norm or ReLU goes into the integer operation before it. */
  private boolean follows(Node node) {
    Node before = graph.producer(node.input(0)).orElse(null);
    if (before == null || isIsland(before)) {
      return false;
    }
    boolean layer = isLayer(before);
    if (node.op() instanceof BatchNorm) {
      return layer && graph.consumers(node.input(0)).size() == 1;
    }
    return layer
        || isProduct(before)
        || before.op() instanceof Add
        || before.op() instanceof BatchNorm
        || before.op() instanceof Relu;
  }

  /** Whether the value is the network's, or an integer operation computes it; or only moved it. */
  private boolean isInteger(Value value) {
    if (value.isPersistent()) {
      return false;
    }
    Boolean known = integers.get(value);
    if (known == null) {
      Node producer = graph.producer(value).orElse(null);
      known =
          producer == null
              ? value.spec().dtype() == DType.F32
              : !isIsland(producer)
                  && (!keepsGrid(producer) || isAverage(producer) || isInteger(producer.input(0)));
      integers.put(value, known);
    }
    return known;
  }

  private static boolean isAverage(Node node) {
    return node.op() instanceof AveragePool || node.op() instanceof GlobalAveragePool;
  }

  private Graph run() {
    List<Node> layers = graph.nodes().stream().filter(InsertQuantizers::isLayer).toList();
    if (layers.isEmpty()) {
      throw new GraphException(
          "nothing to quantize: the graph has no convolution and no linear layer");
    }
    for (QuantPolicy.Override o : policy.overrides()) {
      if (layers.stream().noneMatch(n -> o.layer().matcher(n.name()).matches())) {
        throw new GraphException(
            "override '"
                + o.layer()
                + "' matches no layer; layers are: "
                + String.join(", ", layers.stream().map(Node::name).toList()));
      }
    }
    List<Node> trained = layers.stream().filter(InsertQuantizers::isTrained).toList();
    if (!trained.isEmpty()) {
      firstAndLast.add(trained.get(0));
      firstAndLast.add(trained.get(trained.size() - 1));
    }
    if (policy.target().quantizesLogits()) {
      graph.outputs().forEach(v -> demand(v, QuantPolicy.ADD_BITS));
    }
    for (int i = graph.nodes().size() - 1; i >= 0; i--) {
      collectDemands(graph.nodes().get(i));
    }
    refuseIslands();
    refuseBounds();
    for (Value in : graph.inputs()) {
      plain.put(in, builder.input(in));
      quantize(in, false);
    }
    graph.nodes().forEach(this::rebuild);
    return builder.build(graph.outputs().stream().map(this::output).toList());
  }

  private void refuseIslands() {
    if (policy.target().mixesFloats()) {
      return;
    }
    List<String> nodes =
        graph.nodes().stream()
            .filter(n -> isIsland(n) || isProduct(n))
            .map(n -> n.op().kind() + " \"" + n.name() + "\"")
            .toList();
    if (!nodes.isEmpty()) {
      String text =
          "target %s has no integer form for %s, and no floats between integer layers; '%s' has";
      throw new GraphException(
          text.formatted(policy.target().id(), String.join(", ", nodes), Target.ORT.id()));
    }
  }

  /** A grid whose scale is found freely ends at the bound; a power of two does not. */
  private void refuseBounds() {
    if (!policy.target().contract().powersOfTwo()) {
      return;
    }
    for (Node node : graph.nodes()) {
      if (node.op() instanceof Relu relu && Float.isFinite(relu.upper())) {
        String text =
            "target %s: Relu \"%s\" ends at %s, where no grid does whose scale is a power of two;"
                + " train the network with ReLU without a bound (mobilenetv2?activation=relu)";
        throw new GraphException(
            text.formatted(policy.target().id(), node.name(), relu.upper()));
      }
    }
  }

  private Value output(Value value) {
    return policy.target().quantizesLogits()
        ? version(value, QuantPolicy.ADD_BITS)
        : plain.get(value);
  }

  /**
   * Nodes are visited from the end, so what the consumers of a pooling want is known before the
   * pooling is asked.
   */
  private void collectDemands(Node node) {
    if (isLayer(node)) {
      demand(node.input(0), policy.inputBits(node.name(), firstAndLast.contains(node)));
    } else if (node.op() instanceof Add && !isIsland(node)) {
      demand(node.input(0), QuantPolicy.ADD_BITS);
      demand(node.input(1), QuantPolicy.ADD_BITS);
    } else if (keepsGrid(node)) {
      if (demands.containsKey(node.output(0))) {
        demand(node.input(0), demands.get(node.output(0)).last());
      }
    } else if (isAverage(node)) {
      demand(node.input(0), policy.activationBits());
    } else if (node.op() instanceof Concat && isQuantized(node)) {
      for (Value part : node.inputs()) {
        if (isComputedFor(node, part)) {
          joined.put(part, whole(node));
        } else {
          demand(part, bitsOf(node));
        }
      }
    } else if (isProduct(node)) {
      node.inputs().forEach(v -> demand(v, policy.activationBits()));
    } else if (isIsland(node)) {
      node.inputs().stream()
          .filter(this::isInteger)
          .forEach(v -> demand(v, QuantPolicy.ADD_BITS));
    }
  }

  private boolean isQuantized(Node concat) {
    return demands.containsKey(whole(concat).output());
  }

  private int bitsOf(Node concat) {
    return demands.get(whole(concat).output()).last();
  }

  /**
   * The concatenation whose grid this one has: another one that it is only a part of, or itself.
   */
  private Node whole(Node concat) {
    return joined.getOrDefault(concat.output(), concat);
  }

  /**
   * Whether the concatenation is all that a value, which waits for its quantizer, is for. What a
   * ReLU made needs a grid from 0, whose clamp is the ReLU.
   */
  private boolean isComputedFor(Node concat, Value part) {
    Node producer = graph.producer(part).orElse(null);
    boolean computed =
        producer != null
            && (isLayer(producer)
                || producer.op() instanceof BatchNorm
                || producer.op() instanceof Relu
                || producer.op() instanceof Add
                || (isAverage(producer) && !keepsGrid(producer))
                || producer.op() instanceof Concat);
    boolean relu = computed && producer.op() instanceof Relu;
    return computed
        && (!relu || isNonNegative(whole(concat).output()))
        && graph.consumers(part).size() == 1
        && concat.inputs().stream().filter(part::equals).count() == 1
        && !graph.outputs().contains(part);
  }

  private void demand(Value value, int bits) {
    demands.computeIfAbsent(value, v -> new TreeSet<>()).add(bits);
  }

  private void rebuild(Node node) {
    List<Value> inputs = new ArrayList<>();
    for (Value in : node.inputs()) {
      inputs.add(in.isPersistent() ? in : plain.get(in));
    }
    if (isLayer(node)) {
      boolean edge = firstAndLast.contains(node);
      inputs.set(0, version(node.input(0), policy.inputBits(node.name(), edge)));
      // What is not trained has no scale to learn.
      ScaleRule rule = isTrained(node) ? policy.quantizer().weights() : ScaleRule.OBSERVED;
      QuantSpec spec = policy.weightSpec(node.name(), edge);
      Value weight = node.input(1);
      FakeQuant quant = new FakeQuant(weight.name(), spec, rule, policy.target().contract());
      inputs.set(1, builder.add(weight.name() + ".q", quant, weight));
    } else if (node.op() instanceof Add && !isIsland(node)) {
      inputs.set(0, version(node.input(0), QuantPolicy.ADD_BITS));
      inputs.set(1, version(node.input(1), QuantPolicy.ADD_BITS));
    } else if (keepsGrid(node)) {
      if (demands.containsKey(node.output(0))) {
        inputs.set(0, version(node.input(0), demands.get(node.output(0)).last()));
      }
    } else if (isLookup(node)) {
      if (demands.containsKey(node.output(0))) {
        int bits = demands.get(node.output(0)).last();
        String name = node.output(0).name();
        inputs.set(0, fakeQuant(name, bits, ScaleRule.OBSERVED, node.input(0)));
      }
    } else if (isAverage(node)) {
      inputs.set(0, version(node.input(0), policy.activationBits()));
    } else if (node.op() instanceof Concat && isQuantized(node)) {
      for (int i = 0; i < inputs.size(); i++) {
        if (!joined.containsKey(node.input(i))) {
          Value part = version(node.input(i), bitsOf(node));
          inputs.set(i, joinsAsItIs(part) ? part : toAnotherGrid(node.name() + ".part" + i, part));
        }
      }
    } else if (isProduct(node)) {
      for (int i = 0; i < inputs.size(); i++) {
        inputs.set(i, version(node.input(i), policy.activationBits()));
      }
    } else if (isIsland(node)) {
      // Codes of 8 bits also where another reader alone wanted them: one value, one tensor.
      for (int i = 0; i < inputs.size(); i++) {
        Value codes = quantized.getOrDefault(node.input(i), NONE).get(QuantPolicy.ADD_BITS);
        inputs.set(i, codes == null ? inputs.get(i) : codes);
      }
    }
    Node made = builder.node(node.name(), node.op(), inputs);
    for (int i = 0; i < node.outputs().size(); i++) {
      plain.put(node.output(i), made.output(i));
    }
    quantize(node.output(0), keepsGrid(node) || isLookup(node));
  }

  private boolean joinsAsItIs(Value part) {
    return !policy.target().contract().joinsOneGrid() || part.spec().shape().rank() != 4;
  }

  /** A layer that changes nothing but the grid, which is that of what reads it. */
  private Value toAnotherGrid(String name, Value image) {
    Value ones = InsertIdentities.ones(builder, name, image);
    QuantSpec spec = policy.weightSpec(name, false);
    FakeQuant quant =
        new FakeQuant(ones.name(), spec, ScaleRule.OBSERVED, policy.target().contract());
    Value weights = builder.add(ones.name() + ".q", quant, ones);
    return InsertIdentities.identity(builder, name, image, weights);
  }

  /** Known from the graph alone: what a ReLU made so, and what keeps it so. */
  private boolean isNonNegative(Value value) {
    Node producer = graph.producer(value).orElse(null);
    if (producer == null) {
      return false;
    }
    boolean carries =
        keepsGrid(producer)
            || isAverage(producer)
            || producer.op() instanceof Add
            || producer.op() instanceof Concat;
    return producer.op() instanceof Relu
        || (carries && producer.inputs().stream().allMatch(this::isNonNegative));
  }

  /** Adds the quantizers that the readers of {@code value} want. */
  private void quantize(Value value, boolean onGridAlready) {
    NavigableSet<Integer> widths = demands.get(value);
    if (widths == null) {
      return;
    }
    TreeMap<Integer, Value> versions = new TreeMap<>();
    quantized.put(value, versions);
    ScaleRule rule = policy.quantizer().activations(isNonNegative(value));
    int widest = widths.last();
    Value wide = plain.get(value);
    if (!onGridAlready) {
      wide = fakeQuant(value.name(), widest, rule, wide);
    }
    versions.put(widest, wide);
    for (int bits : widths.headSet(widest)) {
      versions.put(bits, fakeQuant(value.name() + ".b" + bits, bits, rule, wide));
    }
  }

  private Value fakeQuant(String quantizer, int bits, ScaleRule rule, Value x) {
    QuantSpec spec = policy.target().activation(bits);
    FakeQuant quant = new FakeQuant(quantizer, spec, rule, policy.target().contract());
    return builder.add(quantizer + ".q", quant, x);
  }

  private Value version(Value value, int bits) {
    return quantized.get(value).get(bits);
  }
}
