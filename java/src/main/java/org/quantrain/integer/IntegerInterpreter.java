package org.quantrain.integer;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Value;
import org.quantrain.op.Lowering;
import org.quantrain.plan.Plan;
import org.quantrain.plan.PlanCompiler;
import org.quantrain.plan.PlanOptions;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.ParameterStore;
import org.quantrain.tensor.HostTensor;

/**
 * Executes a quantized file, by one of two roads to the same codes. The reference road is plain
 * integer loops, the definition that everything else is compared with. The fast road runs the same
 * graph with the backend's integer products; that it gives the codes of the reference is tested on
 * every network of the zoo and on random ones, and {@link SampledInterpreter} tests it on the file
 * and the machine at hand.
 */
public final class IntegerInterpreter implements CodesSource {
  private final String description;
  private final ParameterStore store;
  private final Plan plan;
  private final Value input;
  private final List<Value> codes;
  private final Value logits;

  /**
   * The reference road.
   *
   * @param backend is not closed
   * @param batch images at a time
   */
  public IntegerInterpreter(Backend backend, IntegerModel model, int batch) {
    this("IntegerInterpreter", backend, model, model.toGraph(), batch);
  }

  /** The fast road. */
  public static IntegerInterpreter fast(Backend backend, IntegerModel model, int batch) {
    Graph graph = model.toGraph(Lowering.INTEGER);
    return new IntegerInterpreter("IntegerInterpreter (fast road)", backend, model, graph, batch);
  }

  /** The fast road to the logits alone: what it gives has no codes. */
  public static IntegerInterpreter forLogits(Backend backend, IntegerModel model, int batch) {
    Graph all = model.toGraph(Lowering.INTEGER);
    List<Value> logits = all.outputs().subList(all.outputs().size() - 1, all.outputs().size());
    Graph graph = new Graph(all.inputs(), all.nodes(), logits);
    return new IntegerInterpreter("IntegerInterpreter (fast road)", backend, model, graph, batch);
  }

  private IntegerInterpreter(
      String description, Backend backend, IntegerModel model, Graph graph, int batch) {
    this.description = description;
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
    return description;
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
