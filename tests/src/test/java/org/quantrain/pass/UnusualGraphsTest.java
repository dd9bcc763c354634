package org.quantrain.pass;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.quantrain.backend.cpu.CpuBackend;
import org.quantrain.graph.Graph;
import org.quantrain.graph.GraphException;
import org.quantrain.graph.Model;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.onnx.OnnxException;
import org.quantrain.onnx.QdqWriter;
import org.quantrain.op.BatchNorm;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.Lowering;
import org.quantrain.op.MaxPool;
import org.quantrain.op.MinMax;
import org.quantrain.op.PoolWindow;
import org.quantrain.op.Relu;
import org.quantrain.plan.Plan;
import org.quantrain.plan.PlanCompiler;
import org.quantrain.plan.PlanOptions;
import org.quantrain.quant.IntegerFormat;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.quant.Target;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.ParameterStore;
import org.quantrain.runtime.StepScalars;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.tflite.TfliteWriter;
import org.quantrain.zoo.NetworkBuilder;

/** Networks as exporters write them, apart from the usual conv, batch norm, activation. */
class UnusualGraphsTest {
  private static final ConvGeometry SAME = ConvGeometry.of(1, 1);
  private static final ConvGeometry POINTWISE = ConvGeometry.of(1, 0);
  private static final QuantPolicy W8A8 = QuantPolicy.forTarget(Target.ORT);

  /** A pre-activation block: batch norm behind an add and behind a convolution with two readers. */
  private static Model preActivation() {
    NetworkBuilder net = new NetworkBuilder(1);
    Value x = net.conv("conv1", net.input(3, 8, 8), 8, 3, SAME);
    Value y = net.relu("relu1", net.batchNorm("bn1", x));
    y = net.conv("conv2", y, 8, 3, SAME);
    y = net.relu("relu2", net.batchNorm("bn2", net.add("add", x, y)));
    y = net.flatten("flatten", net.globalAveragePool("pool", y));
    return net.build("preactivation", net.linear("fc", y, 4, 1));
  }

  @Test
  void aBatchNormThatStandsAloneIsAnIntegerLayer() throws OnnxException {
    Model quantized = Pipelines.quantize(preActivation(), W8A8);
    Graph lowered = Pipelines.forward(quantized.graph(), Phase.EVAL, Lowering.INTEGER);
    QdqWriter.check(lowered);
    assertFalse(lowered.nodes().stream().anyMatch(n -> n.op() instanceof BatchNorm));
    Set<String> trained =
        Pipelines.training(quantized.graph(), Phase.TRAIN, Lowering.INTEGER, 0)
            .gradients()
            .keySet()
            .stream()
            .map(Value::name)
            .collect(Collectors.toSet());
    assertTrue(trained.containsAll(Set.of("bn1.gamma", "bn2.beta")), trained::toString);
    assertFalse(trained.contains("bn1.ones"));
  }

  @Test
  void whatATargetCannotRunIsNamedBeforeTraining() throws OnnxException {
    NetworkBuilder net = new NetworkBuilder(1);
    Value x = net.relu("relu1", net.conv("conv1", net.input(3, 8, 8), 8, 3, SAME));
    x = net.flatten("flatten", x);
    x = net.add("add", net.batchNorm("bn1", x), net.relu("relu0", x));
    Model model = net.build("islands", net.linear("fc", x, 4, 1));
    QuantPolicy tflite = QuantPolicy.forTarget(Target.TFLITE);
    String message =
        assertThrows(GraphException.class, () -> Pipelines.quantize(model, tflite)).getMessage();
    assertTrue(message.contains("Relu \"relu0\""), message);
    assertTrue(message.contains("BatchNorm \"bn1\""), message);
    assertFalse(message.contains("relu1"), message);
    QdqWriter.check(
        Pipelines.forward(Pipelines.quantize(model, W8A8).graph(), Phase.EVAL, Lowering.INTEGER));
  }

  @Test
  void logitsThatAFloatOperationMakesAreNamedBeforeTraining() {
    NetworkBuilder net = new NetworkBuilder(1);
    Value x = net.flatten("flatten", net.convBias("conv1", net.input(3, 8, 8), 8, 3, SAME));
    Model model = net.build("last", net.relu("last", net.linear("fc", x, 4, 1)));
    Graph graph = Pipelines.quantize(model, W8A8).graph();
    String message =
        assertThrows(
                OnnxException.class,
                () -> QdqWriter.check(Pipelines.forward(graph, Phase.EVAL, Lowering.INTEGER)))
            .getMessage();
    assertTrue(message.contains("\"last"), message);
  }

  /** Behind the input, an average, and what others read too; parts of concatenations. */
  @Test
  void anActivationMayStandAnywhereOnImages() throws IOException {
    for (Target target : Target.values()) {
      // No grid ends at 6 whose scale is a power of two.
      float bound = target.contract().powersOfTwo() ? Float.POSITIVE_INFINITY : 6;
      Graph graph = Pipelines.quantize(activations(bound), QuantPolicy.forTarget(target)).graph();
      Graph lowered = Pipelines.forward(graph, Phase.EVAL, Lowering.INTEGER);
      if (target.format() == IntegerFormat.TFLITE) {
        TfliteWriter.check(lowered);
      } else {
        QdqWriter.check(lowered);
      }
      assertFalse(lowered.nodes().stream().anyMatch(n -> n.op() instanceof Relu));
    }
  }

