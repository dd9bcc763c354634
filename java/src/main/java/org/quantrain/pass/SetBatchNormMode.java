package org.quantrain.pass;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.quantrain.graph.Graph;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.op.BatchNorm;

/** Makes every batch norm use the batch's statistics or the running ones. */
public final class SetBatchNormMode {
  private SetBatchNormMode() {}

  public static Graph apply(Graph graph, BatchNorm.Mode mode) {
    GraphBuilder builder = new GraphBuilder();
    Map<Value, Value> map = new HashMap<>();
    graph.inputs().forEach(v -> map.put(v, builder.input(v)));
    for (Node node : graph.nodes()) {
      List<Value> inputs = node.inputs().stream().map(v -> map.getOrDefault(v, v)).toList();
      Op op = node.op() instanceof BatchNorm bn ? bn.with(mode) : node.op();
      Node made = builder.node(node.name(), op, inputs);
      int kept = Math.min(node.outputs().size(), made.outputs().size());
      for (int i = 0; i < kept; i++) {
        map.put(node.output(i), made.output(i));
      }
    }
    return builder.build(graph.outputs().stream().map(map::get).toList());
  }
}
