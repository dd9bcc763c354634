package org.quantrain.integer;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.op.AccStats;
import org.quantrain.op.ConvCodes;
import org.quantrain.op.LinearCodes;
import org.quantrain.op.Lowering;
import org.quantrain.pass.FuseRequantize;
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

  private final Map<String, Long> largestSums = new HashMap<>();

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
    store = new ParameterStore(backend, graph.persistent(), model.contents());
    try {
      if (logitsOnly) {
        List<Value> all = graph.outputs();
        List<Value> last = all.subList(all.size() - 1, all.size());
        Graph alone = new Graph(graph.inputs(), graph.nodes(), last);
        whole = execute(backend, FuseRequantize.apply(alone, backend::prefers), List.of(), batch);
        segments = whole;
      } else {
        whole = executeWithSums(backend, model, graph, batch);
        segments =
            model.islands().isEmpty()
                ? whole
                : executeWithSums(backend, model, model.toSegments(lowering), batch);
      }
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

  @Override
  public Map<String, Long> largestSums() {
    return Map.copyOf(largestSums);
  }

  /** Smallest and largest sum of a layer's products in a run, by output channel. */
  private record Sums(String name, Value min, Value max, int[] bias) {}

  /** Executes the graph with the ends of every layer's sums. */
  private Executed executeWithSums(
      Backend backend, IntegerModel model, Graph graph, int batch) {
    Map<String, IntegerWeights> weights = new HashMap<>();
    model.weights().forEach(w -> weights.put(w.name() + "/codes", w));
    List<Node> nodes = new ArrayList<>();
    List<Sums> sums = new ArrayList<>();
    for (Node node : graph.nodes()) {
      nodes.add(node);
      if (node.op() instanceof ConvCodes || node.op() instanceof LinearCodes) {
        AccStats op = new AccStats();
        List<TensorSpec> specs = op.infer(List.of(node.output().spec()));
        List<Value> ends = new ArrayList<>();
        for (String end : List.of("sum", "squares", "min", "max")) {
          String name = node.name() + "/" + end;
          ends.add(new Value(name, specs.get(ends.size()), Value.Role.COMPUTED));
        }
        nodes.add(new Node(node.name() + "/ends", op, node.outputs(), ends));
        int[] bias = weights.get(node.input(3).name()).bias().ints();
        sums.add(new Sums(layer(node), ends.get(2), ends.get(3), bias));
      }
    }
    return execute(backend, new Graph(graph.inputs(), nodes, graph.outputs()), sums, batch);
  }

  private Executed execute(Backend backend, Graph graph, List<Sums> sums, int batch) {
    List<Value> ends = sums.stream().flatMap(s -> Stream.of(s.min, s.max)).toList();
    PlanOptions options = PlanOptions.defaults().keep(ends).asFrozen();
    Plan plan = PlanCompiler.compile(graph, slice(graph, batch), backend, store, options);
    return new Executed(graph, plan, sums, batch);
  }

  /** Name of the tensor that a product becomes. */
  private static String layer(Node product) {
    String name = product.name();
    return name.substring(0, name.length() - IntegerModel.SUM.length());
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

  /** A graph of {@link IntegerModel} in execution, slice by slice of the batch. */
  private final class Executed {
    private final Graph graph;
    private final Plan plan;
    private final List<Sums> sums;
    private final int batch;

    Executed(Graph graph, Plan plan, List<Sums> sums, int batch) {
      this.graph = graph;
      this.plan = plan;
      this.sums = sums;
      this.batch = batch;
    }

    private void note(Sums layer) {
      int[] min = plan.read(layer.min).ints();
      int[] max = plan.read(layer.max).ints();
      long largest = largestSums.getOrDefault(layer.name, 0L);
      for (int k = 0; k < layer.bias.length; k++) {
        for (long sum : new long[] {min[k], max[k]}) {
          largest = Math.max(largest, Math.max(Math.abs(sum), Math.abs(sum + layer.bias[k])));
        }
      }
      largestSums.put(layer.name, largest);
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
        sums.forEach(this::note);
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
      segments.plan.close();
    }
    whole.plan.close();
    store.close();
  }
}
