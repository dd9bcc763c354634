package org.quantrain.zoo;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.quantrain.graph.Model;
import org.quantrain.graph.Value;
import org.quantrain.op.Conv2d;
import org.quantrain.op.Relu;
import org.quantrain.tensor.Shape;
import org.quantrain.testkit.Networks;

class ZooTest {
  private static long parameters(Model model) {
    return model.graph().params().stream().mapToLong(v -> v.spec().shape().elements()).sum();
  }

  /** The parameters, and the rows that the global pool sees. */
  @ParameterizedTest
  @CsvSource({
    // Published: 11.69, 21.80, 25.56, 4.23, 3.50 and 1.97 million.
    "resnet18, 11689512",
    "resnet34, 21797672",
    "resnet50, 25557032",
    "mobilenetv1, 4231976",
    "mobilenetv2, 3504872",
    "mobilenetv2?width=0.5, 1968680"
  })
  void networksForImageNetHaveThePublishedSize(String name, long parameters) {
    Model model = Zoo.build(name, 3, 224, 224, 1000, 1);
    assertEquals(parameters, parameters(model));
    assertEquals(7, pooledRows(model));
  }

  /** Of an image of 224x224; counted by the authors of a library of such networks. */
  @ParameterizedTest
  @CsvSource({"resnet18, 1814073344", "resnet50, 4089184256"})
  void networksForImageNetMultiplyAsOftenAsPublished(String name, long multiplications) {
    Model model = Zoo.build(name, 3, 224, 224, 1000, 1);
    assertEquals(multiplications, Networks.multiplications(model));
  }

  @Test
  void transformersHaveThePublishedSize() {
    assertEquals(5_717_416, parameters(Zoo.build("vit-tiny", 3, 224, 224, 1000, 1)));
    // The published encoder is without a classifier.
    long classifier = 2 * 128 + 2;
    assertEquals(
        4_385_920, parameters(Zoo.buildText("bert-tiny", 512, 30_522, 2, 1)) - classifier);
  }

  /** He et al. 2015, equation 14: variance 2 / (outputs of a channel * window). */
  @Test
  void convolutionsStartAsThePaperSays() {
    Model model = Zoo.build("resnet18", 3, 64, 64, 10, 1);
    List<Value> large =
        model.graph().params().stream()
            .filter(v -> v.spec().shape().rank() == 4 && v.spec().shape().elements() > 30_000)
            .toList();
    assertTrue(large.size() > 15, large::toString);
    for (Value v : large) {
      Shape w = v.spec().shape();
      double expected = Math.sqrt(2.0 / (w.dim(0) * w.dim(2) * w.dim(3)));
      assertEquals(1, deviation(model, v.name()) / expected, 0.02, v.name());
    }
  }

  @Test
  void addedLayersOfADecoderStartSmallerWithItsDepth() {
    Model shallow = Zoo.buildText("gpt-tiny?depth=1", 8, 40, 0, 1);
    Model deep = Zoo.buildText("gpt-tiny?depth=8", 8, 40, 0, 1);
    String added = "block1.mlp.down.weight";
    double ratio = deviation(shallow, added) / deviation(deep, added);
    assertEquals(Math.sqrt(8), ratio, 0.05);
    assertEquals(0.02, deviation(deep, "block1.mlp.up.weight"), 0.001);
  }

  private static double deviation(Model model, String weights) {
    double squares = 0;
    float[] values = model.contents().get(weights).floats();
    for (float v : values) {
      squares += (double) v * v;
    }
    return Math.sqrt(squares / values.length);
  }

  @ParameterizedTest
  @CsvSource({"resnet20, 0.27", "resnet32, 0.46", "resnet56, 0.85"})
  void networksForCifarHaveThePublishedParameters(String model, double millions) {
    // The paper's shortcuts have no parameters; ours are two convolutions with batch norm.
    long shortcuts = 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64;
    long parameters = parameters(Zoo.build(model, 3, 32, 32, 10, 1)) - shortcuts;
    assertEquals(millions, Math.round(parameters / 1e4) / 100.0, model);
  }

  @ParameterizedTest
  @CsvSource({"resnet18, 4", "mobilenetv1?width=0.25, 4", "mobilenetv2, 4", "resnet20, 8"})
  void smallImagesKeepTheirResolutionInTheFirstLayers(String name, int rows) {
    assertEquals(rows, pooledRows(Zoo.build(name, 3, 32, 32, 10, 1)));
  }

