package org.quantrain.pass;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.op.ConvCodes;
import org.quantrain.op.ConvRequantize;
import org.quantrain.op.Requantize;

/**
 * Makes one node of a convolution of codes and the requantization that alone reads its accumulator,
 * where nothing reads the mask. Values keep their names.
 */
public final class FuseRequantize {
  /** Inputs of a requantization: accumulator, multiplier, zero-point, bias. */
  private static final int WITH_BIAS = 4;

  private FuseRequantize() {}

  /**
   * @param wanted whether a backend is better off with this node than with the two
   */
  public static Graph apply(Graph graph, Predicate<Node> wanted) {
    Map<Node, Node> fused = new HashMap<>();
    Set<Node> replaced = new HashSet<>();
    for (Node node : graph.nodes()) {
      if (node.op() instanceof Requantize requantize && !reads(graph, node.output(1))) {
        Node conv = graph.producer(node.input(0)).orElse(null);
        if (conv != null && conv.op() instanceof ConvCodes product && isOnly(graph, conv, node)) {
          Node one = fused(conv, product, node, requantize);
          if (wanted.test(one)) {
            fused.put(node, one);
            replaced.add(conv);
          }
        }
      }
    }
    List<Node> nodes = new ArrayList<>();
    for (Node node : graph.nodes()) {
      if (!replaced.contains(node)) {
        nodes.add(fused.getOrDefault(node, node));
      }
    }
    return new Graph(graph.inputs(), nodes, graph.outputs());
  }

  private static boolean reads(Graph graph, Value value) {
    return graph.outputs().contains(value) || !graph.consumers(value).isEmpty();
  }

  /** Whether nothing else reads the accumulator, and no channel of it is left out. */
  private static boolean isOnly(Graph graph, Node conv, Node requantize) {
    Value acc = conv.output();
    return graph.consumers(acc).equals(List.of(requantize))
        && !graph.outputs().contains(acc)
        && requantize.inputs().size() <= WITH_BIAS;
  }

  private static Node fused(Node conv, ConvCodes product, Node node, Requantize requantize) {
    List<Value> inputs = new ArrayList<>(conv.inputs());
    inputs.addAll(node.inputs().subList(1, node.inputs().size()));
    return new Node(
        node.name(), new ConvRequantize(product, requantize), inputs, List.of(node.output(0)));
  }
}
