package org.quantrain.data;

import java.util.List;
import java.util.Objects;
import java.util.Optional;

/** The images of another source at another size, scaled as they are read. */
final class Resized implements DataSource {
  private final DataSource source;
  private final ImageSize size;
  private final Resampling covering;

  Resized(DataSource source, ImageSize size) {
    this.source = source;
    this.size = size;
    this.covering =
        Resampling.covering(source.height(), source.width(), source.channels(), size);
  }

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
    return size.height();
  }

  @Override
  public int width() {
    return size.width();
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
    read(index, covering, pixels, offset);
  }

  @Override
  public void read(int index, Cropping cropping, float[] pixels, int offset) {
    Region part = cropping.of(source.height(), source.width());
    Resampling scaled =
        Resampling.of(part, source.height(), source.width(), source.channels(), size);
    read(index, scaled, pixels, offset);
  }

  private void read(int index, Resampling resampling, float[] pixels, int offset) {
    Objects.checkFromIndexSize(offset, imageFloats(), pixels.length);
    float[] image = new float[source.imageFloats()];
    source.read(index, image, 0);
    resampling.apply(image, pixels, offset);
  }

  @Override
  public int label(int index) {
    return source.label(index);
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
    return true;
  }
}
