package org.quantrain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.quantrain.graph.Model;
import org.quantrain.integer.VerificationReport;
import org.quantrain.onnx.OnnxReader;
import org.quantrain.onnx.OnnxWriter;
import org.quantrain.quant.IntegerFormat;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.quant.Target;
import org.quantrain.testkit.Calibrated;
import org.quantrain.testkit.RandomNetwork;
import org.quantrain.tflite.TfliteException;
import org.quantrain.zoo.Zoo;

/** Networks as TensorFlow Lite files compute the codes of training, with and without delegates. */
class TfliteExportTest {
  private static final int IMAGES = 24;
  private static final int SIDE = 16;

  /** More with -Dquantrain.networks=500, others with -Dquantrain.firstNetwork=1000. */
  private static final int NETWORKS = Integer.getInteger("quantrain.networks", 10);

  private static final int FIRST = Integer.getInteger("quantrain.firstNetwork", 1);

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

  private VerificationReport verified(
      Model model, QuantPolicy policy, IntegerFormat format, long seed) throws IOException {
    NoiseImages images = NoiseImages.of(model, IMAGES, seed);
    Model read = OnnxReader.read("network", OnnxWriter.toBytes(model, Map.of()));
    QuantizedNetwork quantized = quantrain.network(read).quantize(policy);
    quantized.requireExportable();
    quantized.restore(Calibrated.contents(quantized.model(), quantrain.backend(), images.batch()));
    Path file = folder.resolve("network" + seed + ".tflite");
    quantized.export(file, format, Map.of());
    return quantized.verify(file, images);
  }

  @ParameterizedTest(name = "{0} for {1}, weights of {2} bits, per tensor: {3}")
  @CsvSource({
    "lenet, tflite, 8, false",
    "lenet, tflite-builtin, 8, true",
    "resnet8, tflite, 4, false",
    "resnet8, tflite-builtin, 8, false",
    "resnet20, tflite, 8, false",
    "resnet20, tflite-builtin, 8, false",
    "mobilenetv2?width=0.25, tflite, 8, false",
    "mobilenetv2?width=0.25, tflite-builtin, 8, false",
    "mobilenetv1?width=0.25&activation=relu, tflite, 8, true"
  })
  void theFileComputesTheCodesOfTraining(
      String name, String target, int weightBits, boolean perTensor) throws IOException {
    Model model = Zoo.build(name, 3, SIDE, SIDE, 5, 1);
    QuantPolicy policy = QuantPolicy.forTarget(Target.of(target)).weights(weightBits);
    policy = perTensor ? policy.perTensorWeights() : policy;
    VerificationReport report = verified(model, policy, IntegerFormat.TFLITE, 1);
    assertEquals(2, report.claims().size());
    assertTrue(report.holds(), report::toString);
  }

  /** Concatenations of what others read too, batch norm and activations that stand alone. */
  @ParameterizedTest(name = "{0} for {1}")
  @CsvSource({
    "densenet_13, tflite", "densenet_13, tflite-builtin",
    "googlenet_13, tflite", "googlenet_13, tflite-builtin"
  })
  void branchesOfOtherGridsAreJoined(String name, String target) throws IOException {
    Model model = OnnxReader.read(Path.of("src/test/resources/onnx", name + ".onnx"));
    QuantPolicy policy = QuantPolicy.forTarget(Target.of(target));
    VerificationReport report = verified(model, policy, IntegerFormat.TFLITE, 3);
    assertTrue(report.holds(), report::toString);
  }

  @Test
  void floatsGoInAndComeOutWhereTheyAreAskedFor() throws IOException {
    Model model = Zoo.build("lenet", 3, SIDE, SIDE, 5, 1);
    QuantPolicy policy = QuantPolicy.forTarget(Target.TFLITE);
    VerificationReport report = verified(model, policy, IntegerFormat.TFLITE_FLOATS, 2);
    assertTrue(report.holds(), report::toString);
  }

  /** What the format cannot say is refused; all else must be equal. */
  @Test
  void randomNetworksComputeTheCodesOfTrainingOrAreRefused() {
    List<String> failures = new ArrayList<>();
    List<String> refused = new ArrayList<>();
    for (int seed = FIRST; seed < FIRST + NETWORKS; seed++) {
      Model model = RandomNetwork.plain(seed);
      Target target = seed % 2 == 0 ? Target.TFLITE : Target.TFLITE_BUILTIN;
      QuantPolicy policy = QuantPolicy.forTarget(target).weights(2 + seed % 7);
      try {
        VerificationReport report = verified(model, policy, IntegerFormat.TFLITE, seed);
        if (!report.holds()) {
          failures.add("seed " + seed + " " + policy + ": " + report);
        }
      } catch (TfliteException e) {
        refused.add("seed " + seed + ": " + e.getMessage());
      } catch (IOException | RuntimeException e) {
        failures.add("seed " + seed + " " + policy + ": " + e + "\n" + model.graph());
      }
    }
    assertTrue(failures.isEmpty(), () -> String.join("\n", failures));
    assertTrue(refused.size() <= 2 * NETWORKS / 3, () -> String.join("\n", refused));
  }
}
