package org.quantrain.plan;

import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.runtime.Arena;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.Feed;
import org.quantrain.runtime.Fetch;
import org.quantrain.runtime.HostView;
import org.quantrain.runtime.Kernel;
import org.quantrain.runtime.Memory;
import org.quantrain.runtime.ParameterStore;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.TensorSpec;

/**
 * A graph ready to run: fixed addresses, prepared kernels. Made by {@link PlanCompiler}; used by
 * the thread that opened the backend. Several plans may share one parameter store.
 */
public final class Plan implements AutoCloseable {
  /** What the host fills, and whether it did since the last run. */
  private static final class Input {
    private final Feed feed;
    private boolean filled;

    Input(Feed feed) {
      this.feed = feed;
    }
  }

  private final Graph graph;
  private final int batch;
  private final Backend backend;
  private final ParameterStore store;
  private final Map<Value, Place> places;
  private final Map<Value, Input> inputs = new LinkedHashMap<>();
  private final Map<Value, HostView> views = new HashMap<>();
  private final Kernel[] kernels;
  private final Kernel[] everyRun;
  private final Kernel[] copies;
  private final List<Bucket> buckets;
  private final Kernel whole;
  private final Input[] fed;
  private final List<Memory> memories;
  private final PlanMemory memory;
  private boolean closed;

  Plan(
      Graph graph,
      int batch,
      Backend backend,
      ParameterStore store,
      Map<Value, Place> places,
      Map<Value, Value> gradients,
      List<Kernel> kernels,
      List<Kernel> everyRun,
      List<Bucket> buckets,
      List<Memory> memories,
      PlanMemory memory) {
    this.graph = graph;
    this.batch = batch;
    this.backend = backend;
    this.store = store;
    this.places = places;
    this.kernels = kernels.toArray(Kernel[]::new);
    this.everyRun = everyRun.toArray(Kernel[]::new);
    this.buckets = List.copyOf(buckets);
    this.memories = List.copyOf(memories);
    this.memory = memory;
    this.copies = copies(gradients).toArray(Kernel[]::new);
    this.whole = backend.sequence(inOrder());
    try {
      for (Value v : graph.inputs()) {
        Place place = places.get(v);
        inputs.put(v, new Input(place.memory().feed(place.offset(), spec(v).bytes())));
      }
    } catch (RuntimeException e) {
      inputs.values().forEach(input -> input.feed.close());
      throw e;
    }
    this.fed = inputs.values().toArray(Input[]::new);
  }

  private List<Kernel> inOrder() {
    List<Kernel> all = new ArrayList<>();
    int next = 0;
    for (int i = 0; i < kernels.length; i++) {
      if (next < everyRun.length && everyRun[next] == kernels[i]) {
        all.add(everyRun[next++]);
      }
      beginning(i).forEach(bucket -> all.add(bucket.mean().begin()));
    }
    all.addAll(List.of(copies));
    beginning(kernels.length).forEach(bucket -> all.add(bucket.mean().begin()));
    buckets.forEach(bucket -> all.add(bucket.mean().await()));
    return all;
  }

  /** Buckets whose reduction begins behind a node. */
  private List<Bucket> beginning(int node) {
    return buckets.stream().filter(bucket -> bucket.after() == node).toList();
  }

  /**
   * What a run leaves that no node writes: a gradient that stands for several parameters is
   * computed once and copied to the others, that of a parameter which the loss does not depend on
   * is zero.
   */
  private List<Kernel> copies(Map<Value, Value> gradients) {
    List<Kernel> found = new ArrayList<>();
    gradients.forEach(
        (param, gradient) -> {
          Place from = places.get(gradient);
          Place to = Place.ofGradient(store, param);
          if (!from.equals(to)) {
            long bytes = param.spec().bytes();
            found.add(to.memory().copying(to.offset(), from.memory(), from.offset(), bytes));
          }
        });
    if (!gradients.isEmpty()) {
      for (Value param : store.params()) {
        if (!hasName(gradients, param)) {
          Place to = Place.ofGradient(store, param);
          found.add(to.memory().zeroing(to.offset(), param.spec().bytes()));
        }
      }
    }
    return found;
  }

