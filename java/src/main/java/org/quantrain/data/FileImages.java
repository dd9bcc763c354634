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
 * as bytes, at the size of all, as long as all that is kept stays below a quarter of the Java heap;
 * the others are decoded again each time, and so are those of other sizes of which a part is read.
 */
final class FileImages implements DataSource {
  /**
   * An image in memory.
   *
   * @param asInFile not scaled
   */
  private record Kept(byte[] pixels, boolean asInFile) {}

  private final String name;
  private final List<Path> files;
  private final int[] labels;
  private final List<String> classNames;
  private final ImageSize size;
  private final boolean scaled;
  private final int channels;
  private final Normalization normalization;
  private final PixelTable table;
  private final AtomicReferenceArray<Kept> kept;
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
    this.kept = new AtomicReferenceArray<>(files.size());
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
    Objects.checkFromIndexSize(offset, imageFloats(), out.length);
    Kept image = kept.get(index);
    if (image == null) {
      ImageFile file = decode(index);
      image =
          isFitting(file)
              ? keep(index, file.pixels(), true)
              : keep(
                  index,
                  scaled(
                      file, Resampling.covering(file.height(), file.width(), channels, size)),
                  false);
    }
    table.write(image.pixels, 0, image.pixels.length, out, offset);
  }

  @Override
  public void read(int index, Cropping cropping, float[] out, int offset) {
    Objects.checkFromIndexSize(offset, imageFloats(), out.length);
    Kept image = kept.get(index);
    ImageFile file =
        image != null && image.asInFile
            ? new ImageFile(size.height(), size.width(), channels, image.pixels)
            : decode(index);
    if (image == null && isFitting(file)) {
      keep(index, file.pixels(), true);
    }
    Region part = cropping.of(file.height(), file.width());
    byte[] pixels =
        scaled(file, Resampling.of(part, file.height(), file.width(), channels, size));
    table.write(pixels, 0, pixels.length, out, offset);
  }

  private boolean isFitting(ImageFile file) {
    return file.height() == size.height() && file.width() == size.width();
  }

  /** Keeps an image, if there is room. */
  private Kept keep(int index, byte[] pixels, boolean asInFile) {
    Kept image = new Kept(pixels, asInFile);
    if (room.addAndGet(-pixels.length) >= 0) {
      kept.set(index, image);
    }
    return image;
  }

  private ImageFile decode(int index) {
    Path file = files.get(index);
    try {
      ImageFile image = ImageFile.read(file, channels);
      if (!scaled && !isFitting(image)) {
        throw new DataException(
            file,
            "%dx%d pixels, %s has %s"
                .formatted(image.height(), image.width(), files.get(0).getFileName(), size),
            "give size=N to scale all images to one size");
      }
      return image;
    } catch (DataException e) {
      throw new UncheckedIOException(e);
    }
  }

  private byte[] scaled(ImageFile file, Resampling resampling) {
    byte[] old = file.pixels();
    int row = file.width() * channels;
    float[] means = new float[imageFloats()];
    resampling.apply(
        (y, to) -> {
          for (int i = 0; i < row; i++) {
            to[i] = old[y * row + i] & 0xff;
          }
        },
        means,
        0);
    byte[] bytes = new byte[means.length];
    for (int i = 0; i < bytes.length; i++) {
      bytes[i] = (byte) Math.round(means[i]); // a mean of bytes, with weights that sum to 1
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
