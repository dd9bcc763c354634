package org.quantrain.backend;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.quantrain.graph.Graph;
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
    return run(backend, op, inputs, inputs.size());
  }

  /** All outputs, with all inputs but the first constant. */
  static List<HostTensor> runFrozen(Backend backend, Op op, List<HostTensor> inputs) {
    return run(backend, op, inputs, 1);
  }

  private static List<HostTensor> run(
      Backend backend, Op op, List<HostTensor> inputs, int changing) {
    GraphBuilder builder = new GraphBuilder();
    List<Value> in = new ArrayList<>();
    Map<String, HostTensor> contents = new HashMap<>();
    for (HostTensor tensor : inputs) {
      String name = "in" + in.size();
      contents.put(name, tensor);
      in.add(
          in.size() < changing
              ? builder.input(name, tensor.spec())
              : builder.state(name, tensor.spec()));
    }
    Node node = builder.node("node", op, in);
    Graph graph = builder.build(node.outputs());
    PlanOptions options = PlanOptions.defaults();
    options = changing < inputs.size() ? options.asFrozen() : options;
    try (ParameterStore store = new ParameterStore(backend, graph.persistent(), contents);
        Plan plan = PlanCompiler.compile(graph, 1, backend, store, options)) {
      for (int i = 0; i < changing; i++) {
        plan.input(in.get(i)).put(0, inputs.get(i).bytes());
      }
      plan.run();
      return node.outputs().stream().map(plan::read).toList();
    }
  }
}
