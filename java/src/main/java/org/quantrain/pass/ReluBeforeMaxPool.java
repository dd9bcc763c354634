package org.quantrain.pass;

import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.quantrain.graph.Graph;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.op.MaxPool;
import org.quantrain.op.Relu;

/**
 * Turns relu(max_pool(x)) into max_pool(relu(x)). Both are the same function; only the second lets
 * a convolution, its activation and its quantizer become one step, with pooling on codes after it.
 */
public final class ReluBeforeMaxPool {
  private ReluBeforeMaxPool() {}

  public static Graph apply(Graph graph) {
    GraphBuilder builder = new GraphBuilder();
    Map<Value, Value> map = new HashMap<>();
    Set<Node> moved = new HashSet<>();
    graph.inputs().forEach(v -> map.put(v, builder.input(v)));
    for (Node node : graph.nodes()) {
      if (moved.contains(node)) {
        continue;
      }
      List<Value> inputs = node.inputs().stream().map(v -> map.getOrDefault(v, v)).toList();
      Node relu = node.op() instanceof MaxPool ? onlyRelu(graph, node) : null;
      if (relu != null) {
        Value active = builder.add(relu.name(), relu.op(), inputs.get(0));
        map.put(relu.output(), builder.node(node.name(), node.op(), active).output(0));
        moved.add(relu);
        continue;
      }
      Node made = builder.node(node.name(), node.op(), inputs);
      for (int i = 0; i < node.outputs().size(); i++) {
        map.put(node.output(i), made.output(i));
      }
    }
    return builder.build(graph.outputs().stream().map(map::get).toList());
  }

  /** The ReLU that alone reads the pooled value. */
  private static Node onlyRelu(Graph graph, Node pool) {
    List<Node> readers = graph.consumers(pool.output(0));
    return readers.size() == 1
            && readers.get(0).op() instanceof Relu
            && !graph.outputs().contains(pool.output(0))
        ? readers.get(0)
        : null;
  }
}
