package org.quantrain;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.quantrain.graph.Model;
import org.quantrain.integer.CodesBatch;
import org.quantrain.integer.IntegerInterpreter;
import org.quantrain.integer.IntegerModel;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.quant.Target;
import org.quantrain.tensor.HostTensor;
import org.quantrain.testkit.Calibrated;
import org.quantrain.testkit.RandomNetwork;
import org.quantrain.zoo.Zoo;

/** The interpreter's fast road gives the codes of its reference loops, tensor by tensor. */
class InterpreterRoadsTest {
  private static final int IMAGES = 3;
  private static final int SIDE = 20;
  private static final int RANDOM_NETWORKS = 20;

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

  static List<String> models() {
    List<String> models = new ArrayList<>(Zoo.names());
    models.add("mobilenetv1?width=0.25&activation=relu");
    models.add("mobilenetv2?width=0.5");
    return models;
  }

  @ParameterizedTest
  @MethodSource("models")
  void bothRoadsGiveTheSameCodesOfEveryModelOfTheZoo(String name) throws IOException {
    Model model = Zoo.build(name, 3, SIDE, SIDE, 10, 1);
    check(model, QuantPolicy.forTarget(Target.ORT).weights(8).activations(8), "zoo.onnx", 1);
  }

  @Test
  void bothRoadsGiveTheSameSignedCodes() throws IOException {
    for (String name : List.of("resnet8", "mobilenetv2?width=0.25", "lenet")) {
      Model model = Zoo.build(name, 3, SIDE, SIDE, 10, 2);
      check(model, QuantPolicy.forTarget(Target.TFLITE).weights(8).activations(8), "s.tflite", 2);
    }
  }

  @Test
  void bothRoadsGiveTheSameCodesOfRandomNetworks() throws IOException {
    for (int seed = 1; seed <= RANDOM_NETWORKS; seed++) {
      check(RandomNetwork.model(seed), RandomNetwork.policy(seed), "random.onnx", seed);
    }
  }

  private void check(Model model, QuantPolicy policy, String fileName, long seed)
      throws IOException {
    HostTensor images = NoiseImages.of(model, IMAGES, seed).batch();
    QuantizedNetwork quantized = quantrain.network(model).quantize(policy);
    quantized.restore(Calibrated.contents(quantized.model(), quantrain.backend(), images));
    Path file = folder.resolve(fileName);
    quantized.export(file);
    IntegerModel integer = IntegerModel.read(file);
    try (IntegerInterpreter reference =
            new IntegerInterpreter(quantrain.backend(), integer, IMAGES);
        IntegerInterpreter fast =
            IntegerInterpreter.fast(quantrain.backend(), integer, IMAGES);
        IntegerInterpreter logits =
            IntegerInterpreter.forLogits(quantrain.backend(), integer, IMAGES)) {
      CodesBatch expected = reference.run(images);
      // Twice: what the first run left behind must not matter to the second.
      for (int run = 0; run < 2; run++) {
        CodesBatch found = fast.run(images);
        assertEquals(expected.codes().keySet(), found.codes().keySet());
        for (String tensor : expected.codes().keySet()) {
          int[] codes = expected.codes().get(tensor).codes();
          assertArrayEquals(codes, found.codes().get(tensor).codes(), tensor);
        }
        assertArrayEquals(expected.logits().bytes(), found.logits().bytes());
        CodesBatch alone = logits.run(images);
        assertTrue(alone.codes().isEmpty());
        assertArrayEquals(expected.logits().bytes(), alone.logits().bytes());
      }
    }
  }
}
