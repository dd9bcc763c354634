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
import org.quantrain.op.MseRange;
import org.quantrain.op.UpdateQParams;
import org.quantrain.quant.QuantizerState;

/**
 * Float execution of a graph with quantizers: observed activation quantizers only observe, the
 * others do nothing but, when calibrating, find where learned values start.
 */
public final class ObserveRanges {
  private ObserveRanges() {}

  public static Graph apply(Graph graph) {
    return apply(graph, false);
  }

  /** With the ranges of least squared error of learned quantizers, of weights too. */
  public static Graph calibrating(Graph graph) {
    return apply(graph, true);
  }

  private static Graph apply(Graph graph, boolean calibrating) {
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
        if (quant.rule().isLearned()) {
          if (calibrating) {
            Node range = builder.node(node.name() + ".range", new MseRange(quant.spec()), x);
            update(builder, quant, range.output(0), range.output(1));
          }
        } else if (!node.input(0).isPersistent()) {
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
    int scales = batchMin.spec().shape().dim(0);
    QuantizerState state = QuantizerState.in(builder, quant.quantizer(), scales);
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
