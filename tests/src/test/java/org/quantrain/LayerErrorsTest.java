package org.quantrain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.quantrain.data.DataSource;
import org.quantrain.data.Datasets;
import org.quantrain.quant.Calibrator;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.quant.Quantizer;
import org.quantrain.quant.Target;
import org.quantrain.zoo.Zoo;

/** The error of each layer of a network that was quantized without training. */
class LayerErrorsTest {
  private static final QuantPolicy ORT = QuantPolicy.forTarget(Target.ORT);

  private static Quantrain quantrain;
  private static DataSource images;

  @BeforeAll
  static void open() throws Exception {
    quantrain = Quantrain.open();
    images = Datasets.load("digits?limit=50").train();
  }

  @AfterAll
  static void close() {
    quantrain.close();
  }

  private static List<LayerError> errors(QuantPolicy policy) {
    Network network = quantrain.network(Zoo.build("resnet8", 1, 8, 8, 10, 1));
    QuantizedNetwork quantized = network.quantize(policy);
    quantized.calibrate(images, Calibrator.MINMAX);
    return quantized.layerErrors(images);
  }

  @Test
  void theErrorOfTheInputIsThatOfRoundingItsPixels() {
    LayerError input = errors(ORT).get(0);
    double signal = 0;
    double noise = 0;
    float[] pixels = new float[images.imageFloats()];
    for (int i = 0; i < images.size(); i++) {
      images.read(i, pixels, 0);
      for (float x : pixels) {
        double y = (double) input.scale() * Math.rint(x / input.scale());
        signal += (double) x * x;
        noise += (x - y) * (x - y);
      }
    }
    assertEquals("input", input.kind());
    assertEquals(8, input.bits());
    assertEquals(0, input.zeroPoint());
    assertEquals(10 * Math.log10(signal / noise), input.sqnr(), 1e-9);
  }

  @Test
  void everyLayerIsThereOnceInOrderAndTheLogitsLast() {
    List<LayerError> errors = errors(ORT);
    assertEquals(
        errors.size(), errors.stream().map(e -> e.kind() + e.name()).distinct().count());
    assertEquals("linear", errors.get(errors.size() - 1).kind());
    assertEquals(32, errors.get(errors.size() - 1).bits());
    assertEquals(3, errors.stream().filter(e -> e.kind().equals("add")).count());
    assertEquals(9, errors.stream().filter(e -> e.kind().equals("conv")).count());
    for (LayerError e : errors) {
      assertEquals(e.weightBits() > 0, e.weightSqnr() > 40, e.toString());
      assertTrue(e.sqnr() > 25, e.toString());
    }
  }

  @Test
  void fewerBitsHaveMoreNoise() {
    List<LayerError> eight = errors(ORT);
    List<LayerError> four = errors(ORT.weights(4).activations(4));
    double eightLast = eight.get(eight.size() - 1).sqnr();
    double fourLast = four.get(four.size() - 1).sqnr();
    assertTrue(fourLast < eightLast - 10, fourLast + " and " + eightLast);
  }

  @Test
  void learnedScalesAreNotCalibrated() {
    QuantizedNetwork learned =
        quantrain
            .network(Zoo.build("lenet", 1, 8, 8, 10, 1))
            .quantize(ORT.quantizer(Quantizer.LSQ));
    IllegalArgumentException e =
        assertThrows(
            IllegalArgumentException.class, () -> learned.calibrate(images, Calibrator.MINMAX));
    assertTrue(e.getMessage().contains("lsq"), e.getMessage());
  }
}