  private static Model activations(float bound) {
    NetworkBuilder net = new NetworkBuilder(1);
    Value x = net.relu("relu1", net.input(3, 8, 8));
    Value a = net.conv("conv1", x, 8, 3, SAME);
    Value b = net.concat("concat1", a, net.conv("conv2", x, 8, 3, SAME));
    Value c = net.relu("relu2", b, bound);
    Value d = net.relu("relu3", net.concat("concat2", b, net.conv("conv3", c, 4, 1, POINTWISE)));
    Value e = net.relu("relu4", net.relu("relu5", net.conv("conv4", d, 4, 3, SAME), bound));
    Value f = net.flatten("flatten", net.relu("relu6", net.globalAveragePool("pool", e)));
    return net.build("activations", net.linear("fc", f, 4, 1));
  }

  @Test
  void aReluBehindAConcatenationMovesToItsParts() {
    NetworkBuilder net = new NetworkBuilder(1);
    Value x = net.input(3, 8, 8);
    Value a = net.conv("conv1", x, 8, 3, SAME);
    Value y = net.relu("relu", net.concat("concat", a, net.conv("conv2", x, 8, 3, SAME)));
    Graph moved = ActivateEarly.apply(net.build("parts", net.flatten("flatten", y)).graph());
    Node concat = moved.producer(moved.value("concat").orElseThrow()).orElseThrow();
    assertEquals(
        List.of("relu.part0", "relu.part1"), concat.inputs().stream().map(Value::name).toList());
  }

  @Test
  void aReluBehindAMaxPoolMovesBeforeIt() throws OnnxException {
    NetworkBuilder net = new NetworkBuilder(1);
    Value x = net.convBias("conv1", net.input(1, 8, 8), 4, 3, SAME);
    x = net.relu("relu1", net.maxPool("pool1", x, PoolWindow.of(2, 2)));
    Model model = net.build("poolrelu", net.linear("fc", net.flatten("flatten", x), 4, 1));
    Graph moved = ActivateEarly.apply(model.graph());
    assertTrue(
        moved.producer(moved.value("pool1").orElseThrow()).orElseThrow().op() instanceof MaxPool);
    assertEquals(
        "relu1", moved.producer(moved.value("pool1").orElseThrow()).orElseThrow().input(0).name());
    Graph lowered =
        Pipelines.forward(Pipelines.quantize(model, W8A8).graph(), Phase.EVAL, Lowering.INTEGER);
    QdqWriter.check(lowered);
    assertFalse(lowered.nodes().stream().anyMatch(n -> n.op() instanceof Relu));
  }

  @Test
  void aNarrowQuantizerOnAMaximumObservesTheMaximum() {
    NetworkBuilder net = new NetworkBuilder(1);
    Value x = net.conv("conv1", net.input(1, 8, 8), 4, 3, SAME);
    Value pooled = net.maxPool("pool1", net.batchNorm("bn1", x), PoolWindow.of(2, 2));
    Value y = net.batchNorm("bn2", net.conv("conv2", pooled, 4, 3, SAME));
    y = net.relu("relu", net.add("add", pooled, y));
    Model model = net.build("maxchain", net.linear("fc", net.flatten("flatten", y), 4, 1));
    Graph training =
        Pipelines.forward(
            Pipelines.quantize(model, W8A8.activations(4)).graph(), Phase.TRAIN, Lowering.INTEGER);
    Value range = training.value("pool1.b4.range").orElseThrow();
    assertTrue(training.producer(range).orElseThrow().op() instanceof MinMax);
  }

  @Test
  void aChannelOfZerosKeepsTheResolutionOfItsBias() {
    NetworkBuilder net = new NetworkBuilder(1);
    Value x = net.batchNorm("bn1", net.conv("conv1", net.input(1, 4, 4), 2, 3, SAME));
    Value features = net.flatten("flatten", net.relu("relu1", x));
    Model model = net.build("zeros", net.linear("fc", features, 4, 1));
    Map<String, HostTensor> contents = new HashMap<>(model.contents());
    contents.put("conv1.weight", HostTensor.filled(Shape.of(2, 1, 3, 3), 0));
    contents.put("bn1.beta", HostTensor.of(Shape.of(2), 0.5f, 1.5f));
    Model quantized = Pipelines.quantize(model.withContents(contents), W8A8);
    contents = new HashMap<>(quantized.contents());
    contents.put("relu1.scale", HostTensor.of(Shape.of(1), 0.01f));
    contents.put("input.scale", HostTensor.of(Shape.of(1), 0.02f));
    for (Phase phase : new Phase[] {Phase.EVAL, Phase.TRAIN}) {
      Graph graph = Pipelines.forward(quantized.graph(), phase, Lowering.INTEGER);
      Value codes = graph.value("relu1.codes").orElseThrow();
      try (Backend backend = CpuBackend.open();
          ParameterStore store = new ParameterStore(backend, graph.persistent(), contents);
          Plan plan =
              PlanCompiler.compile(
                  graph, 2, backend, store, PlanOptions.defaults().keep(Set.of(codes)))) {
        store.scalars().set(StepScalars.Slot.OBSERVER_MOMENTUM, 1f);
        plan.run();
        float scale = store.get("relu1.scale").floats()[0];
        int[] found = plan.read(codes).codes();
        for (int i = 0; i < found.length; i++) {
          float expected = i % 2 == 0 ? 0.5f : 1.5f;
          assertEquals(expected, found[i] * scale, scale / 2 * 1.001f, phase + " element " + i);
        }
      }
    }
  }
}
