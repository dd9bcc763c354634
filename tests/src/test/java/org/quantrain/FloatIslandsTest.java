package org.quantrain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
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
import org.quantrain.integer.ImageBatch;
import org.quantrain.integer.IntegerInterpreter;
import org.quantrain.integer.IntegerModel;
import org.quantrain.integer.VerificationReport;
import org.quantrain.onnx.OnnxReader;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.quant.Quantizer;
import org.quantrain.quant.Target;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
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
  private static final int TEXTS = 16;
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
  @ValueSource(strings = {"vit_17", "convnext_13", "mobilenet_v3_14", "efficientnet_13"})
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
  @ValueSource(strings = {"bert_13", "gpt_17"})
  void everyIntegerOfAnImportedTextTransformerIsTheRuntimes(String file) throws IOException {
    check(verifiedText(OnnxReader.read(pathOf(file))));
  }

  private VerificationReport verifiedText(Model model) throws IOException {
    QuantPolicy policy = QuantPolicy.forTarget(Target.ORT);
    try (Quantrain quantrain = Quantrain.open()) {
      QuantizedNetwork quantized = quantrain.network(model).quantize(policy);
      quantized.requireExportable();
      ImageBatch first = texts(model, 1);
      quantized.restore(
          Calibrated.contents(quantized.model(), quantrain.backend(), first.inputs()));
      Path file = folder.resolve("transformer.onnx");
      quantized.export(file);
      IntegerModel integer = IntegerModel.read(file);
      try (IntegerInterpreter interpreter =
              new IntegerInterpreter(quantrain.backend(), integer, TEXTS);
          EvaluationCodes training =
              new EvaluationCodes(quantrain.backend(), quantized.model(), TEXTS)) {
        return BitExactVerifier.of(file)
            .verify(interpreter, training, List.of(first, texts(model, 2)).iterator());
      }
    }
  }

  /** Random tokens; a few at the end of each text do not count. */
  private static ImageBatch texts(Model model, long seed) {
    Random random = new Random(seed);
    List<HostTensor> inputs = new ArrayList<>();
    for (Value input : model.graph().inputs()) {
      Shape shape = input.spec().shape().withBatch(TEXTS);
      int[] values = new int[(int) shape.elements()];
      for (int i = 0; i < values.length; i++) {
        values[i] =
            switch (input.name()) {
              case "attention_mask" -> i % shape.dim(1) < 9 ? 1 : 0;
              case "token_type_ids" -> random.nextInt(2);
              default -> random.nextInt(WORDS);
            };
      }
      inputs.add(HostTensor.of(shape, values));
    }
    return new ImageBatch(inputs, TEXTS - 1, null);
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
