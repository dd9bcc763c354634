package org.quantrain.integer;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Value;
import org.quantrain.plan.Plan;
import org.quantrain.plan.PlanCompiler;
import org.quantrain.plan.PlanOptions;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.ParameterStore;
import org.quantrain.tensor.HostTensor;

/** Executes a quantized file by the plain integer loops that everything else is compared with. */
public final class IntegerInterpreter implements CodesSource {
  private final ParameterStore store;
  private final Plan plan;
  private final Value input;
  private final List<Value> codes;
  private final Value logits;

  /**
   * @param backend is not closed
   * @param batch images at a time
   */
  public IntegerInterpreter(Backend backend, IntegerModel model, int batch) {
    Graph graph = model.toGraph();
    List<Value> outputs = graph.outputs();
    input = graph.inputs().get(0);
    codes = outputs.subList(0, outputs.size() - 1);
    logits = outputs.get(outputs.size() - 1);
    store = new ParameterStore(backend, graph.persistent(), model.contents());
    try {
      plan = PlanCompiler.compile(graph, batch, backend, store, PlanOptions.defaults());
    } catch (RuntimeException e) {
      store.close();
      throw e;
    }
  }

  @Override
  public String description() {
    return "IntegerInterpreter";
  }

  @Override
  public CodesBatch run(HostTensor images) {
    if (!images.spec().equals(input.spec().withBatch(plan.batch()))) {
      throw new IllegalArgumentException(
          "images: expected " + input.spec().withBatch(plan.batch()) + ", got " + images.spec());
    }
    plan.input(input).clear().put(images.buffer());
    plan.run();
    Map<String, HostTensor> found = new LinkedHashMap<>();
    for (Value value : codes) {
      found.put(value.name(), plan.read(value));
    }
    return new CodesBatch(found, plan.read(logits));
  }

  @Override
  public void close() {
    plan.close();
    store.close();
  }
}
