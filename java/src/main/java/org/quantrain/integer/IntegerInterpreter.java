package org.quantrain.integer;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.op.Lowering;
import org.quantrain.plan.Plan;
import org.quantrain.plan.PlanCompiler;
import org.quantrain.plan.PlanOptions;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.ParameterStore;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.TensorSpec;

/**
 * Executes a quantized file, by one of two roads to the same codes. The reference road is plain
 * integer loops, the definition that everything else is compared with. The fast road runs the same
 * graph with the backend's integer products; that it gives the codes of the reference is tested on
 * every network of the zoo and on random ones, and {@link SampledInterpreter} tests it on the file
 * and the machine at hand.
 */
public final class IntegerInterpreter implements CodesSource {
  /** Of the caches that cores share; much of one, and little enough for most. */
  private static final long CACHE_BYTES = 4 << 20;

  private final String description;
  private final ParameterStore store;
  private final Executed whole;

  /** Cut behind float islands; the whole where there are none. */
  private final Executed segments;

  /**
   * The reference road.
   *
   * @param backend is not closed
   * @param batch images at a time
   */
  public IntegerInterpreter(Backend backend, IntegerModel model, int batch) {
    this("IntegerInterpreter", backend, model, Lowering.REFERENCE, false, batch);
  }

  /** The fast road. */
  public static IntegerInterpreter fast(Backend backend, IntegerModel model, int batch) {
    return fast(backend, model, false, batch);
  }

  /** The fast road to the logits alone: what it gives has no codes. */
  public static IntegerInterpreter forLogits(Backend backend, IntegerModel model, int batch) {
    return fast(backend, model, true, batch);
  }

  private static IntegerInterpreter fast(
      Backend backend, IntegerModel model, boolean logitsOnly, int batch) {
    String description = "IntegerInterpreter (fast road)";
    return new IntegerInterpreter(
        description, backend, model, Lowering.INTEGER, logitsOnly, batch);
  }

  private IntegerInterpreter(
      String description,
      Backend backend,
      IntegerModel model,
      Lowering lowering,
      boolean logitsOnly,
      int batch) {
    this.description = description;
    Graph graph = model.toGraph(lowering);
    if (logitsOnly) {
      List<Value> all = graph.outputs();
      graph = new Graph(graph.inputs(), graph.nodes(), all.subList(all.size() - 1, all.size()));
    }
    store = new ParameterStore(backend, graph.persistent(), model.contents());
    try {
      whole = Executed.of(graph, batch, backend, store);
      segments =
          logitsOnly || model.islands().isEmpty()
              ? whole
              : Executed.of(model.toSegments(lowering), batch, backend, store);
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

  /** A graph of {@link IntegerModel} in execution, slice by slice of the batch. */
  private record Executed(Graph graph, Plan plan, int batch) {
    static Executed of(Graph graph, int batch, Backend backend, ParameterStore store) {
      PlanOptions options = PlanOptions.defaults().asFrozen();
      int slice = slice(graph, batch);
      return new Executed(
          graph, PlanCompiler.compile(graph, slice, backend, store, options), batch);
    }

    /**
     * Images that are executed together: those whose largest values stay in the processor's caches
     * between one node and the next. Divides the batch.
     */
    private static int slice(Graph graph, int batch) {
      long most = 1;
      for (Node node : graph.nodes()) {
        long bytes = 0;
        for (Value v : List.of(node.input(0), node.output(0))) {
          bytes += v.spec().shape().hasBatch() ? v.spec().withBatch(1).bytes() : 0;
        }
        most = Math.max(most, bytes);
      }
      int images = (int) Math.max(1, Math.min(batch, CACHE_BYTES / most));
      while (batch % images != 0) {
        images--;
      }
      return images;
    }

    CodesBatch run(List<HostTensor> inputs, Map<String, HostTensor> islands) {
      List<ByteBuffer> sources = new ArrayList<>();
      for (int i = 0; i < graph.inputs().size(); i++) {
        Value input = graph.inputs().get(i);
        boolean own = i < inputs.size();
        HostTensor contents =
            own ? inputs.get(i) : islands.get(IntegerModel.island(input.name()));
        TensorSpec expected = input.spec().withBatch(batch);
        if (contents == null || !contents.spec().equals(expected)) {
          String got = contents == null ? "nothing" : contents.spec().toString();
          throw new IllegalArgumentException(
              input.name() + ": expected " + expected + ", got " + got);
        }
        sources.add(contents.buffer());
      }
      Map<Value, HostTensor> found = new LinkedHashMap<>();
      graph.outputs().forEach(v -> found.put(v, HostTensor.zeros(v.spec().withBatch(batch))));
      Map<Value, ByteBuffer> targets = new LinkedHashMap<>();
      found.forEach((value, tensor) -> targets.put(value, tensor.buffer()));
      for (int done = 0; done < batch; done += plan.batch()) {
        for (int i = 0; i < sources.size(); i++) {
          ByteBuffer source = sources.get(i);
          ByteBuffer slice = plan.input(graph.inputs().get(i)).clear();
          slice.put(source.slice(source.position(), slice.capacity()));
          source.position(source.position() + slice.capacity());
        }
        plan.run();
        targets.forEach(plan::readInto);
      }
      HostTensor logits = found.remove(graph.outputs().get(graph.outputs().size() - 1));
      Map<String, HostTensor> codes = new LinkedHashMap<>();
      found.forEach((value, tensor) -> codes.put(value.name(), tensor));
      return new CodesBatch(codes, logits);
    }
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
