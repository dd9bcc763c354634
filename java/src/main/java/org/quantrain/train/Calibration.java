package org.quantrain.train;

import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.quantrain.data.Batches;
import org.quantrain.data.DataSource;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Model;
import org.quantrain.op.FakeQuant;
import org.quantrain.pass.ObserveRanges;
import org.quantrain.pass.Pipelines;
import org.quantrain.plan.Plan;
import org.quantrain.plan.PlanCompiler;
import org.quantrain.plan.PlanOptions;
import org.quantrain.quant.Calibrator;
import org.quantrain.quant.HistogramState;
import org.quantrain.quant.QuantizerState;
import org.quantrain.quant.ValueCounts;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.ParameterStore;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;

/**
 * Finds the ranges of a network's activations from images, without training. Every image counts
 * once and alike, so the result does not depend on their order.
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
    Graph graph = Pipelines.calibration(model.graph(), calibrator);
    Map<String, HostTensor> start = new HashMap<>(model.contents());
    for (FakeQuant quant : observed(model.graph())) {
      start.putAll(QuantizerState.initial(quant.quantizer(), 1));
      start.putAll(HistogramState.initial(quant.quantizer()));
    }
    Map<String, HostTensor> found;
    try (ParameterStore store = new ParameterStore(backend, graph.persistent(), start)) {
      int whole = images.size() / BATCH * BATCH;
      observe(graph, store, images, 0, whole, BATCH);
      observe(graph, store, images, whole, images.size(), images.size() - whole);
      found = store.snapshot();
    }
    start.putAll(found);
    if (calibrator.countsValues()) {
      start.putAll(chosen(backend, model.graph(), start, calibrator));
    }
    requireFinite(model.graph(), start);
    start.keySet().retainAll(model.contents().keySet());
    return start;
  }

  /** Quantizers whose ranges come from images. */
  private static List<FakeQuant> observed(Graph graph) {
    return graph.nodes().stream()
        .filter(n -> n.op() instanceof FakeQuant q && ObserveRanges.isObserved(q, n.input(0)))
        .map(n -> (FakeQuant) n.op())
        .toList();
  }

  /** State of all quantizers on the ranges that their histograms lead to. */
  private static Map<String, HostTensor> chosen(
      Backend backend, Graph graph, Map<String, HostTensor> counted, Calibrator calibrator) {
    Map<String, HostTensor> contents = new HashMap<>(counted);
    for (FakeQuant quant : observed(graph)) {
      ValueCounts counts = HistogramState.counts(counted, quant.quantizer());
      if (counts.notFinite() > 0) {
        throw notFinite(quant);
      }
      ValueCounts.Range range = calibrator.range(counts, quant.spec());
      String name = quant.quantizer();
      contents.put(name + ObserveRanges.FOUND_MIN, one((float) range.min()));
      contents.put(name + ObserveRanges.FOUND_MAX, one((float) range.max()));
    }
    Graph ranges = Pipelines.foundRanges(graph);
    try (ParameterStore store = new ParameterStore(backend, ranges.persistent(), contents);
        Plan plan = PlanCompiler.compile(ranges, 1, backend, store, PlanOptions.defaults())) {
      plan.run();
      return store.snapshot();
    }
  }

  private static HostTensor one(float value) {
    return HostTensor.of(Shape.of(1), value);
  }

  private static void observe(
      Graph graph, ParameterStore store, DataSource images, int from, int to, int batch) {
    if (from == to) {
      return;
    }
    DataSource part = images.subset(IntStream.range(from, to).toArray());
    Batches batches = Batches.inOrder(part, batch);
    IntBuffer labels = batches.allocateLabels();
    try (Plan plan =
        PlanCompiler.compile(graph, batch, store.backend(), store, PlanOptions.defaults())) {
      FloatBuffer pixels = plan.input(graph.inputs().get(0)).asFloatBuffer();
      for (int b = 0; b < batches.batchesPerEpoch(); b++) {
        batches.fill(0, b, pixels, labels);
        plan.run();
      }
    }
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
