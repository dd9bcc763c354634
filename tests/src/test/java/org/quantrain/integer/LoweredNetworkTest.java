package org.quantrain.integer;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.quantrain.backend.cpu.CpuBackend;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Model;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.onnx.OnnxReader;
import org.quantrain.onnx.OnnxWriter;
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
import org.quantrain.runtime.StepScalars;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.zoo.Zoo;

/** From a float file to the proof: what lowering makes is what is written, read and run. */
class LoweredNetworkTest {
  private static final int BATCH = 16;
  private static final int SIDE = 12;

  @TempDir Path folder;

  @ParameterizedTest(name = "{0} W{1}A{2}, weights per tensor: {3}")
  @CsvSource({
    "resnet8, 8, 8, false", "resnet8, 4, 4, false", "resnet8, 2, 3, false",
    "resnet8, 8, 8, true", "lenet, 8, 8, false", "lenet, 4, 4, true",
    "resnet20, 4, 8, false", "mobilenetv1?width=0.25&activation=relu, 8, 4, false",
    "mobilenetv2?width=0.25, 8, 8, false"
  })
  void theExportedFileComputesTheCodesOfTheEvaluationPlan(
      String name, int weightBits, int activationBits, boolean perTensor) throws IOException {
    Path floatFile = folder.resolve("float.onnx");
    OnnxWriter.writeFloat(Zoo.build(name, 3, SIDE, SIDE, 10, 1), floatFile);
    QuantPolicy policy =
        QuantPolicy.forTarget(Target.ORT).weights(weightBits).activations(activationBits);
    policy = perTensor ? policy.perTensorWeights() : policy;
    Model quantized = Pipelines.quantize(OnnxReader.read(floatFile), policy);
    try (Backend backend = CpuBackend.open()) {
      Model model = quantized.withContents(calibrated(backend, quantized));
      Path file = folder.resolve("integer.onnx");
      try (Evaluation evaluation = new Evaluation(backend, model)) {
        evaluation.export(file);
        try (IntegerInterpreter interpreter =
            new IntegerInterpreter(backend, IntegerModel.read(file), BATCH)) {
          VerificationReport report =
              BitExactVerifier.of(file).verify(interpreter, evaluation, images(3).iterator());
          assertTrue(report.holds(), report::toString);
          assertEquals(2, report.claims().size());
        }
      }
    }
  }

  private static List<ImageBatch> images(int batches) {
    Random random = new Random(3);
    List<ImageBatch> all = new ArrayList<>();
    Shape shape = Shape.of(BATCH, 3, SIDE, SIDE);
    for (int b = 0; b < batches; b++) {
      float[] pixels = new float[(int) shape.elements()];
      for (int i = 0; i < pixels.length; i++) {
        pixels[i] = (float) random.nextGaussian();
      }
      all.add(new ImageBatch(HostTensor.of(shape, pixels), BATCH - b, null));
    }
    return all;
  }

  /** Contents after the ranges of a few batches were observed. */
  private static Map<String, HostTensor> calibrated(Backend backend, Model model) {
    Graph graph = Pipelines.forward(model.graph(), Phase.CALIBRATE, Lowering.INTEGER);
    Set<Value> values = new LinkedHashSet<>(graph.persistent());
    try (ParameterStore store = new ParameterStore(backend, values, model.contents());
        Plan plan = PlanCompiler.compile(graph, BATCH, backend, store, PlanOptions.defaults())) {
      store.scalars().set(StepScalars.Slot.OBSERVER_MOMENTUM, 0.1f);
      for (ImageBatch batch : images(2)) {
        plan.input(graph.inputs().get(0)).clear().put(batch.images().buffer());
        plan.run();
      }
      Map<String, HostTensor> contents = new LinkedHashMap<>(model.contents());
      contents.putAll(store.snapshot());
      return contents;
    }
  }

  /** The EVAL plan with all its codes. */
  private static final class Evaluation implements CodesSource {
    private final Graph graph;
    private final ParameterStore store;
    private final Plan plan;
    private final List<Value> codes = new ArrayList<>();

    Evaluation(Backend backend, Model model) {
      graph = Pipelines.forward(model.graph(), Phase.EVAL, Lowering.INTEGER);
      Set<Value> kept = new LinkedHashSet<>();
      for (Node node : graph.nodes()) {
        if (node.op() instanceof FoldWeight) {
          kept.addAll(node.outputs());
        } else if (node.output(0).spec().dtype().isCodes()) {
          codes.add(node.output(0));
        }
      }
      kept.addAll(codes);
      store = new ParameterStore(backend, graph.persistent(), model.contents());
      PlanOptions options = PlanOptions.defaults().keep(kept);
      plan = PlanCompiler.compile(graph, BATCH, backend, store, options);
    }

    void export(Path file) throws IOException {
      plan.run();
      QdqWriter.write(graph, plan::read, Map.of(), file);
    }

    @Override
    public String description() {
      return "EVAL plan";
    }

    @Override
    public CodesBatch run(HostTensor images) {
      plan.input(graph.inputs().get(0)).clear().put(images.buffer());
      plan.run();
      Map<String, HostTensor> found = new LinkedHashMap<>();
      codes.forEach(v -> found.put(v.name(), plan.read(v)));
      return new CodesBatch(found, plan.read(graph.outputs().get(0)));
    }

    @Override
    public void close() {
      plan.close();
      store.close();
    }
  }
}
