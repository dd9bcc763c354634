package org.quantrain.plan;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.quantrain.autodiff.TrainingGraph;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.pass.EliminateDead;
import org.quantrain.runtime.Arena;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.Binding;
import org.quantrain.runtime.Kernel;
import org.quantrain.runtime.Memory;
import org.quantrain.runtime.ParameterStore;
import org.quantrain.runtime.QuantrainException;
import org.quantrain.tensor.TensorSpec;

/**
 * Compiles a graph for one batch size and backend: binds shapes, finds how long every value lives,
 * places values in memory, prepares the kernels.
 */
public final class PlanCompiler {
  private final Graph graph;
  private final Map<Value, Value> gradients;
  private final int batch;
  private final Backend backend;
  private final ParameterStore store;
  private final PlanOptions options;

  /** Values that share memory, by any of them; the value that stands for all. */
  private final Map<Value, Value> roots = new HashMap<>();

  /** Values that are the same in every run. */
  private final Set<Value> constants = new HashSet<>();

  /** Where values lie that the store holds. */
  private final Map<Value, Place> stored = new HashMap<>();

  /** Values that need memory in this plan, and how long they live. */
  private final List<Value> buffered = new ArrayList<>();

  private final List<MemoryPlanner.Buffer> buffers = new ArrayList<>();

  private PlanCompiler(
      Graph graph,
      Map<Value, Value> gradients,
      int batch,
      Backend backend,
      ParameterStore store,
      PlanOptions options) {
    this.graph = needed(graph, gradients, options);
    this.gradients = gradients;
    this.batch = batch;
    this.backend = backend;
    this.store = store;
    this.options = options;
    findAliases();
    if (options.frozen()) {
      findConstants();
    }
  }

  /** The same for another batch. */
  private PlanCompiler of(int otherBatch) {
    return new PlanCompiler(graph, gradients, otherBatch, backend, store, options);
  }

  /**
   * The graph without nodes whose results nobody asks for, such as the gradient of the network's
   * input.
   */
  private static Graph needed(Graph graph, Map<Value, Value> gradients, PlanOptions options) {
    Set<Value> known = new HashSet<>(graph.inputs());
    known.addAll(graph.persistent());
    graph.nodes().forEach(n -> known.addAll(n.outputs()));
    for (Value v : options.keep()) {
      if (!known.contains(v)) {
        throw new IllegalArgumentException("kept value " + v + " is not in the graph");
      }
    }
    Set<Value> asked = new LinkedHashSet<>(graph.outputs());
    asked.addAll(gradients.values());
    asked.addAll(options.keep());
    Graph live = EliminateDead.apply(new Graph(graph.inputs(), graph.nodes(), List.copyOf(asked)));
    return new Graph(graph.inputs(), live.nodes(), graph.outputs());
  }

  /**
   * A plan of a graph without gradients.
   *
   * @param batch what {@link org.quantrain.tensor.Shape#BATCH} becomes, at least 1
   * @throws QuantrainException listing every node that the backend cannot run and every persistent
   *     value that the store lacks
   * @throws IllegalArgumentException if a kept value is not in the graph, or the plan is to be
   *     frozen and the graph updates state
   */
  public static Plan compile(
      Graph graph, int batch, Backend backend, ParameterStore store, PlanOptions options) {
    return new PlanCompiler(graph, Map.of(), batch, backend, store, options).compile();
  }

  /**
   * A plan that also leaves the gradient of every parameter of the store in the store; zero for
   * parameters that the loss does not depend on.
   *
   * @throws QuantrainException as for a graph
   */
  public static Plan compile(
      TrainingGraph training,
      int batch,
      Backend backend,
      ParameterStore store,
      PlanOptions options) {
    return new PlanCompiler(training.graph(), training.gradients(), batch, backend, store, options)
        .compile();
  }