  private static int pooledRows(Model model) {
    return model.graph().nodes().stream()
        .filter(n -> n.name().equals("pool"))
        .findFirst()
        .orElseThrow()
        .input(0)
        .spec()
        .shape()
        .dim(2);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "lenet",
        "resnet8",
        "resnet20",
        "resnet18",
        "mobilenetv1?width=0.25",
        "mobilenetv2?width=0.25",
        "vgg11"
      })
  void everyFamilyTakesTheSmallestImages(String model) {
    Model built = Zoo.build(model, 1, 4, 5, 7, 1);
    assertEquals(Shape.of(Shape.BATCH, 7), built.graph().outputs().get(0).spec().shape());
  }

  @Test
  void everyNameIsANetwork() {
    Zoo.names().forEach(Zoo::check);
  }

  @Test
  void resNet50HasItsStridesInTheThreeByThreeConvolutions() {
    Zoo.build("resnet50", 3, 64, 64, 10, 1).graph().nodes().stream()
        .filter(n -> n.op() instanceof Conv2d && n.name().startsWith("block"))
        .filter(n -> ((Conv2d) n.op()).geometry().strideH() == 2)
        .forEach(
            n ->
                assertTrue(
                    n.name().endsWith(".conv2") || n.name().endsWith(".shortcut"), n.name()));
  }

  @Test
  void theWidthRoundsToMultiplesOfEightButNotTenPercentDown() {
    Model model = Zoo.build("mobilenetv2?width=0.35", 3, 32, 32, 10, 1);
    // 32 * 0.35 = 11.2 would round to 8, which is 29 % below.
    assertEquals(16, channels(model, "conv1"));
    // 24 * 0.35 = 8.4 rounds to 8, which is 5 % below.
    assertEquals(8, channels(model, "block2.project"));
    assertEquals(1280, channels(model, "conv2"));
    assertEquals(1792, channels(Zoo.build("mobilenetv2?width=1.4", 3, 8, 8, 10, 1), "conv2"));
    Model wide = Zoo.build("resnet8?width=2.5", 3, 8, 8, 10, 1);
    assertEquals(40, channels(wide, "conv1"));
    assertEquals(160, channels(wide, "block3.conv2"));
  }

  private static int channels(Model model, String layer) {
    return model.graph().value(layer).orElseThrow().spec().shape().dim(1);
  }

  @Test
  void theActivationOfMobileNetsIsAChoice() {
    assertEquals(6, upper("mobilenetv2"));
    assertEquals(6, upper("mobilenetv1?activation=relu6"));
    assertEquals(Float.POSITIVE_INFINITY, upper("mobilenetv2?activation=relu&width=0.25"));
  }

  private static float upper(String model) {
    return Zoo.build(model, 3, 8, 8, 10, 1).graph().nodes().stream()
        .filter(n -> n.op() instanceof Relu)
        .map(n -> ((Relu) n.op()).upper())
        .distinct()
        .reduce((a, b) -> Float.NaN)
        .orElseThrow();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "resnet21|models are: lenet, resnet8",
        "resnet18?width=2|resnet18 has no options",
        "resnet20?width=17|width: expected a number of 0.25 to 16.0, got '17'",
        "mobilenetv2?depth=2|options are: width, activation",
        "mobilenetv2?width=wide|width: expected a number of 0.1 to 4.0, got 'wide'",
        "mobilenetv2?width=NaN|got 'NaN'",
        "mobilenetv2?width=9|got '9'",
        "mobilenetv2?activation=swish|activation: expected relu6 or relu, got 'swish'",
        "vit-tiny?patch=5|patch: expected a divisor of 32x32 pixels, got 5",
        "vit-tiny?dim=100|dim: expected a multiple of the 3 heads, got 100",
        "vit-tiny?depth=1.5|depth: expected a whole number, got '1.5'",
        "mobilenetv2?width|expected KEY=VALUE",
        "mobilenetv2?width=1&width=2|a second time"
      })
  void whatIsUnknownIsNamedWithWhatThereIs(String model, String message) {
    IllegalArgumentException e =
        assertThrows(
            IllegalArgumentException.class, () -> Zoo.build(model, 3, 32, 32, 10, 1), model);
    assertTrue(e.getMessage().contains(message), e.getMessage());
  }
}
