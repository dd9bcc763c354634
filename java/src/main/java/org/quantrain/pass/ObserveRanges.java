package org.quantrain.pass;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.quantrain.graph.Graph;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.op.FakeQuant;
import org.quantrain.op.MinMax;
import org.quantrain.op.UpdateQParams;
import org.quantrain.quant.QuantizerState;

/**
 * Float execution of a graph with quantizers: activation quantizers only observe, weight quantizers
 * do nothing.
 */
public final class ObserveRanges {
  private ObserveRanges() {}

  public static Graph apply(Graph graph) {
    GraphBuilder builder = new GraphBuilder();
    Map<Value, Value> map = new HashMap<>();
    Map<Value, Node> observed = new HashMap<>();
    graph.inputs().forEach(v -> map.put(v, builder.input(v)));
    for (Node node : graph.nodes()) {
      List<Value> inputs = new ArrayList<>();
      node.inputs().forEach(v -> inputs.add(map.getOrDefault(v, v)));
      if (node.op() instanceof FakeQuant quant) {
        Value x = inputs.get(0);
        map.put(node.output(), x);
        if (!node.input(0).isPersistent()) {
          Node range =
              observed.computeIfAbsent(
                  x, v -> builder.node(node.name() + ".range", new MinMax(), v));
          update(builder, quant, range.output(0), range.output(1));
        }
        continue;
      }
      Node made = builder.node(node.name(), node.op(), inputs);
      for (int i = 0; i < node.outputs().size(); i++) {
        map.put(node.output(i), made.output(i));
      }
    }
    return builder.build(graph.outputs().stream().map(v -> map.getOrDefault(v, v)).toList());
  }

  /** Adds the node that moves a quantizer's range by one batch. */
  static void update(GraphBuilder builder, FakeQuant quant, Value batchMin, Value batchMax) {
    QuantizerState state = QuantizerState.in(builder, quant.quantizer());
    builder.node(
        quant.quantizer() + ".update",
        new UpdateQParams(quant.spec()),
        batchMin,
        batchMax,
        state.rangeMin(),
        state.rangeMax(),
        state.count(),
        state.scale(),
        state.zeroPoint());
  }
}
