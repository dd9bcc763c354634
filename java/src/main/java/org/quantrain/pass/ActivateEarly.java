package org.quantrain.pass;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.quantrain.graph.Graph;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.op.Concat;
import org.quantrain.op.Flatten;
import org.quantrain.op.MaxPool;
import org.quantrain.op.Pad;
import org.quantrain.op.Relu;
import org.quantrain.op.Slice;

/**
 * Turns relu(f(x)) into f(relu(x)), where f takes the largest of values, leaves some out, puts
 * zeros or other values beside them or only moves them. Both are the same function; only the second
 * lets a convolution, its activation and its quantizer become one step, with f on codes after it.
 */
public final class ActivateEarly {
  private ActivateEarly() {}

  public static Graph apply(Graph graph) {
    Graph at = graph;
    for (Optional<Graph> moved = step(at); moved.isPresent(); moved = step(at)) {
      at = moved.get();
    }
    return at;
  }

  /** Moves every ReLU that can be moved by one operation; empty if there is none. */
  private static Optional<Graph> step(Graph graph) {
    GraphBuilder builder = new GraphBuilder();
    Map<Value, Value> map = new HashMap<>();
    Set<Node> moved = new HashSet<>();
    graph.inputs().forEach(v -> map.put(v, builder.input(v)));
    for (Node node : graph.nodes()) {
      if (moved.contains(node)) {
        continue;
      }
      List<Value> inputs =
          new ArrayList<>(node.inputs().stream().map(v -> map.getOrDefault(v, v)).toList());
      Optional<Node> relu = reluBehind(graph, node);
      for (int i = 0; relu.isPresent() && i < inputs.size(); i++) {
        String name = relu.get().name() + (inputs.size() > 1 ? ".part" + i : "");
        inputs.set(i, builder.add(name, relu.get().op(), inputs.get(i)));
      }
      Node made = builder.node(node.name(), node.op(), inputs);
      for (int i = 0; i < node.outputs().size(); i++) {
        map.put(node.output(i), made.output(i));
      }
      if (relu.isPresent()) {
        map.put(relu.get().output(), made.output(0));
        moved.add(relu.get());
      }
    }
    return moved.isEmpty()
        ? Optional.empty()
        : Optional.of(builder.build(graph.outputs().stream().map(map::get).toList()));
  }

  /** The ReLU that may stand before the node as well: nothing else reads what is between them. */
  private static Optional<Node> reluBehind(Graph graph, Node node) {
    if (!commutes(node.op())
        || !isReadOnce(graph, node.output(0))
        || !node.inputs().stream().allMatch(v -> isReadOnce(graph, v))) {
      return Optional.empty();
    }
    return graph.consumers(node.output(0)).stream().filter(n -> n.op() instanceof Relu).findFirst();
  }

  private static boolean isReadOnce(Graph graph, Value value) {
    return graph.consumers(value).size() == 1 && !graph.outputs().contains(value);
  }

  private static boolean commutes(Op op) {
    return op instanceof MaxPool
        || op instanceof Slice
        || op instanceof Flatten
        || op instanceof Concat
        || (op instanceof Pad pad && pad.value() == 0);
  }
}
