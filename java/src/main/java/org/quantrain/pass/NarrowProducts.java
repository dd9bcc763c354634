package org.quantrain.pass;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.quantrain.graph.Graph;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.op.Compute;
import org.quantrain.op.Conv2d;
import org.quantrain.op.Linear;
import org.quantrain.op.MatMul;
import org.quantrain.op.ToBf16;

/** The operands of every product of floats rounded to bf16; what several read, once. */
final class NarrowProducts {
  private NarrowProducts() {}

  static Graph apply(Graph graph, Compute compute) {
    if (compute == Compute.F32) {
      return graph;
    }
    GraphBuilder builder = new GraphBuilder();
    graph.inputs().forEach(builder::input);
    Map<Value, Value> made = new HashMap<>();
    Map<Value, Value> narrow = new HashMap<>();
    for (Node node : graph.nodes()) {
      List<Value> inputs = new ArrayList<>();
      node.inputs().forEach(v -> inputs.add(made.getOrDefault(v, v)));
      if (isProduct(node.op())) {
        for (int i = 0; i < 2; i++) {
          inputs.set(
              i,
              narrow.computeIfAbsent(
                  inputs.get(i), v -> builder.add(v.name() + ".bf16", new ToBf16(), v)));
        }
      }
      Node copy = builder.node(node.name(), node.op(), inputs);
      for (int i = 0; i < node.outputs().size(); i++) {
        made.put(node.output(i), copy.output(i));
      }
    }
    return builder.build(graph.outputs().stream().map(v -> made.getOrDefault(v, v)).toList());
  }

  private static boolean isProduct(Op op) {
    return op instanceof Conv2d || op instanceof Linear || op instanceof MatMul;
  }
}