  private Plan compile() {
    check();
    MemoryPlanner.Layout layout = layout();
    backend.freeBytes().ifPresent(free -> requireFit(layout, free));
    long naive = MemoryPlanner.naive().place(buffers).bytes();

    List<Kernel> kernels = new ArrayList<>();
    List<Memory> memories = new ArrayList<>();
    List<Bucket> buckets = new ArrayList<>();
    try {
      Memory acts = backend.allocate(Math.max(layout.bytes(), MemoryPlanner.ALIGNMENT));
      memories.add(acts);
      Map<Value, Place> places = places(layout, acts);
      prepare(places, kernels);
      List<Kernel> everyRun = new ArrayList<>();
      for (int i = 0; i < kernels.size(); i++) {
        if (!isConstant(graph.nodes().get(i))) {
          everyRun.add(kernels.get(i));
        }
      }
      long workspace = everyRun.stream().mapToLong(Kernel::workspaceBytes).max().orElse(0);
      if (workspace > 0) {
        Memory scratch = backend.allocate(workspace);
        memories.add(scratch);
        everyRun.stream()
            .filter(k -> k.workspaceBytes() > 0)
            .forEach(k -> k.attach(scratch.address()));
      }
      everyRun.forEach(k -> k.readyConstants(backend::allocate));
      buckets.addAll(buckets(places));
      return new Plan(
          graph,
          batch,
          backend,
          store,
          resolved(places),
          gradients,
          kernels,
          everyRun,
          buckets,
          memories,
          new PlanMemory(layout.bytes(), naive, workspace, transferred()));
    } catch (RuntimeException e) {
      buckets.forEach(bucket -> bucket.mean().close());
      kernels.forEach(Kernel::close);
      memories.forEach(Memory::close);
      throw e;
    }
  }

  private void check() {
    List<String> problems = new ArrayList<>();
    if (batch < 1) {
      throw new IllegalArgumentException("batch: expected at least 1, got " + batch);
    }
    if (store.backend() != backend) {
      throw new IllegalArgumentException("the parameters are on another backend");
    }
    for (Value v : graph.persistent()) {
      if (!store.contains(v.name())) {
        problems.add(v.role() + " " + v + " is not in the parameter store");
      } else {
        try {
          store.offset(v);
        } catch (IllegalArgumentException e) {
          problems.add(e.getMessage());
        }
      }
    }
    for (Node node : graph.nodes()) {
      List<TensorSpec> in = specs(node.inputs());
      List<TensorSpec> out = specs(node.outputs());
      backend
          .unsupported(node, in, out)
          .ifPresent(reason -> problems.add(QuantrainException.describe(node, in, out, reason)));
    }
    throwIfAny(problems);
  }

  private void throwIfAny(List<String> problems) {
    if (!problems.isEmpty()) {
      throw new QuantrainException(
          problems.size()
              + (problems.size() == 1 ? " problem" : " problems")
              + " on backend "
              + backend.name()
              + ":\n  "
              + String.join("\n  ", problems));
    }
  }

  private List<TensorSpec> specs(List<Value> values) {
    return values.stream().map(v -> v.spec().withBatch(batch)).toList();
  }

  private void findAliases() {
    for (Node node : graph.nodes()) {
      for (int i = 0; i < node.outputs().size(); i++) {
        int input = node.op().aliasOf(i);
        if (input >= 0) {
          roots.put(node.output(i), root(node.input(input)));
        }
      }
    }
  }

  private void findConstants() {
    constants.addAll(graph.persistent());
    for (Node node : graph.nodes()) {
      if (!node.op().updates().isEmpty()) {
        throw new IllegalArgumentException(
            "a frozen plan cannot update state, as " + node.name() + " does");
      }
      if (isConstant(node)) {
        constants.addAll(node.outputs());
      }
    }
  }

  private boolean isConstant(Node node) {
    return options.frozen() && constants.containsAll(node.inputs());
  }

  private Value root(Value value) {
    return roots.getOrDefault(value, value);
  }

