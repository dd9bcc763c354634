package org.quantrain.data;

import java.io.UncheckedIOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReferenceArray;

/**
 * Images that each lie in a file of their own. An image is decoded when it is first read and kept
 * as bytes, as long as all that is kept stays below a quarter of the Java heap; the others are
 * decoded again each time.
 */
final class FileImages implements DataSource {
  private final String name;
  private final List<Path> files;
  private final int[] labels;
  private final List<String> classNames;
  private final ImageSize size;
  private final boolean scaled;
  private final int channels;
  private final Normalization normalization;
  private final PixelTable table;
  private final AtomicReferenceArray<byte[]> decoded;
  private final AtomicLong room = new AtomicLong(Runtime.getRuntime().maxMemory() / 4);

  /**
   * @param files at least one
   * @param size of every image
   * @param scaled false: an image of another size is an error
   */
  FileImages(
      String name,
      List<Path> files,
      int[] labels,
      List<String> classNames,
      ImageSize size,
      boolean scaled,
      int channels,
      Normalization normalization) {
    this.name = name;
    this.files = List.copyOf(files);
    this.labels = labels.clone();
    this.classNames = List.copyOf(classNames);
    this.size = size;
    this.scaled = scaled;
    this.channels = channels;
    this.normalization = normalization;
    this.table = new PixelTable(normalization, channels, 255);
    this.decoded = new AtomicReferenceArray<>(files.size());
  }

  @Override
  public String name() {
    return name;
  }

  @Override
  public int size() {
    return files.size();
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
    return channels;
  }

  @Override
  public List<String> classNames() {
    return classNames;
  }

  @Override
  public void read(int index, float[] out, int offset) {
    Objects.checkIndex(index, files.size());
    Objects.checkFromIndexSize(offset, imageFloats(), out.length);
    byte[] pixels = decoded.get(index);
    if (pixels == null) {
      try {
        pixels = decode(files.get(index));
      } catch (DataException e) {
        throw new UncheckedIOException(e);
      }
      if (room.addAndGet(-pixels.length) >= 0) {
        decoded.set(index, pixels);
      }
    }
    table.write(pixels, 0, pixels.length, out, offset);
  }

  private byte[] decode(Path file) throws DataException {
    ImageFile image = ImageFile.read(file, channels);
    if (image.height() == size.height() && image.width() == size.width()) {
      return image.pixels();
    }
    if (!scaled) {
      throw new DataException(
          file,
          "%dx%d pixels, %s has %s"
              .formatted(image.height(), image.width(), files.get(0).getFileName(), size),
          "give size=N to scale all images to one size");
    }
    byte[] pixels = image.pixels();
    float[] plain = new float[pixels.length];
    for (int i = 0; i < plain.length; i++) {
      plain[i] = pixels[i] & 0xff;
    }
    float[] fitted = new float[imageFloats()];
    new Resampling(image.height(), image.width(), channels, size).apply(plain, fitted, 0);
    byte[] bytes = new byte[fitted.length];
    for (int i = 0; i < bytes.length; i++) {
      bytes[i] = (byte) Math.round(fitted[i]); // a mean of bytes, with weights that sum to 1
    }
    return bytes;
  }

  @Override
  public int label(int index) {
    return labels[index];
  }

  @Override
  public Optional<Normalization> normalization() {
    return Optional.of(normalization);
  }

  @Override
  public float paddingValue(int channel) {
    return table.black(channel);
  }

  @Override
  public boolean isCostly() {
    return true;
  }
}
