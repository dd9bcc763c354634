package org.quantrain;

import java.util.List;
import org.quantrain.data.DataSource;
import org.quantrain.graph.Model;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.testkit.EdgeValues;

/** Gaussian noise of a network's input size. */
record NoiseImages(Shape shape, int size, long seed) implements DataSource {
  private static final int CLASSES = 5;

  static NoiseImages of(Model model, int size, long seed) {
    return new NoiseImages(model.graph().inputs().get(0).spec().shape(), size, seed);
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