  /** How the values that need memory lie in it. */
  private MemoryPlanner.Layout layout() {
    for (Value v : graph.persistent()) {
      stored.put(v, new Place(store.memory(ParameterStore.home(v)), store.offset(v), true));
    }
    gradients.forEach(
        (param, gradient) ->
            stored.putIfAbsent(root(gradient), Place.ofGradient(store, param)));
    findLifetimes();
    return options.planner().place(buffers);
  }

  /** None where gradients are those of this process. */
  private List<Bucket> buckets(Map<Value, Place> places) {
    if (options.bucketBytes() == 0 || gradients.isEmpty()) {
      return List.of();
    }
    int end = graph.nodes().size();
    Map<String, Integer> there = new HashMap<>();
    gradients.forEach(
        (param, gradient) -> {
          boolean copied =
              !places.get(root(gradient)).equals(Place.ofGradient(store, param))
                  || gradients.values().stream().filter(v -> root(v) == root(gradient)).count() > 1;
          there.put(param.name(), copied ? end : lastUse(gradient));
        });
    return Bucket.of(store, param -> there.getOrDefault(param.name(), end), options.bucketBytes());
  }

  /** Index of the last node that writes or reads a value. */
  private int lastUse(Value value) {
    for (int i = graph.nodes().size() - 1; i >= 0; i--) {
      Node node = graph.nodes().get(i);
      if (Stream.of(node.inputs(), node.outputs())
          .flatMap(List::stream)
          .anyMatch(v -> root(v) == root(value))) {
        return i;
      }
    }
    return graph.nodes().size();
  }

  private void findLifetimes() {
    int end = graph.nodes().size();
    Set<Value> wanted = new HashSet<>(options.keep());
    wanted.addAll(graph.outputs());
    Map<Value, int[]> live = new LinkedHashMap<>();
    // Inputs stay for the whole run and beyond, so that one feeding serves several runs.
    graph.inputs().forEach(v -> live.put(v, new int[] {0, end}));
    for (int i = 0; i < end; i++) {
      int at = i;
      Node node = graph.nodes().get(at);
      for (Value v : node.inputs()) {
        live.computeIfPresent(root(v), (r, range) -> extended(range, at));
      }
      for (int k = 0; k < node.outputs().size(); k++) {
        Value v = node.output(k);
        boolean read = wanted.contains(v) || !graph.consumers(v).isEmpty();
        if (stored.containsKey(root(v)) || (node.op().isOptional(k) && !read)) {
          continue;
        }
        boolean stays = wanted.contains(v) || constants.contains(v);
        // What is computed once is there before the first node of a run.
        live.putIfAbsent(root(v), new int[] {constants.contains(v) ? 0 : at, at});
        live.computeIfPresent(root(v), (r, range) -> extended(range, stays ? end : at));
      }
    }
    live.forEach(
        (value, range) -> {
          buffered.add(value);
          long bytes = value.spec().withBatch(batch).bytes();
          buffers.add(new MemoryPlanner.Buffer(value.name(), bytes, range[0], range[1]));
        });
  }

  /** The places of all values, those of this plan in {@code acts}. */
  private Map<Value, Place> places(MemoryPlanner.Layout layout, Memory acts) {
    Map<Value, Place> places = new HashMap<>(stored);
    for (int i = 0; i < buffered.size(); i++) {
      boolean stays = buffers.get(i).last() == graph.nodes().size();
      places.put(buffered.get(i), new Place(acts, layout.offsets().get(i), stays));
    }
    return places;
  }

  /**
   * What a plan takes of a device.
   *
   * @param values with what inputs take on their way there: two buffers each
   * @param workspace 0 where values alone are few or too many
   */
  private record Need(long values, long workspace) {
    long bytes() {
      return values + workspace;
    }
  }

  /** What inputs take on their way to a device: two buffers each. */
  private long transferred() {
    return graph.inputs().stream().mapToLong(v -> 2 * v.spec().withBatch(batch).bytes()).sum();
  }

