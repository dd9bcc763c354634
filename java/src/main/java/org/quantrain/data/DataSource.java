package org.quantrain.data;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;

/**
 * Labelled images of one size. This is the interface to implement for own data; six methods are
 * enough:
 *
 * <pre>{@code
 * record Stripes(int size) implements DataSource {
 *   public String name() { return "stripes"; }
 *   public int height() { return 8; }
 *   public int width() { return 8; }
 *   public int channels() { return 1; }
 *   public List<String> classNames() { return List.of("horizontal", "vertical"); }
 *   public int label(int index) { return index % 2; }
 *   public void read(int index, float[] pixels, int offset) {
 *     for (int i = 0; i < 64; i++) {
 *       pixels[offset + i] = (label(index) == 0 ? i / 8 : i % 8) % 2;
 *     }
 *   }
 * }
 * }</pre>
 *
 * <p>An implementation is immutable as far as a caller can see: reads may come from several threads
 * at once, and the same index always gives the same bits. (Randomness belongs into {@link
 * Augmentation}, where a seed decides it.)
 */
public interface DataSource {
  /** A short name for logs and reports. */
  String name();

  /** How many images there are, at least 1. */
  int size();

  /** Rows of every image, at least 1. */
  int height();

  /** Columns of every image, at least 1. */
  int width();

  /** Channels of every image, at least 1. */
  int channels();

  /** The names of the classes; the label k means the k-th name. */
  List<String> classNames();

  /**
   * Writes one image, normalized, channels last: the pixel (y, x) of channel c goes to {@code
   * pixels[offset + (y * width() + x) * channels() + c]}. Writes {@link #imageFloats()} floats and
   * nothing else.
   *
   * @param index 0 &lt;= index &lt; size()
   * @throws IndexOutOfBoundsException if index, or offset + imageFloats(), is out of range
   * @throws java.io.UncheckedIOException if the image lies in a file that can no longer be read
   */
  void read(int index, float[] pixels, int offset);

  /**
   * Writes a part of one image, scaled to the size of all, as the other {@code read} does. A source
   * whose images are larger before it scales them overrides this, so that the part is cut out of
   * what there was.
   *
   * @param cropping chooses the part; called once
   * @throws IllegalArgumentException if the part is not inside the image
   */
  default void read(int index, Cropping cropping, float[] pixels, int offset) {
    float[] whole = new float[imageFloats()];
    read(index, whole, 0);
    ImageSize size = new ImageSize(height(), width());
    Resampling.of(cropping.of(height(), width()), height(), width(), channels(), size)
        .apply(whole, pixels, offset);
  }

  /**
   * The class of one image, 0 &lt;= label &lt; classes().
   *
   * @throws IndexOutOfBoundsException if not 0 &lt;= index &lt; size()
   */
  int label(int index);

  /** How many classes there are. */
  default int classes() {
    return classNames().size();
  }

  /** How many floats one image has: height * width * channels. */
  default int imageFloats() {
    return Math.multiplyExact(Math.multiplyExact(height(), width()), channels());
  }

  /**
   * The value that pixels outside the image take when an augmentation shifts it. A source that
   * knows what black becomes after its normalization returns that; the default is 0.
   *
   * @param channel 0 &lt;= channel &lt; channels()
   */
  default float paddingValue(int channel) {
    return 0f;
  }

  /** What was done to the pixels, for whoever deploys a model of them; empty if that is unknown. */
  default Optional<Normalization> normalization() {
    return Optional.empty();
  }

  /**
   * Whether reading an image costs much more than copying it (a file must be decoded, say): then
   * the images of a batch are read by several threads at once.
   */
  default boolean isCostly() {
    return false;
  }

  /**
   * A view of some images of this source, in the given order.
   *
   * @param indices indices into this source; copied; at least one, repetitions allowed
   * @throws IndexOutOfBoundsException if one of them is not below size()
   */
  default DataSource subset(int... indices) {
    return new Subset(this, indices);
  }

  /**
   * A view of the first {@code count} images after a seeded shuffle, so that a small part of a file
   * sorted by class still has all classes; this source itself if it has no more than that.
   *
   * @param count at least 1
   */
  default DataSource limit(int count, long seed) {
    if (count < 1) {
      throw new IllegalArgumentException("a limit is at least 1, got " + count);
    }
    if (count >= size()) {
      return this;
    }
    int[] order = CounterRandom.permutation(size(), CounterRandom.key(seed, 0, 0, 0));
    return subset(Arrays.copyOf(order, count));
  }
}
