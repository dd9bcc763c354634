package org.quantrain.train;

import java.util.HashMap;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import java.util.stream.StreamSupport;
import org.quantrain.data.DataSource;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Model;
import org.quantrain.graph.Node;
import org.quantrain.op.FakeQuant;
import org.quantrain.op.Lowering;
import org.quantrain.pass.ObserveRanges;
import org.quantrain.pass.Phase;
import org.quantrain.pass.Pipelines;
import org.quantrain.plan.Plan;
import org.quantrain.plan.PlanCompiler;
import org.quantrain.plan.PlanOptions;
import org.quantrain.quant.Calibrator;
import org.quantrain.quant.HistogramState;
import org.quantrain.quant.LearnedValues;
import org.quantrain.quant.QuantizerState;
import org.quantrain.quant.ValueCounts;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.Collective;
import org.quantrain.runtime.ParameterStore;
import org.quantrain.runtime.QuantrainException;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;

/**
 * Finds the ranges of a network's activations from images or texts, without training. Every one
 * counts once and alike, so the result does not depend on their order.
 *
 * <p>Where the backend has met other processes, each of them calls the same and runs a share of the
 * batches; all come to the bits of one process by itself.
 */
public final class Calibration {
  private static final int BATCH = 64;

  private Calibration() {}

  /**
   * @param model with quantizers whose ranges are observed
   * @return its contents with the ranges, scales and zero-points of the images
   * @throws NonFiniteException if a value of the network is infinite, or NaN where it is counted
   */
  public static Map<String, HostTensor> run(
      Backend backend, Model model, DataSource images, Calibrator calibrator) {
    int processes = backend.collective().size();
    int first = backend.collective().rank();
    return found(backend, model, () -> batches(images, first, processes), calibrator);
  }

  /**
   * Of a network with any inputs.
   *
   * @param batches each has a tensor for each of the network's inputs, in memory order, all with
   *     the same first dimension: the rows of the batch, all of which count
   * @throws IllegalArgumentException if a batch does not fit the inputs
   * @throws NonFiniteException as of images
   */
  public static Map<String, HostTensor> run(
      Backend backend,
      Model model,
      Iterable<List<HostTensor>> batches,
      Calibrator calibrator) {
    return found(backend, model, () -> share(batches, backend.collective()), calibrator);
  }

  /**
   * @param batches of this process
   */
  private static Map<String, HostTensor> found(
      Backend backend,
      Model model,
      Iterable<List<HostTensor>> batches,
      Calibrator calibrator) {
    Graph graph = Pipelines.calibration(model.graph(), calibrator);
    Map<String, HostTensor> start = new HashMap<>(model.contents());
    for (FakeQuant quant : observed(model.graph())) {
      start.putAll(QuantizerState.initial(quant.quantizer(), 1));
      start.putAll(HistogramState.initial(quant.quantizer()));
    }
    Map<String, HostTensor> found;
    try (ParameterStore store = new ParameterStore(backend, graph.persistent(), start)) {
      observeTogether(graph, store, batches);
      found = store.snapshot();
    }
    start.putAll(found);
    if (calibrator.countsValues() || backend.collective().size() > 1) {
      start.putAll(chosen(backend, model.graph(), start, calibrator));
    }
    requireFinite(model.graph(), start);
    start.keySet().retainAll(model.contents().keySet());
    return start;
  }

  /**
   * The state from which training starts after one batch: the moving ranges of the activations, and
   * learned values that start from what the batch and the weights have.
   *
   * @param inputs a tensor for each of the network's inputs
   * @return the contents of a model with quantizers, with that state
   */
  public static Map<String, HostTensor> ofBatch(
      Backend backend, Model model, List<HostTensor> inputs) {
    Graph graph = Pipelines.forward(model.graph(), Phase.CALIBRATE, Lowering.INTEGER);
    Map<String, HostTensor> contents = new HashMap<>(model.contents());
    try (ParameterStore store =
        new ParameterStore(backend, graph.persistent(), model.contents())) {
      observe(graph, store, List.of(inputs));
      contents.putAll(store.snapshot());
    }
    for (Node node : LearnedValues.quantizers(model.graph())) {
      contents.putAll(LearnedValues.start((FakeQuant) node.op(), contents::get));
    }
    return contents;
  }

  /** Quantizers whose ranges come from images. */
  private static List<FakeQuant> observed(Graph graph) {
    return graph.nodes().stream()
        .filter(n -> n.op() instanceof FakeQuant q && ObserveRanges.isObserved(q, n.input(0)))
        .map(n -> (FakeQuant) n.op())
        .toList();
  }