  /**
   * The workspace is known by kernels alone, which take their time to prepare: they are asked where
   * it may matter.
   */
  private Need need(MemoryPlanner.Layout layout, long free) {
    long values = layout.bytes() + transferred();
    boolean close = values > free / 2 && values <= free;
    return new Need(values, close ? workspace(layout) : 0);
  }

  /** Of kernels that are prepared for it, at addresses that they do not use. */
  private long workspace(MemoryPlanner.Layout layout) {
    Map<Value, Place> places = places(layout, store.memory(Arena.PARAMS));
    long most = 0;
    for (Node node : graph.nodes()) {
      if (!isConstant(node)) {
        try (Kernel kernel = backend.prepare(binding(node, places))) {
          most = Math.max(most, kernel.workspaceBytes());
        } catch (QuantrainException e) {
          // Told with the others when the plan is prepared.
        }
      }
    }
    return most;
  }

  /** A plan that is too large says so before anything is allocated, with the batch that is not. */
  private void requireFit(MemoryPlanner.Layout layout, long free) {
    Need need = need(layout, free);
    if (need.bytes() <= free) {
      return;
    }
    int fits = 0;
    for (int high = batch; high - fits > 1; ) {
      int middle = (fits + high) >>> 1;
      PlanCompiler smaller = of(middle);
      if (smaller.need(smaller.layout(), free).bytes() <= free) {
        fits = middle;
      } else {
        high = middle;
      }
    }
    throw new QuantrainException(
        String.format(
            Locale.ROOT,
            "out of memory: %s of a batch of %,d need %,d MB on %s, which has %,d MB left; %s",
            need.workspace() == 0 ? "values" : "values and workspace",
            batch,
            need.bytes() >> 20,
            backend.name(),
            free >> 20,
            fits == 0
                ? "not even one sample fits"
                : "a batch of "
                    + fits
                    + " would fit: take a smaller one, or run it in equal parts"
                    + " (--accumulate)"));
  }

  private static int[] extended(int[] range, int last) {
    return new int[] {range[0], Math.max(range[1], last)};
  }

  private void prepare(Map<Value, Place> places, List<Kernel> kernels) {
    List<String> problems = new ArrayList<>();
    for (Node node : graph.nodes()) {
      try {
        Kernel kernel = backend.prepare(binding(node, places));
        kernels.add(kernel);
        if (isConstant(node)) {
          runOnce(kernel);
        }
      } catch (QuantrainException e) {
        problems.add(e.getMessage());
      }
    }
    throwIfAny(problems);
  }

  private Binding binding(Node node, Map<Value, Place> places) {
    return new Binding(
        node,
        operands(node.inputs(), places),
        operands(node.outputs(), places),
        store.scalars());
  }

  /** Whoever reads the results finds them when it is prepared. */
  private void runOnce(Kernel kernel) {
    try (Memory workspace = backend.allocate(Math.max(kernel.workspaceBytes(), 1))) {
      if (kernel.workspaceBytes() > 0) {
        kernel.attach(workspace.address());
      }
      kernel.readyConstants(backend::allocate);
      kernel.run();
    }
  }

  private List<Binding.Operand> operands(List<Value> values, Map<Value, Place> places) {
    return values.stream()
        .map(
            v -> {
              Place place = places.get(root(v));
              long address = place == null ? 0 : place.memory().address() + place.offset();
              return new Binding.Operand(
                  v.spec().withBatch(batch), address, constants.contains(v));
            })
        .toList();
  }

  /** The place of every value that has one, aliases included. */
  private Map<Value, Place> resolved(Map<Value, Place> places) {
    Map<Value, Place> all = new HashMap<>(places);
    roots.forEach(
        (alias, root) -> {
          if (places.containsKey(root)) {
            all.put(alias, places.get(root));
          }
        });
    return all;
  }
}