  private static boolean hasName(Map<Value, Value> gradients, Value param) {
    return gradients.keySet().stream().anyMatch(v -> v.name().equals(param.name()));
  }

  private TensorSpec spec(Value value) {
    return value.spec().withBatch(batch);
  }

  public Graph graph() {
    return graph;
  }

  /** Samples per run. */
  public int batch() {
    return batch;
  }

  /**
   * Where to put an input before {@link #run}: a direct buffer in native byte order, rank 4
   * channels-last, to be asked for each time it is filled, and then whole. What was put there serves
   * every run until it is replaced.
   *
   * @throws IllegalArgumentException if the value is no input of the graph
   */
  public ByteBuffer input(Value value) {
    Input input = inputs.get(value);
    if (input == null) {
      throw new IllegalArgumentException(value + " is no input of this plan");
    }
    input.filled = true;
    return input.feed.next();
  }

  /** {@link #input(Value)} by name. */
  public ByteBuffer input(String name) {
    return input(
        graph.inputs().stream()
            .filter(v -> v.name().equals(name))
            .findFirst()
            .orElseThrow(() -> new IllegalArgumentException(name + " is no input of this plan")));
  }

  /**
   * Runs all nodes, but in a {@linkplain PlanOptions#frozen frozen} plan those that give the same
   * every time. Allocates nothing.
   *
   * @throws org.quantrain.runtime.QuantrainException if a kernel refuses
   */
  public void run() {
    handOver();
    whole.run();
  }

  /** What {@link #run} runs, for a sequence with other kernels; {@link #handOver} comes before. */
  public Kernel kernel() {
    return whole;
  }

  /** Brings the inputs that were filled to where the nodes read them. */
  public void handOver() {
    if (closed) {
      throw new IllegalStateException("the plan is closed");
    }
    backend.enter();
    for (Input input : fed) {
      if (input.filled) {
        input.filled = false;
        input.feed.push();
      }
    }
  }

  /**
   * As {@link #run}, and says what each node of the {@linkplain #graph() graph} took; 0 for those
   * that do not run. Gradients are reduced behind the last node.
   *
   * @param nanoseconds as many as there are nodes
   */
  public void runTimed(long[] nanoseconds) {
    Arrays.fill(nanoseconds, 0);
    handOver();
    int next = 0;
    for (Kernel kernel : everyRun) {
      while (kernels[next] != kernel) {
        next++;
      }
      long start = System.nanoTime();
      kernel.run();
      backend.finish();
      nanoseconds[next] = System.nanoTime() - start;
    }
    for (Kernel copy : copies) {
      copy.run();
    }
    buckets.forEach(bucket -> bucket.mean().begin().run());
    buckets.forEach(bucket -> bucket.mean().await().run());
  }

  /**
   * True for inputs, outputs, kept values, gradients, parameters and state: what is there after a
   * run.
   */
  public boolean isReadable(Value value) {
    Place place = places.get(value);
    return place != null && place.stays();
  }

  /**
   * Copy of a value as the last run left it.
   *
   * @throws IllegalArgumentException if it is not {@linkplain #isReadable readable}
   */
  public HostTensor read(Value value) {
    HostTensor out = HostTensor.zeros(spec(value));
    out.buffer().put(view(value));
    return out;
  }

  /**
   * Copies a value to the position of {@code target}, which advances.
   *
   * @throws IllegalArgumentException if the value is not readable
   * @throws java.nio.BufferOverflowException if it does not fit
   */
  public void readInto(Value value, ByteBuffer target) {
    target.put(view(value));
  }

  /** First element of a float32 value: the loss. */
  public float readFloat(Value value) {
    return view(value).getFloat(0);
  }

  /** First element of an int32 value: a count. */
  public int readInt(Value value) {
    return view(value).getInt(0);
  }

  /**
   * The road on which the host reads a value after run after run; closed before the plan.
   *
   * @throws IllegalArgumentException if the value is not readable
   */
  public Fetch fetch(Value value) {
    requireReadable(value);
    Place place = places.get(value);
    return place.memory().fetch(place.offset(), spec(value).bytes());
  }

