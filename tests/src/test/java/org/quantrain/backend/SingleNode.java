package org.quantrain.backend;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.plan.Plan;
import org.quantrain.plan.PlanCompiler;
import org.quantrain.plan.PlanOptions;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.ParameterStore;
import org.quantrain.tensor.HostTensor;

/** Runs one operation on given inputs. */
final class SingleNode {
  private SingleNode() {}

  /** All outputs. */
  static List<HostTensor> run(Backend backend, Op op, List<HostTensor> inputs) {
    GraphBuilder builder = new GraphBuilder();
    List<Value> in = new ArrayList<>();
    for (HostTensor tensor : inputs) {
      in.add(builder.input("in" + in.size(), tensor.spec()));
    }
    Node node = builder.node("node", op, in);
    try (ParameterStore store = new ParameterStore(backend, List.of(), Map.of());
        Plan plan =
            PlanCompiler.compile(
                builder.build(node.outputs()), 1, backend, store, PlanOptions.defaults())) {
      for (int i = 0; i < in.size(); i++) {
        plan.input(in.get(i)).put(0, inputs.get(i).bytes());
      }
      plan.run();
      return node.outputs().stream().map(plan::read).toList();
    }
  }
}
