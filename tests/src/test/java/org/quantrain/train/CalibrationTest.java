package org.quantrain.train;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.quantrain.backend.cpu.CpuBackend;
import org.quantrain.data.DataSource;
import org.quantrain.data.Datasets;
import org.quantrain.graph.Model;
import org.quantrain.pass.Pipelines;
import org.quantrain.quant.Calibrator;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.quant.Target;
import org.quantrain.runtime.Backend;
import org.quantrain.tensor.HostTensor;
import org.quantrain.zoo.Zoo;

/** Ranges from images without training. */
class CalibrationTest {
  /** Not a multiple of any batch, so that a rest is left over. */
  private static final int IMAGES = 150;

  private static Backend backend;
  private static DataSource images;
  private static Model model;

  @BeforeAll
  static void open() throws Exception {
    backend = CpuBackend.open();
    images = Datasets.load("digits?mean=0.3&std=0.4&limit=" + IMAGES).train();
    model =
        Pipelines.quantize(
            Zoo.build("resnet8", 1, 8, 8, 10, 3), QuantPolicy.forTarget(Target.ORT));
  }

  @AfterAll
  static void close() {
    backend.close();
  }

  private static float value(Map<String, HostTensor> contents, String name) {
    return contents.get(name).floats()[0];
  }

  private static String input() {
    return model.graph().inputs().get(0).name();
  }

  @Test
  void theRangeIsThatOfTheSmallestAndLargestValueOfAllImages() {
    float min = Float.POSITIVE_INFINITY;
    float max = Float.NEGATIVE_INFINITY;
    float[] pixels = new float[images.imageFloats()];
    for (int i = 0; i < images.size(); i++) {
      images.read(i, pixels, 0);
      for (float pixel : pixels) {
        min = Math.min(min, pixel);
        max = Math.max(max, pixel);
      }
    }
    Map<String, HostTensor> found = Calibration.run(backend, model, images, Calibrator.MINMAX);
    assertEquals(min, value(found, input() + ".range_min"));
    assertEquals(max, value(found, input() + ".range_max"));
    assertEquals((max - min) / 255, value(found, input() + ".scale"));
  }

  @Test
  void theOrderOfTheImagesAndEarlierRangesDoNotMatter() {
    Map<String, HostTensor> first = Calibration.run(backend, model, images, Calibrator.MINMAX);
    int[] backwards = new int[IMAGES];
    for (int i = 0; i < IMAGES; i++) {
      backwards[i] = IMAGES - 1 - i;
    }
    Map<String, HostTensor> wide = new HashMap<>(first);
    wide.replaceAll(
        (name, t) ->
            name.endsWith(".range_max") ? HostTensor.filled(t.shape(), 1e6f) : t);
    Map<String, HostTensor> second =
        Calibration.run(
            backend, model.withContents(wide), images.subset(backwards), Calibrator.MINMAX);
    first.forEach(
        (name, t) -> {
          if (!name.endsWith(".count")) {
            assertEquals(t.buffer(), second.get(name).buffer(), name);
          }
        });
  }

  @Test
  void countingCalibratorsDoNotDependOnTheOrderEither() {
    int[] backwards = new int[IMAGES];
    for (int i = 0; i < IMAGES; i++) {
      backwards[i] = IMAGES - 1 - i;
    }
    for (Calibrator calibrator : new Calibrator[] {Calibrator.PERCENTILE, Calibrator.MSE}) {
      Map<String, HostTensor> first = Calibration.run(backend, model, images, calibrator);
      Map<String, HostTensor> second =
          Calibration.run(backend, model, images.subset(backwards), calibrator);
      assertEquals(model.contents().keySet(), first.keySet());
      first.forEach((name, t) -> assertEquals(t.buffer(), second.get(name).buffer(), name));
    }
  }

  @Test
  void anOutlierWidensTheRangeOfTheExtremesOnly() {
    DataSource withOutlier = new Outlier(images, 0, 1000f);
    float plain = rangeMax(images, Calibrator.MINMAX);
    assertEquals(1000f, rangeMax(withOutlier, Calibrator.MINMAX));
    for (Calibrator calibrator : new Calibrator[] {Calibrator.PERCENTILE, Calibrator.MSE}) {
      float max = rangeMax(images, calibrator);
      assertTrue(max <= plain * 1.01f && max > plain / 2, calibrator + " " + max);
    }
    assertTrue(rangeMax(withOutlier, Calibrator.MSE) > 500, "one huge error outweighs all others");
  }

  private static float rangeMax(DataSource source, Calibrator calibrator) {
    return value(Calibration.run(backend, model, source, calibrator), input() + ".range_max");
  }

  /** One pixel of one image is another. */
  private record Outlier(DataSource source, int index, float pixel) implements DataSource {
    @Override
    public String name() {
      return source.name();
    }

    @Override
    public int size() {
      return source.size();
    }

    @Override
    public int height() {
      return source.height();
    }

    @Override
    public int width() {
      return source.width();
    }

    @Override
    public int channels() {
      return source.channels();
    }

    @Override
    public List<String> classNames() {
      return source.classNames();
    }

    @Override
    public int label(int at) {
      return source.label(at);
    }

    @Override
    public void read(int at, float[] pixels, int offset) {
      source.read(at, pixels, offset);
      if (at == index) {
        pixels[offset] = pixel;
      }
    }
  }

  @Test
  void oneImageIsEnough() {
    Map<String, HostTensor> found =
        Calibration.run(backend, model, images.subset(7), Calibrator.MINMAX);
    assertTrue(value(found, input() + ".range_max") > 0);
    assertEquals(1, found.get(input() + ".count").ints()[0]);
  }

  @Test
  void aNetworkThatOverflowsIsNamed() {
    Map<String, HostTensor> huge = new HashMap<>(model.contents());
    huge.replaceAll(
        (name, t) -> name.endsWith(".weight") ? HostTensor.filled(t.shape(), 3e38f) : t);
    NonFiniteException e =
        assertThrows(
            NonFiniteException.class,
            () ->
                Calibration.run(backend, model.withContents(huge), images, Calibrator.MINMAX));
    assertTrue(e.getMessage().contains("not finite"), e.getMessage());
  }
}