  /** State of all quantizers on the ranges that what was observed, by all processes, leads to. */
  private static Map<String, HostTensor> chosen(
      Backend backend, Graph graph, Map<String, HostTensor> observed, Calibrator calibrator) {
    SharedObservations shared = new SharedObservations(backend.collective());
    Map<String, HostTensor> contents = new HashMap<>(observed);
    Map<String, HostTensor> batches = new HashMap<>();
    for (FakeQuant quant : observed(graph)) {
      String name = quant.quantizer();
      ValueCounts.Range range;
      if (calibrator.countsValues()) {
        range = counted(quant, shared.all(HistogramState.counts(observed, name)), calibrator);
      } else {
        int own = observed.get(name + ".count").ints()[0];
        int all = (int) shared.all(own, Double::sum);
        range = extremes(shared, observed, name, own == 0 && all > 0);
        batches.put(name + ".count", HostTensor.of(Shape.of(1), all));
        contents.putAll(QuantizerState.initial(name, 1));
      }
      contents.put(name + ObserveRanges.FOUND_MIN, one((float) range.min()));
      contents.put(name + ObserveRanges.FOUND_MAX, one((float) range.max()));
    }
    Graph ranges = Pipelines.foundRanges(graph);
    try (ParameterStore store = new ParameterStore(backend, ranges.persistent(), contents);
        Plan plan = PlanCompiler.compile(ranges, 1, backend, store, PlanOptions.defaults())) {
      plan.run();
      Map<String, HostTensor> chosen = store.snapshot();
      chosen.putAll(batches);
      return chosen;
    }
  }

  private static ValueCounts.Range counted(
      FakeQuant quant, ValueCounts counts, Calibrator calibrator) {
    if (counts.notFinite() > 0) {
      throw notFinite(quant);
    }
    return calibrator.range(counts, quant.spec());
  }

  /**
   * @param none whether others saw batches and this process none, which has no part in them
   */
  private static ValueCounts.Range extremes(
      SharedObservations shared, Map<String, HostTensor> observed, String name, boolean none) {
    double min = observed.get(name + ".range_min").floats()[0];
    double max = observed.get(name + ".range_max").floats()[0];
    return new ValueCounts.Range(
        shared.all(none ? Double.POSITIVE_INFINITY : min, Math::min),
        shared.all(none ? Double.NEGATIVE_INFINITY : max, Math::max));
  }

  private static HostTensor one(float value) {
    return HostTensor.of(Shape.of(1), value);
  }

  /** Where one process fails the others would wait for its part. */
  private static void observeTogether(
      Graph graph, ParameterStore store, Iterable<List<HostTensor>> batches) {
    RuntimeException failure = null;
    try {
      observe(graph, store, batches);
    } catch (RuntimeException e) {
      failure = e;
    }
    double failed =
        new SharedObservations(store.backend().collective())
            .all(failure == null ? 0 : 1, Double::sum);
    if (failure != null) {
      throw failure;
    } else if (failed > 0) {
      throw new QuantrainException(
          "calibration: it failed in another process, which says why; none has a result");
    }
  }

  private static void observe(
      Graph graph, ParameterStore store, Iterable<List<HostTensor>> batches) {
    Plan plan = null;
    try {
      for (List<HostTensor> batch : batches) {
        int rows = graph.rows(batch);
        if (plan == null || plan.batch() != rows) {
          if (plan != null) {
            plan.close();
          }
          plan =
              PlanCompiler.compile(graph, rows, store.backend(), store, PlanOptions.defaults());
        }
        for (int i = 0; i < batch.size(); i++) {
          plan.input(graph.inputs().get(i)).put(0, batch.get(i).bytes());
        }
        plan.run();
      }
    } finally {
      if (plan != null) {
        plan.close();
      }
    }
  }

  /** The batches of one process. */
  private static Iterator<List<HostTensor>> share(
      Iterable<List<HostTensor>> batches, Collective collective) {
    int[] next = {0};
    return StreamSupport.stream(batches.spliterator(), false)
        .filter(batch -> next[0]++ % collective.size() == collective.rank())
        .iterator();
  }

  /**
   * The images in order, every so many-th batch; the last has those that are left over.
   *
   * @param first batch, from 0
   */
  private static Iterator<List<HostTensor>> batches(DataSource images, int first, int every) {
    return IntStream.iterate(
            first * BATCH, from -> from < images.size(), from -> from + every * BATCH)
        .mapToObj(from -> batch(images, from, Math.min(BATCH, images.size() - from)))
        .iterator();
  }

  private static List<HostTensor> batch(DataSource images, int from, int count) {
    float[] pixels = new float[count * images.imageFloats()];
    for (int i = 0; i < count; i++) {
      images.read(from + i, pixels, i * images.imageFloats());
    }
    Shape shape = Shape.of(count, images.channels(), images.height(), images.width());
    return List.of(HostTensor.of(shape, pixels));
  }

  private static void requireFinite(Graph graph, Map<String, HostTensor> contents) {
    for (FakeQuant quant : observed(graph)) {
      if (!Float.isFinite(contents.get(quant.quantizer() + ".scale").floats()[0])) {
        throw notFinite(quant);
      }
    }
  }

  private static NonFiniteException notFinite(FakeQuant quant) {
    return new NonFiniteException(
        "calibration: %s is not finite on these images; is their normalization the model's?"
            .formatted(quant.quantizer()));
  }
}