  private void requireReadable(Value value) {
    if (closed) {
      throw new IllegalStateException("the plan is closed");
    }
    if (!isReadable(value)) {
      throw new IllegalArgumentException(
          value + " is not there after a run: keep it by PlanOptions.keep");
    }
  }

  private ByteBuffer view(Value value) {
    requireReadable(value);
    HostView view = views.get(value);
    if (view == null) {
      view = places.get(value).host(spec(value).bytes());
      views.put(value, view);
    }
    view.pull();
    return view.buffer().rewind();
  }

  /** Calls of native code in a {@link #run}. */
  public int nativeCalls() {
    return Arrays.stream(everyRun).mapToInt(Kernel::nativeCalls).sum()
        + buckets.stream().mapToInt(Bucket::nativeCalls).sum();
  }

  public PlanMemory memory() {
    return memory;
  }

  /** What runs, how, and where its values are: one line per node, then the memory. */
  public String explain() {
    StringBuilder text = new StringBuilder();
    text.append("batch ").append(batch).append(" on ").append(backend.description()).append('\n');
    for (int i = 0; i < kernels.length; i++) {
      Node node = graph.nodes().get(i);
      text.append(
          String.format(
              Locale.ROOT,
              "%4d  %-24s %-32s %s -> %s",
              i,
              node.op().kind(),
              node.name(),
              describe(node.inputs()),
              describe(node.outputs())));
      String lowering = kernels[i].lowering();
      text.append(lowering.isEmpty() ? "" : "  by " + lowering);
      int calls = kernels[i].nativeCalls();
      text.append(calls == 1 ? "" : "  in " + calls + " native calls");
      text.append(memory(node, kernels[i])).append('\n');
      explainReductions(text, i);
    }
    explainReductions(text, kernels.length);
    for (Arena arena : List.of(Arena.PARAMS, Arena.GRADS, Arena.OPTIMIZER, Arena.STATE)) {
      line(text, arena, store.memory(arena).bytes(), "");
    }
    line(
        text,
        Arena.ACTS,
        memory.acts(),
        String.format(Locale.ROOT, ", %,d if every value had its own", memory.naiveActs()));
    line(text, Arena.WORKSPACE, memory.workspace(), "");
    text.append(nativeCalls()).append(" native calls in a run\n");
    return text.toString();
  }

  private void explainReductions(StringBuilder text, int node) {
    for (Bucket bucket : beginning(node)) {
      text.append(
          String.format(
              Locale.ROOT,
              "      mean over %d processes of bucket %d of %d: %d gradients, %,d bytes,"
                  + " beside %d nodes%n",
              backend.collective().size(),
              buckets.indexOf(bucket) + 1,
              buckets.size(),
              bucket.gradients(),
              bucket.bytes(),
              Math.max(0, kernels.length - 1 - node)));
    }
  }

  /** What a node adds to the plan's memory as long as its results are needed, and while it runs. */
  private String memory(Node node, Kernel kernel) {
    long results = 0;
    for (int i = 0; i < node.outputs().size(); i++) {
      Place place = places.get(node.output(i));
      boolean own = place != null && node.op().aliasOf(i) < 0;
      results += own && memories.contains(place.memory()) ? spec(node.output(i)).bytes() : 0;
    }
    long work = kernel.workspaceBytes();
    return (results == 0 ? "" : String.format(Locale.ROOT, "  %,d bytes", results))
        + (work == 0 ? "" : String.format(Locale.ROOT, "  %,d bytes of workspace", work));
  }

  private static void line(StringBuilder text, Arena arena, long bytes, String more) {
    text.append(String.format(Locale.ROOT, "%-10s %,15d bytes%s%n", arena, bytes, more));
  }

  private String describe(List<Value> values) {
    return String.join(
        " ",
        values.stream().map(v -> spec(v) + (places.containsKey(v) ? "" : "(unused)")).toList());
  }

  /** Frees the plan's own memory and kernels; the parameter store stays. */
  @Override
  public void close() {
    if (!closed) {
      closed = true;
      whole.close();
      buckets.forEach(bucket -> bucket.mean().close());
      inputs.values().forEach(input -> input.feed.close());
      for (Kernel kernel : kernels) {
        kernel.close();
      }
      memories.forEach(Memory::close);
    }
  }
}
