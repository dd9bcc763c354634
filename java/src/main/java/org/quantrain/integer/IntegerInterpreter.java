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
  private final Plan plan;
  private final Value input;
  private final int batch;

  /** Codes, and the logits behind them. */
  private final List<Value> outputs;

  private final List<Sums> sums = new ArrayList<>();
  private final Map<String, Long> largestSums = new HashMap<>();

  /** Smallest and largest sum of a layer's products in a run, by output channel. */
  private record Sums(String name, Value min, Value max, int[] bias) {}

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
      String description, Backend backend, IntegerModel model, Graph plain, int batch) {
    this.description = description;
    this.batch = batch;
    outputs = plain.outputs();
    input = plain.inputs().get(0);
    boolean logitsAlone = outputs.size() == 1;
    Graph graph = logitsAlone ? plain : withSums(plain, model);
    store = new ParameterStore(backend, graph.persistent(), model.contents());
    try {
      List<Value> ends = sums.stream().flatMap(s -> Stream.of(s.min, s.max)).toList();
      PlanOptions options = PlanOptions.defaults().keep(ends).asFrozen();
      plan = PlanCompiler.compile(graph, slice(graph, batch), backend, store, options);
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
    if (!images.spec().equals(input.spec().withBatch(batch))) {
      throw new IllegalArgumentException(
          "images: expected " + input.spec().withBatch(batch) + ", got " + images.spec());
    }
    Map<Value, HostTensor> found = new LinkedHashMap<>();
    outputs.forEach(v -> found.put(v, HostTensor.zeros(v.spec().withBatch(batch))));
    ByteBuffer pixels = images.buffer();
    Map<Value, ByteBuffer> targets = new LinkedHashMap<>();
    found.forEach((value, tensor) -> targets.put(value, tensor.buffer()));
    while (pixels.hasRemaining()) {
      ByteBuffer slice = plan.input(input).clear();
      slice.put(pixels.slice(pixels.position(), slice.capacity()));
      pixels.position(pixels.position() + slice.capacity());
      plan.run();
      targets.forEach(plan::readInto);
      sums.forEach(this::note);
    }
    HostTensor logits = found.remove(outputs.get(outputs.size() - 1));
    Map<String, HostTensor> codes = new LinkedHashMap<>();
    found.forEach((value, tensor) -> codes.put(value.name(), tensor));
    return new CodesBatch(codes, logits);
  }

  /** The graph with the ends of every layer's sums. */
  private Graph withSums(Graph graph, IntegerModel model) {
    Map<String, IntegerWeights> weights = new HashMap<>();
    model.weights().forEach(w -> weights.put(w.name() + "/codes", w));
    List<Node> nodes = new ArrayList<>();
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
    return new Graph(graph.inputs(), nodes, graph.outputs());
  }

  /** Name of the tensor that a product becomes. */
  private static String layer(Node product) {
    String name = product.name();
    return name.substring(0, name.length() - IntegerModel.SUM.length());
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

  @Override
  public Map<String, Long> largestSums() {
    return Map.copyOf(largestSums);
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

  @Override
  public void close() {
    plan.close();
    store.close();
  }
}
