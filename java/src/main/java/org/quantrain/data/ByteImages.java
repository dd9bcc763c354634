package org.quantrain.data;

import java.util.List;
import java.util.Objects;
import java.util.Optional;
import java.util.stream.IntStream;

/**
 * Images kept as one byte per value, a quarter of their floats, and normalized on read by a table
 * of all byte values per channel.
 */
final class ByteImages implements DataSource {
  private final String name;
  private final int height;
  private final int width;
  private final int channels;
  private final byte[] pixels; // (N, H, W, C)
  private final byte[] labels; // (N), unsigned
  private final List<String> classNames;
  private final Normalization normalization;
  private final PixelTable table;

  /**
   * The arrays are kept, not copied; nobody writes to them afterwards. The caller has checked that
   * no pixel is above maximum and that every label has a name.
   */
  ByteImages(
      String name,
      int height,
      int width,
      int channels,
      byte[] pixels,
      byte[] labels,
      List<String> classNames,
      Normalization normalization,
      int maximum) {
    if ((long) labels.length * height * width * channels != pixels.length || labels.length == 0) {
      throw new IllegalArgumentException(
          "%d labels and %d bytes do not make images of %dx%dx%d"
              .formatted(labels.length, pixels.length, height, width, channels));
    }
    if (!normalization.fits(channels)) {
      throw new IllegalArgumentException(
          "%s has %d channel(s), the normalization %d (%s)"
              .formatted(name, channels, normalization.mean().length, normalization));
    }
    this.name = name;
    this.height = height;
    this.width = width;
    this.channels = channels;
    this.pixels = pixels;
    this.labels = labels;
    this.classNames = List.copyOf(classNames);
    this.normalization = normalization;
    this.table = new PixelTable(normalization, channels, maximum);
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public int size() {
    return labels.length;
  }

  @Override
  public int height() {
    return height;
  }

  @Override
  public int width() {
    return width;
  }

  @Override
  public int channels() {
    return channels;
  }

  @Override
  public List<String> classNames() {
    return classNames;
  }

  @Override
  public void read(int index, float[] out, int offset) {
    Objects.checkIndex(index, labels.length);
    int length = height * width * channels;
    Objects.checkFromIndexSize(offset, length, out.length);
    table.write(pixels, index * length, length, out, offset);
  }

  @Override
  public int label(int index) {
    return labels[index] & 0xff;
  }

  @Override
  public Optional<Normalization> normalization() {
    return Optional.of(normalization);
  }

  @Override
  public float paddingValue(int channel) {
    return table.black(channel);
  }

  /** The names "0", "1", ... of classes that have no others. */
  static List<String> numbered(int classes) {
    return IntStream.range(0, classes).mapToObj(Integer::toString).toList();
  }
}
