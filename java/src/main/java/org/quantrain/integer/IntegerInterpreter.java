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
import org.quantrain.tensor.TensorSpec;

/** Executes a quantized file by the plain integer loops that everything else is compared with. */
public final class IntegerInterpreter implements CodesSource {
  private final ParameterStore store;
  private final Executed whole;

  /** Cut behind float islands; the whole where there are none. */
  private final Executed segments;

  /** A graph of {@link IntegerModel} in execution. */
  private record Executed(Graph graph, Plan plan) {
    CodesBatch run(List<HostTensor> inputs, Map<String, HostTensor> islands) {
      for (int i = 0; i < inputs.size(); i++) {
        put(graph.inputs().get(i), inputs.get(i));
      }
      graph.inputs().stream()
          .skip(inputs.size())
          .forEach(v -> put(v, islands.get(IntegerModel.island(v.name()))));
      plan.run();
      Map<String, HostTensor> found = new LinkedHashMap<>();
      List<Value> outputs = graph.outputs();
      for (Value value : outputs.subList(0, outputs.size() - 1)) {
        found.put(value.name(), plan.read(value));
      }
      return new CodesBatch(found, plan.read(outputs.get(outputs.size() - 1)));
    }

    private void put(Value input, HostTensor contents) {
      TensorSpec expected = input.spec().withBatch(plan.batch());
      if (contents == null || !contents.spec().equals(expected)) {
        String got = contents == null ? "nothing" : contents.spec().toString();
        throw new IllegalArgumentException(
            input.name() + ": expected " + expected + ", got " + got);
      }
      plan.input(input).clear().put(contents.buffer());
    }
  }

  /**
   * @param backend is not closed
   * @param batch images at a time
   */
  public IntegerInterpreter(Backend backend, IntegerModel model, int batch) {
    store = new ParameterStore(backend, model.toGraph().persistent(), model.contents());
    try {
      whole = compile(model.toGraph(), batch, backend);
      segments = model.islands().isEmpty() ? whole : compile(model.toSegments(), batch, backend);
    } catch (RuntimeException e) {
      store.close();
      throw e;
    }
  }

  private Executed compile(Graph graph, int batch, Backend backend) {
    return new Executed(
        graph, PlanCompiler.compile(graph, batch, backend, store, PlanOptions.defaults()));
  }

  @Override
  public String description() {
    return "IntegerInterpreter";
  }

  @Override
  public CodesBatch run(HostTensor images) {
    return run(List.of(images));
  }

  @Override
  public CodesBatch run(List<HostTensor> inputs) {
    return whole.run(inputs, Map.of());
  }

  @Override
  public CodesBatch run(List<HostTensor> inputs, Map<String, HostTensor> islands) {
    return segments.run(inputs, islands);
  }

  @Override
  public void close() {
    if (segments != whole) {
      segments.plan().close();
    }
    whole.plan().close();
    store.close();
  }
}
