package org.quantrain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.quantrain.graph.Model;
import org.quantrain.onnx.OnnxException;
import org.quantrain.onnx.OnnxFile;
import org.quantrain.onnx.OnnxNode;
import org.quantrain.onnx.OnnxReader;
import org.quantrain.onnx.OnnxTensor;
import org.quantrain.onnx.QOperatorForm;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.quant.Quantizer;
import org.quantrain.quant.Target;
import org.quantrain.testkit.RandomNetwork;
import org.quantrain.zoo.Zoo;

/** Files for the compilers of accelerators compute the codes of training, in ONNX Runtime. */
class CompilerExportTest {
  private static final int IMAGES = 24;
  private static final int SIDE = 16;
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

  private Path exported(Model model, QuantPolicy policy, long seed) throws IOException {
    Path file = folder.resolve("network" + seed + ".onnx");
    NoiseImages.verified(quantrain, model, policy, IMAGES, seed, file);
    return file;
  }

  private static Model model(String name) throws IOException {
    return name.endsWith(".onnx")
        ? OnnxReader.read(Path.of("src/test/resources/onnx", name))
        : Zoo.build(name, 3, SIDE, SIDE, 5, 1);
  }

  @ParameterizedTest(name = "{0} for {1} by {2}")
  @CsvSource({
    "lenet, tensorrt, ema",
    "resnet8, tensorrt, lsq",
    "mobilenetv2?width=0.25, tensorrt, ema",
    "densenet_13.onnx, tensorrt, ema",
    "resnet_option_a_13.onnx, tensorrt, ema",
    "lenet, vitis, ema",
    "resnet8, vitis, ema",
    "mobilenetv2?width=0.25&activation=relu, vitis, ema",
    "densenet_13.onnx, vitis, ema",
    "resnet_option_a_13.onnx, vitis, ema"
  })
  void theFileComputesTheCodesOfTraining(String name, String target, String quantizer)
      throws IOException {
    QuantPolicy policy = QuantPolicy.forTarget(Target.of(target));
    Path file = exported(model(name), policy.quantizer(Quantizer.of(quantizer)), 1);
    assertHasTheFormOfCompilers(OnnxFile.read(file));
  }

  private static void assertHasTheFormOfCompilers(OnnxFile file) {
    Map<String, OnnxNode> producers = new HashMap<>();
    file.nodes().forEach(n -> producers.put(n.output(), n));
    for (OnnxNode node : file.nodes()) {
      String before = producers.containsKey(node.input(0)) ? producers.get(node.input(0)).op() : "";
      switch (node.op()) {
        case "QuantizeLinear" -> assertEquals(0, code(file, node.input(2)), node.label());
        case "DequantizeLinear" ->
            assertTrue(
                before.equals("QuantizeLinear")
                    || file.constants().get(node.input(0)).type() == OnnxTensor.INT8,
                node.label());
        case "Relu" ->
            assertTrue(before.equals("Conv") || before.equals("Gemm") || before.equals("Add"));
        default -> assertEquals("DequantizeLinear", before, node.label());
      }
      if (node.op().equals("Conv") || node.op().equals("Gemm")) {
        assertEquals(OnnxTensor.FLOAT, file.constants().get(node.input(2)).type(), node.label());
      }
    }
  }

  private static int code(OnnxFile file, String zeroPoint) {
    OnnxTensor t = file.constants().get(zeroPoint);
    assertEquals(OnnxTensor.INT8, t.type());
    return t.data()[0];
  }

  @Test
  void randomNetworksComputeTheCodesOfTraining() {
    List<String> failures = new ArrayList<>();
    for (int seed = 1; seed <= 8; seed++) {
      Model model = RandomNetwork.plain(seed);
      try {
        exported(model, QuantPolicy.forTarget(Target.TENSORRT), seed);
      } catch (AssertionError | IOException | RuntimeException e) {
        failures.add("seed " + seed + ": " + e + "\n" + model.graph());
      }
    }
    assertTrue(failures.isEmpty(), () -> String.join("\n", failures));
  }

  @Test
  void thereAreNoIntegerOperatorsOfSignedCodes() throws IOException {
    Path file = exported(model("lenet"), QuantPolicy.forTarget(Target.TENSORRT), 1);
    String message =
        assertThrows(OnnxException.class, () -> QOperatorForm.of(Files.readAllBytes(file)))
            .getMessage();
    assertTrue(message.contains("no integer operators for signed codes"), message);
  }

  @Test
  void aQuantizerThatMovesZeroPointsIsRefused() {
    QuantPolicy policy = QuantPolicy.forTarget(Target.TENSORRT);
    for (Quantizer quantizer : List.of(Quantizer.LSQ_PLUS, Quantizer.PACT, Quantizer.DSQ)) {
      String message =
          assertThrows(IllegalArgumentException.class, () -> policy.quantizer(quantizer))
              .getMessage();
      assertTrue(message.contains("zero-points of 0: use ema or lsq"), message);
    }
  }
}
