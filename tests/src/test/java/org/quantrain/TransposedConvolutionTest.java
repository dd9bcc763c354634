package org.quantrain;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.quantrain.graph.Graph;
import org.quantrain.graph.GraphException;
import org.quantrain.graph.Model;
import org.quantrain.integer.VerificationReport;
import org.quantrain.onnx.OnnxReader;
import org.quantrain.onnx.OnnxWriter;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.ConvTranspose2d;
import org.quantrain.op.Lowering;
import org.quantrain.pass.ConvolveTransposed;
import org.quantrain.pass.Phase;
import org.quantrain.pass.Pipelines;
import org.quantrain.plan.Plan;
import org.quantrain.plan.PlanCompiler;
import org.quantrain.plan.PlanOptions;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.quant.Quantizer;
import org.quantrain.quant.Target;
import org.quantrain.runtime.ParameterStore;
import org.quantrain.tensor.HostTensor;
import org.quantrain.testkit.Networks;

/** Transposed convolutions: the same function as the convolution that each becomes, in integers. */
class TransposedConvolutionTest {
  private static final int IMAGES = 20;

  /** Of logits around 1; the two sum in another order. */
  private static final float ROUNDING = 1e-5f;

  private static Quantrain quantrain;

  @TempDir Path folder;

  @BeforeAll
  static void open() {
    quantrain = Quantrain.open();
  }

  @AfterAll
  static void close() {
    quantrain.close();
  }

  /** The image before is 6 channels of 4x4. */
  static Stream<Arguments> models() {
    return Stream.of(
        model("doubling", ConvGeometry.of(2, 1), 0, 0, 4, 4, true),
        model("without overlap", ConvGeometry.of(2, 0), 0, 0, 2, 2, false),
        model("gaps", ConvGeometry.of(3, 0), 1, 2, 2, 1, false),
        model("groups, odd", ConvGeometry.of(2, 1).withGroups(3), 1, 1, 3, 3, false),
        model("stride 1, dilated", new ConvGeometry(1, 1, 2, 1, 0, 3, 2, 1, 2), 0, 0, 3, 4, true),
        model("uneven", new ConvGeometry(2, 3, 1, 0, 0, 2, 1, 2, 1), 1, 0, 3, 2, false),
        model("cut at every side", new ConvGeometry(2, 2, 2, 1, 1, 3, 1, 1, 1), 0, 0, 2, 1, true));
  }

  private static Arguments model(
      String name, ConvGeometry g, int extraH, int extraW, int kernelH, int kernelW, boolean bias) {
    ConvTranspose2d up = new ConvTranspose2d(g, extraH, extraW);
    return Arguments.of(name, Networks.decoderLike(up, kernelH, kernelW, bias));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("models")
  void theConvolutionIsTheSameFunction(String name, Model model) {
    Model convolved = ConvolveTransposed.apply(model);
    assertTrue(
        convolved.graph().nodes().stream().noneMatch(n -> n.op() instanceof ConvTranspose2d));
    HostTensor images = NoiseImages.of(model, IMAGES, 1).batch();
    assertArrayEquals(logits(model, images), logits(convolved, images), ROUNDING);
  }

  private static float[] logits(Model model, HostTensor images) {
    Graph graph = Pipelines.forward(model.graph(), Phase.FLOAT_EVAL, Lowering.INTEGER);
    try (ParameterStore store =
            new ParameterStore(quantrain.backend(), graph.persistent(), model.contents());
        Plan plan =
            PlanCompiler.compile(
                graph, IMAGES, quantrain.backend(), store, PlanOptions.defaults())) {
      plan.input(graph.inputs().get(0)).put(0, images.bytes());
      plan.run();
      return plan.read(graph.outputs().get(0)).floats();
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("models")
  void everyIntegerIsTheRuntimesAndNothingIsFloat(String name, Model model) throws IOException {
    QuantPolicy policy = QuantPolicy.forTarget(Target.ORT);
    for (QuantPolicy p :
        List.of(
            policy,
            policy.weights(4).activations(4),
            policy.perTensorWeights(),
            policy.quantizer(Quantizer.LSQ))) {
      verify(model, p);
    }
  }

  @Test
  void anImportedOneIsCodesToo() throws IOException {
    Model model = OnnxReader.read("model", OnnxWriter.toBytes(Networks.decoderLike(), Map.of()));
    verify(model, QuantPolicy.forTarget(Target.ORT));
  }

  private void verify(Model model, QuantPolicy policy) throws IOException {
    Path file = folder.resolve("decoder.onnx");
    VerificationReport report =
        NoiseImages.verified(quantrain, model, policy, IMAGES, 1, file);
    assertEquals(0, report.claims().get(0).islandsCompared());
    Set<String> executed = report.runtime().operators().keySet();
    assertTrue(Collections.disjoint(executed, Set.of("Conv", "ConvTranspose")), executed::toString);
    assertTrue(executed.contains("QLinearConv"));
  }

  @Test
  void aTargetWithoutAFormForItSaysSo() {
    List<Target> without =
        List.of(Target.TFLITE, Target.TENSORRT, Target.VITIS, Target.OPENVINO, Target.SNPE);
    for (Target target : without) {
      GraphException e =
          assertThrows(
              GraphException.class,
              () -> Pipelines.quantize(Networks.decoderLike(), QuantPolicy.forTarget(target)));
      assertTrue(e.getMessage().contains("ConvTranspose2d \"up\""), e.getMessage());
    }
  }
}
