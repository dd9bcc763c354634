package org.quantrain.pass;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.quantrain.graph.Graph;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.op.AveragePool;
import org.quantrain.op.GlobalAveragePool;

/**
 * An average pool whose window is the whole image is a global one. On codes the two differ:
 * runtimes sum the global one in integers, and so a window that is the whole image, but smaller
 * ones in floats.
 */
final class PoolEverything {
  private PoolEverything() {}

  static Graph apply(Graph graph) {
    GraphBuilder builder = new GraphBuilder();
    Map<Value, Value> map = new HashMap<>();
    graph.inputs().forEach(v -> map.put(v, builder.input(v)));
    for (Node node : graph.nodes()) {
      List<Value> inputs = node.inputs().stream().map(v -> map.getOrDefault(v, v)).toList();
      Op op = poolsEverything(node) ? new GlobalAveragePool() : node.op();
      Node made = builder.node(node.name(), op, inputs);
      for (int i = 0; i < node.outputs().size(); i++) {
        map.put(node.output(i), made.output(i));
      }
    }
    return builder.build(graph.outputs().stream().map(map::get).toList());
  }

  private static boolean poolsEverything(Node node) {
    return node.op() instanceof AveragePool pool
        && pool.window().isAllOf(node.input(0).spec().shape());
  }
}
