package org.quantrain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
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
import org.quantrain.quant.Target;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.testkit.Calibrated;
import org.quantrain.zoo.Zoo;

/**
 * Linear layers, products of activations and sums of transformers run in integers, what is between
 * them in float.
 */
class QuantizedTransformersTest {
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

  @Test
  void everyIntegerOfAnImportedVisionTransformerIsTheRuntimes() throws IOException {
    check(verified(OnnxReader.read(Path.of("src/test/resources/onnx/vit_17.onnx")), 8, 8));
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
  @ValueSource(strings = {"bert-tiny", "gpt-tiny"})
  void everyIntegerOfATextTransformerIsTheRuntimes(String name) throws IOException {
    check(verifiedText(Zoo.buildText(name + "?dim=16", 12, WORDS, 3, 1)));
  }

  @ParameterizedTest
  @ValueSource(strings = {"bert_13", "gpt_17"})
  void everyIntegerOfAnImportedTextTransformerIsTheRuntimes(String file) throws IOException {
    check(
        verifiedText(OnnxReader.read(Path.of("src/test/resources/onnx/" + file + ".onnx"))));
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

  private static void check(VerificationReport report) {
    assertTrue(report.holds(), report::toString);
    assertEquals(List.of("V2", "V3"), report.claims().stream().map(Claim::claim).toList());
    Claim v2 = report.claims().get(0);
    assertTrue(v2.islandsCompared() > 0, report::toString);
    assertTrue(v2.compared() > v2.islandsCompared(), report::toString);
  }
}
