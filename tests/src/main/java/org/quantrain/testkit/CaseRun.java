package org.quantrain.testkit;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Value;
import org.quantrain.plan.MemoryPlanner;
import org.quantrain.plan.Plan;
import org.quantrain.plan.PlanCompiler;
import org.quantrain.plan.PlanOptions;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.ParameterStore;
import org.quantrain.runtime.StepScalars;
import org.quantrain.tensor.HostTensor;

/** An example compiled for a backend. */
public final class CaseRun implements AutoCloseable {
  /** Weight of the new batch in moving ranges; not a power of two, so that its rounding shows. */
  public static final float OBSERVER_MOMENTUM = 0.3f;

  private final Example example;
  private final Graph graph;
  private final ParameterStore store;
  private final Plan plan;

  public CaseRun(Example example, Backend backend, MemoryPlanner planner, boolean optional) {
    this.example = example;
    graph = example.graph(optional);
    Map<String, HostTensor> state = new HashMap<>();
    for (int i : example.op().updates()) {
      state.put("in" + i, example.inputs().get(i));
    }
    store = new ParameterStore(backend, graph.persistent(), state);
    store.scalars().set(StepScalars.Slot.OBSERVER_MOMENTUM, OBSERVER_MOMENTUM);
    plan = PlanCompiler.compile(graph, 1, backend, store, PlanOptions.defaults().with(planner));
    for (Value v : graph.inputs()) {
      plan.input(v).put(0, input(v).bytes());
    }
  }

  private HostTensor input(Value v) {
    return example.inputs().get(Integer.parseInt(v.name().substring(2)));
  }

  /** Runs the operation once on the state as it is. */
  public void run() {
    plan.run();
  }

  /** Puts the state back to what it was before the first run. */
  public void resetState() {
    for (int i : example.op().updates()) {
      store.set("in" + i, example.inputs().get(i));
    }
  }

  /** Outputs of the graph in order. */
  public List<HostTensor> outputs() {
    return graph.outputs().stream().map(plan::read).toList();
  }

  /** State that the operation updates, by the index of the input. */
  public Map<Integer, HostTensor> state() {
    Map<Integer, HostTensor> found = new HashMap<>();
    example.op().updates().forEach(i -> found.put(i, store.get("in" + i)));
    return found;
  }

  /** Inputs that the run changed although the operation does not update them. */
  public List<String> changedInputs() {
    List<String> found = new ArrayList<>();
    for (Value v : graph.inputs()) {
      Expected.compareBits("input " + v.name(), input(v), plan.read(v), found);
    }
    return found;
  }

  @Override
  public void close() {
    plan.close();
    store.close();
  }
}
