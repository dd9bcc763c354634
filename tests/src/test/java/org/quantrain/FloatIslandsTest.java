package org.quantrain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.quantrain.data.DataSource;
import org.quantrain.data.Datasets;
import org.quantrain.graph.Model;
import org.quantrain.graph.Value;
import org.quantrain.integer.BitExactVerifier;
import org.quantrain.integer.Claim;
import org.quantrain.integer.CodesBatch;
import org.quantrain.integer.CodesSource;
import org.quantrain.integer.IntegerInterpreter;
import org.quantrain.integer.IntegerLayer;
import org.quantrain.integer.IntegerModel;
import org.quantrain.integer.VerificationReport;
import org.quantrain.onnx.OnnxReader;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.quant.Quantizer;
import org.quantrain.quant.Target;
import org.quantrain.tensor.HostTensor;
import org.quantrain.testkit.Calibrated;
import org.quantrain.train.Recipe;
import org.quantrain.zoo.Zoo;

/**
 * Transformers and their like: convolutions, linear layers, products of activations and sums run in
 * integers, what is between them in float.
 */
class FloatIslandsTest {
  /** Integer kernels of the runtime whose arithmetic is no contract: what they do stays float. */
  private static final Set<String> OTHERS =
      Set.of(
          "QLinearSoftmax",
          "QLinearSigmoid",
          "QLinearLeakyRelu",
          "QLinearMul",
          "QLinearWhere",
          "QLinearReduceMean",
          "MatMulInteger",
          "MatMulIntegerToFloat",
          "DynamicQuantizeMatMul");

  private static final int IMAGES = 70;
  private static final int WORDS = 40;

  @TempDir Path folder;

