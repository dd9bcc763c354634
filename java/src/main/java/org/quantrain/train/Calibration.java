package org.quantrain.train;

import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.util.Map;
import java.util.stream.IntStream;
import org.quantrain.data.Batches;
import org.quantrain.data.DataSource;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Model;
import org.quantrain.graph.Node;
import org.quantrain.op.FakeQuant;
import org.quantrain.pass.Pipelines;
import org.quantrain.plan.Plan;
import org.quantrain.plan.PlanCompiler;
import org.quantrain.plan.PlanOptions;
import org.quantrain.quant.Calibrator;
import org.quantrain.quant.QuantizerState;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.ParameterStore;
import org.quantrain.tensor.HostTensor;

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
   * @throws NonFiniteException if a value of the network is infinite
   */
  public static Map<String, HostTensor> run(
      Backend backend, Model model, DataSource images, Calibrator calibrator) {
    Graph graph = Pipelines.calibration(model.graph(), calibrator);
    try (ParameterStore store = new ParameterStore(backend, graph.persistent(), model.contents())) {
      for (Node node : model.graph().nodes()) {
        if (node.op() instanceof FakeQuant quant && store.contains(quant.quantizer() + ".count")) {
          store.restore(QuantizerState.initial(quant.quantizer(), 1));
        }
      }
      int whole = images.size() / BATCH * BATCH;
      observe(graph, store, images, 0, whole, BATCH);
      observe(graph, store, images, whole, images.size(), images.size() - whole);
      requireFinite(model.graph(), store);
      return store.snapshot();
    }
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

  private static void requireFinite(Graph graph, ParameterStore store) {
    for (Node node : graph.nodes()) {
      if (node.op() instanceof FakeQuant quant && store.contains(quant.quantizer() + ".scale")) {
        float scale = store.get(quant.quantizer() + ".scale").floats()[0];
        if (!Float.isFinite(scale)) {
          throw new NonFiniteException(
              "calibration: %s reaches infinity on these images; is their normalization the model's?"
                  .formatted(quant.quantizer()));
        }
      }
    }
  }
}
