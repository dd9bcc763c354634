package org.quantrain.integer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.quantrain.backend.cpu.CpuBackend;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Model;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.onnx.QdqWriter;
import org.quantrain.op.FoldWeight;
import org.quantrain.op.Lowering;
import org.quantrain.pass.Phase;
import org.quantrain.pass.Pipelines;
import org.quantrain.plan.Plan;
import org.quantrain.plan.PlanCompiler;
import org.quantrain.plan.PlanOptions;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.quant.Target;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.ParameterStore;
import org.quantrain.tensor.HostTensor;
import org.quantrain.testkit.Calibrated;
import org.quantrain.testkit.Networks;
import org.quantrain.testkit.Tensors;

/** The int32 biases that a file holds, against the real ones in double. */
class ExportedBiasTest {
  /** In steps of the accumulator: no tie, so that only truncating and rounding differ. */
  private static final double[] STEPS = {700.7, -700.7, 3.51, -3.51, 1234.49, -1234.49, 0.6, -0.6};

  private static final int[] ROUNDED = {701, -701, 4, -4, 1234, -1234, 1, -1};

  private static Backend backend;

  @TempDir Path folder;

  @BeforeAll
  static void open() {
    backend = CpuBackend.open(2);
  }

  @AfterAll
  static void close() {
    backend.close();
  }

  /** conv1's weights in the file that is exported after a calibration with the same images. */
  private IntegerWeights exported(Model model) throws IOException {
    Model quantized = Pipelines.quantize(model, QuantPolicy.forTarget(Target.ORT));
    Map<String, HostTensor> contents =
        Calibrated.contents(quantized, backend, Networks.images(model, 4, 1));
    Graph graph = Pipelines.forward(quantized.graph(), Phase.EVAL, Lowering.INTEGER);
    Set<Value> weights = new LinkedHashSet<>();
    for (Node node : graph.nodes()) {
      if (node.op() instanceof FoldWeight) {
        weights.addAll(node.outputs());
      }
    }
    Path file = folder.resolve("integer.onnx");
    try (ParameterStore store = new ParameterStore(backend, graph.persistent(), contents);
        Plan plan =
            PlanCompiler.compile(graph, 4, backend, store, PlanOptions.defaults().keep(weights))) {
      plan.run();
      QdqWriter.write(graph, plan::read, Map.of(), file);
    }
    return IntegerModel.read(file).layers().stream()
        .filter(IntegerLayer.Conv.class::isInstance)
        .map(layer -> ((IntegerLayer.Conv) layer).w())
        .filter(w -> w.layer().equals("conv1"))
        .findFirst()
        .orElseThrow();
  }

  private static Model with(Model model, String name, float[] values) {
    Map<String, HostTensor> contents = new HashMap<>(model.contents());
    contents.put(name, Tensors.vector(values));
    return model.withContents(contents);
  }

  private static float[] floats(Model model, String name) {
    return model.contents().get(name).floats();
  }

  @Test
  void theExportedBiasRoundsAndNeverTruncates() throws IOException {
    Model model = Networks.lenetLike();
    float[] step = exported(model).outScale().floats();
    float[] bias = new float[step.length];
    int[] expected = new int[step.length];
    for (int c = 0; c < bias.length; c++) {
      bias[c] = (float) (STEPS[c] * step[c]);
      expected[c] = ROUNDED[c];
    }
    IntegerWeights written = exported(with(model, "conv1.bias", bias));
    assertArrayEquals(step, written.outScale().floats(), "a bias does not move the scale");
    assertArrayEquals(expected, written.bias().ints());
  }

  /** The convolution's bias is what places the sum between two steps. */
  @Test
  void theExportedBiasIncludesTheConvolutionsBiasBeforeBatchNorm() throws IOException {
    Model model = Networks.oneLayer(8, true);
    model = with(model, "bn1.mean", new float[] {0.3f, -0.2f, 1, 0, 2, -1, 0.5f, 0.1f});
    model = with(model, "bn1.var", new float[] {2, 0.5f, 1, 1.5f, 3, 0.25f, 1, 2});
    float[] gamma = floats(model, "bn1.gamma");
    float[] beta = floats(model, "bn1.beta");
    float[] mean = floats(model, "bn1.mean");
    float[] var = floats(model, "bn1.var");
    float[] step = exported(model).outScale().floats();
    float[] bias = new float[8];
    for (int c = 0; c < 8; c++) {
      // beta + gamma * (bias - mean) / sigma = STEPS * step, solved for the bias.
      double gain = gamma[c] / Math.sqrt(var[c] + 1e-5);
      bias[c] = (float) (mean[c] + (STEPS[c] * step[c] - beta[c]) / gain);
    }
    IntegerWeights written = exported(with(model, "conv1.bias", bias));
    assertArrayEquals(step, written.outScale().floats(), "a bias does not move the scale");
    assertArrayEquals(ROUNDED, written.bias().ints());
    int[] without = exported(with(model, "conv1.bias", new float[8])).bias().ints();
    for (int c = 0; c < 8; c++) {
      double gain = gamma[c] / Math.sqrt(var[c] + 1e-5);
      assertEquals(
          ROUNDED[c] - bias[c] * gain / step[c], without[c], 1, "channel " + c + " without it");
    }
  }
}