  @ParameterizedTest(name = "W{0}A{1}")
  @CsvSource({"8, 8", "4, 4"})
  void everyIntegerOfAVisionTransformerIsTheRuntimes(int weights, int activations)
      throws IOException {
    Model model = Zoo.build("vit-tiny?patch=2&dim=16&depth=2&heads=2", 1, 8, 8, 10, 1);
    check(verified(model, weights, activations));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "vit_17",
        "vit_18",
        "vit_newer_17",
        "vit_newer_20",
        "convnext_13",
        "mobilenet_v3_14",
        "efficientnet_13"
      })
  void everyIntegerOfAnImportedNetworkIsTheRuntimes(String file) throws IOException {
    requireExact(verified(OnnxReader.read(pathOf(file)), 8, 8));
  }

  private VerificationReport verified(Model model, int weights, int activations)
      throws IOException {
    QuantPolicy policy =
        QuantPolicy.forTarget(Target.ORT).weights(weights).activations(activations);
    try (Quantrain quantrain = Quantrain.open()) {
      NoiseImages images = NoiseImages.of(model, IMAGES, 1);
      QuantizedNetwork quantized = quantrain.network(model).quantize(policy);
      quantized.requireExportable();
      quantized.restore(
          Calibrated.contents(quantized.model(), quantrain.backend(), images.batch()));
      Path file = folder.resolve("transformer.onnx");
      quantized.export(file);
      return quantized.verify(file, images);
    }
  }

  @Test
  void codesBehindAnIslandAreCountedApartAndBreakNoClaim() throws IOException {
    Model model = Zoo.build("vit-tiny?patch=4&dim=8&depth=1&heads=2", 1, 8, 8, 10, 1);
    try (Quantrain quantrain = Quantrain.open()) {
      NoiseImages images = NoiseImages.of(model, IMAGES, 1);
      QuantizedNetwork quantized =
          quantrain.network(model).quantize(QuantPolicy.forTarget(Target.ORT));
      quantized.restore(
          Calibrated.contents(quantized.model(), quantrain.backend(), images.batch()));
      Path file = folder.resolve("transformer.onnx");
      quantized.export(file);
      IntegerModel integer = IntegerModel.read(file);
      String island = integer.islands().iterator().next();
      try (IntegerInterpreter interpreter =
          new IntegerInterpreter(quantrain.backend(), integer, ImageBatches.BATCH)) {
        VerificationReport report =
            BitExactVerifier.of(file)
                .verify(flipping(interpreter, island), null, ImageBatches.of(images));
        assertTrue(report.holds(), report::toString);
        // One in each of two batches.
        assertEquals(2, report.claims().get(0).islandsDiffering(), report::toString);
        assertEquals(0, report.claims().get(0).differing());
      }
    }
  }

  /** The same source with one code of a tensor changed. */
  private static CodesSource flipping(CodesSource source, String tensor) {
    return new CodesSource() {
      @Override
      public String description() {
        return source.description();
      }

      @Override
      public CodesBatch run(HostTensor images) {
        return source.run(images);
      }

      @Override
      public CodesBatch run(List<HostTensor> inputs, Map<String, HostTensor> islands) {
        CodesBatch found = source.run(inputs, islands);
        HostTensor codes = found.codes().get(tensor);
        byte[] bytes = codes.bytes();
        bytes[0] ^= 1;
        Map<String, HostTensor> changed = new HashMap<>(found.codes());
        changed.put(tensor, HostTensor.ofBytes(codes.spec(), bytes));
        return new CodesBatch(changed, found.logits());
      }

      @Override
      public void close() {}
    };
  }

  @ParameterizedTest
  @ValueSource(strings = {"ema", "lsq"})
  void aVisionTransformerIsTrainedThroughItsQuantizersInEveryPart(String quantizer)
      throws IOException {
    Model model = Zoo.build("vit-tiny?patch=4&dim=8&depth=1&heads=2", 1, 8, 8, 10, 1);
    QuantPolicy policy =
        QuantPolicy.forTarget(Target.ORT).quantizer(Quantizer.of(quantizer));
    try (Quantrain quantrain = Quantrain.open()) {
      DataSource images = Datasets.load("digits?limit=96").train();
      QuantizedNetwork quantized = quantrain.network(model).quantize(policy);
      quantized.train(images, Recipe.defaults().epochs(0, 1).batch(16).validationFraction(0));
      Map<String, HostTensor> trained = quantized.model().contents();
      List<String> unmoved =
          model.graph().persistent().stream()
              .map(Value::name)
              .filter(name -> Arrays.equals(before(model, name), trained.get(name).bytes()))
              .toList();
      assertEquals(List.of(), unmoved);
      Path file = folder.resolve("trained.onnx");
      quantized.export(file);
      VerificationReport report = quantized.verify(file, images);
      assertTrue(report.holds(), report::toString);
    }
  }

  private static byte[] before(Model model, String name) {
    return model.contents().get(name).bytes();
  }

  /** With one element for each head nothing scales the scores: softmax alone is between codes. */
  @Test
  void noRuntimeMakesAnIntegerSoftmax() throws IOException {
    check(verified(Zoo.build("vit-tiny?patch=4&dim=4&depth=1&heads=4", 1, 8, 8, 10, 1), 8, 8));
  }

  @ParameterizedTest
  @ValueSource(strings = {"bert-tiny", "gpt-tiny"})
  void everyIntegerOfATextTransformerIsTheRuntimes(String name) throws IOException {
    check(verifiedText(Zoo.buildText(name + "?dim=16", 12, WORDS, 3, 1)));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "bert_13",
        "bert_21",
        "bert_newer_17",
        "bert_newer_18",
        "gpt_17",
        "gpt_20",
        "gpt_newer_18"
      })
  void everyIntegerOfAnImportedTextTransformerIsTheRuntimes(String file) throws IOException {
    check(verifiedText(OnnxReader.read(pathOf(file))));
  }

  private VerificationReport verifiedText(Model model) throws IOException {
    try (Quantrain quantrain = Quantrain.open()) {
      Path file = folder.resolve("transformer.onnx");
      VerificationReport report =
          RandomTexts.verified(
              quantrain, model, QuantPolicy.forTarget(Target.ORT), WORDS, file);
      List<IntegerLayer> layers = IntegerModel.read(file).layers();
      assertTrue(layers.stream().anyMatch(IntegerLayer.Lookup.class::isInstance));
      return report;
    }
  }

  private static Path pathOf(String file) {
    return Path.of("src/test/resources/onnx/" + file + ".onnx");
  }

  private static void check(VerificationReport report) {
    requireExact(report);
    Set<String> executed = report.runtime().operators().keySet();
    assertTrue(executed.containsAll(Set.of("QLinearMatMul", "QGemm", "QLinearAdd")));
  }

  private static void requireExact(VerificationReport report) {
    assertTrue(report.holds(), report::toString);
    assertEquals(List.of("V2", "V3"), report.claims().stream().map(Claim::claim).toList());
    Set<String> executed = report.runtime().operators().keySet();
    assertTrue(Collections.disjoint(executed, OTHERS), executed::toString);
    Claim v2 = report.claims().get(0);
    assertTrue(v2.islandsCompared() > 0, report::toString);
    assertTrue(v2.compared() > v2.islandsCompared(), report::toString);
  }
}
