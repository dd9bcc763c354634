package org.quantrain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import org.quantrain.data.DataSource;
import org.quantrain.graph.Model;
import org.quantrain.integer.VerificationReport;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.testkit.Calibrated;
import org.quantrain.testkit.EdgeValues;

/** Gaussian noise of a network's input size. */
record NoiseImages(Shape shape, int size, long seed) implements DataSource {
  private static final int CLASSES = 5;

  static NoiseImages of(Model model, int size, long seed) {
    return new NoiseImages(model.graph().inputs().get(0).spec().shape(), size, seed);
  }

  /**
   * Quantizes, calibrates on noise and exports to the file, which must compute the codes of training,
   * in its runtime and in the interpreter.
   */
  static VerificationReport verified(
      Quantrain quantrain, Model model, QuantPolicy policy, int size, long seed, Path file)
      throws IOException {
    NoiseImages images = of(model, size, seed);
    QuantizedNetwork quantized = quantrain.network(model).quantize(policy);
    quantized.requireExportable();
    quantized.restore(Calibrated.contents(quantized.model(), quantrain.backend(), images.batch()));
    quantized.export(file);
    VerificationReport report = quantized.verify(file, images);
    assertEquals(2, report.claims().size());
    assertTrue(report.holds(), report::toString);
    return report;
  }

  /** All images, channels last. */
  HostTensor batch() {
    float[] pixels = new float[size * imageFloats()];
    for (int i = 0; i < size; i++) {
      read(i, pixels, i * imageFloats());
    }
    return HostTensor.of(shape.withBatch(size), pixels);
  }

  @Override
  public String name() {
    return "noise";
  }

  @Override
  public int channels() {
    return shape.dim(1);
  }

  @Override
  public int height() {
    return shape.dim(2);
  }

  @Override
  public int width() {
    return shape.dim(3);
  }

  @Override
  public List<String> classNames() {
    return List.of("a", "b", "c", "d", "e");
  }

  @Override
  public int label(int index) {
    return index % CLASSES;
  }

  @Override
  public void read(int index, float[] pixels, int offset) {
    float[] noise = EdgeValues.ordinary(imageFloats(), seed * 1000 + index);
    System.arraycopy(noise, 0, pixels, offset, noise.length);
  }
}
