package org.quantrain.data;

import java.util.List;
import java.util.Objects;
import java.util.Optional;

/** A view of some images of another source, in an order of its own. */
final class Subset implements DataSource {
  private final DataSource source;
  private final int[] indices;

  Subset(DataSource source, int[] indices) {
    this.source = source;
    this.indices = indices.clone();
    if (indices.length == 0) {
      throw new IllegalArgumentException("a subset of " + source.name() + " needs an image");
    }
    for (int index : this.indices) {
      Objects.checkIndex(index, source.size());
    }
  }

  @Override
  public String name() {
    return source.name();
  }

  @Override
  public int size() {
    return indices.length;
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
  public void read(int index, float[] pixels, int offset) {
    source.read(indices[index], pixels, offset);
  }

  @Override
  public void read(int index, Cropping cropping, float[] pixels, int offset) {
    source.read(indices[index], cropping, pixels, offset);
  }

  @Override
  public int label(int index) {
    return source.label(indices[index]);
  }

  @Override
  public float paddingValue(int channel) {
    return source.paddingValue(channel);
  }

  @Override
  public Optional<Normalization> normalization() {
    return source.normalization();
  }

  @Override
  public boolean isCostly() {
    return source.isCostly();
  }
}
