package org.quantrain.data;

import java.nio.Buffer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.util.Objects;
import java.util.concurrent.atomic.AtomicReferenceArray;
import java.util.stream.IntStream;

/**
 * The batches of a source, epoch after epoch. The order of an epoch is a permutation that depends
 * on the seed and the epoch only, and a batch is a function of (epoch, batch), so that a run
 * resumes in the middle of an epoch from its {@link Position} alone:
 *
 * <pre>{@code
 * Batches batches = Batches.shuffled(split.train(), 128, seed).with(Augmentation.cropAndFlip(4));
 * FloatBuffer images = batches.allocateImages();
 * IntBuffer labels = batches.allocateLabels();
 * try (Prefetch ahead = new Prefetch(batches, checkpoint.position(), steps, threads)) {
 *   for (int step = 0; step < steps; step++) {
 *     int valid = ahead.next(images, labels);
 *     ...
 *   }
 * }
 * }</pre>
 *
 * <p>{@link #fill} makes one batch when it is called. It may be called by several threads at once,
 * with different buffers.
 */
public final class Batches {
  /** The label of a row that is no image: the padding of a short last batch. */
  public static final int NO_LABEL = -1;

  // Purposes of the seed; limit() and the split of the digits use 0.
  private static final int ORDER = 1;
  private static final int AUGMENT = 2;

  /** What becomes of the images at the end of an epoch that do not fill a batch. */
  public enum LastBatch {
    /** They are left out of this epoch (another shuffle leaves out others). */
    DROP,
    /** They come as a batch whose further rows are zeros with the label {@link #NO_LABEL}. */
    PAD
  }

  /**
   * Where an iteration stands: the batch that comes next, and all that a checkpoint has to keep.
   *
   * @param epoch from 0
   * @param batch from 0, below {@link #batchesPerEpoch()}
   */
  public record Position(int epoch, int batch) {
    /** The first batch of all. */
    public static final Position START = new Position(0, 0);

    /**
     * @throws IllegalArgumentException if one is negative
     */
    public Position {
      if (epoch < 0 || batch < 0) {
        throw new IllegalArgumentException(
            "epoch and batch are at least 0, got %d and %d".formatted(epoch, batch));
      }
    }
  }

  private record Order(int epoch, int[] indices) {}

  /**
   * Which rows of a batch are made: of each of its runs of {@code run} rows, those of this index of
   * {@code of} equal ones.
   */
  private record Share(int index, int of, int run) {
    int rowOf(int row) {
      int own = run / of;
      return row / own * run + index * own + row % own;
    }
  }

  private record Scratch(float[] image, float[] augmented) {}

  private final DataSource source;
  private final int batchSize;
  private final boolean shuffled;
  private final long seed;
  private final LastBatch lastBatch;
  private final Augmentation augmentation;
  private final Share share;

  private final int imageFloats;
  private final int batchesPerEpoch;
  private final float[] padding;
  private final float[] zeros;
  private final ThreadLocal<Scratch> scratch;
  // Two, because threads that fill ahead are in two epochs at once around an epoch's end.
  private final AtomicReferenceArray<Order> orders = new AtomicReferenceArray<>(2);

  private Batches(
      DataSource source,
      int batchSize,
      boolean shuffled,
      long seed,
      LastBatch lastBatch,
      Augmentation augmentation,
      Share share) {
    this.share = share;
    this.source = Objects.requireNonNull(source, "source");
    this.lastBatch = Objects.requireNonNull(lastBatch, "lastBatch");
    this.augmentation = Objects.requireNonNull(augmentation, "augmentation");
    this.batchSize = batchSize;
    this.shuffled = shuffled;
    this.seed = seed;
    this.imageFloats = source.imageFloats();
    if (batchSize < 1 || (long) batchSize * imageFloats > Integer.MAX_VALUE / Float.BYTES) {
      throw new IllegalArgumentException(
          "a batch is at least 1 image and below 2 GiB, got %d images of %d floats"
              .formatted(batchSize, imageFloats));
    }
    int full = source.size() / (batchSize * share.of());
    this.batchesPerEpoch =
        lastBatch == LastBatch.PAD && source.size() % batchSize != 0 ? full + 1 : full;
    if (batchesPerEpoch == 0) {
      throw new IllegalArgumentException(
          "%s has %d images, not one batch of %d; take a smaller batch or LastBatch.PAD"
              .formatted(source.name(), source.size(), batchSize));
    }
    this.padding = new float[source.channels()];
    for (int c = 0; c < padding.length; c++) {
      padding[c] = source.paddingValue(c);
    }
    this.zeros = new float[imageFloats];
    this.scratch =
        ThreadLocal.withInitial(() -> new Scratch(new float[imageFloats], new float[imageFloats]));
  }

  /**
   * For training: another order in every epoch, a short last batch dropped, no augmentation.
   *
   * @throws IllegalArgumentException if batchSize is below 1 or above the size of the source, or if
   *     a batch would need 2 GiB or more
   */
  public static Batches shuffled(DataSource source, int batchSize, long seed) {
    return new Batches(
        source, batchSize, true, seed, LastBatch.DROP, Augmentation.NONE, all(batchSize));
  }

  /**
   * For measuring: the order of the source, a short last batch padded.
   *
   * @throws IllegalArgumentException if batchSize is below 1, or if a batch would need 2 GiB or
   *     more
   */
  public static Batches inOrder(DataSource source, int batchSize) {
    return new Batches(
        source, batchSize, false, 0, LastBatch.PAD, Augmentation.NONE, all(batchSize));
  }

  private static Share all(int batchSize) {
    return new Share(0, 1, batchSize);
  }

  /**
   * A share of every one of these batches, for a process that others train with: the shares of all
   * make up the batch, image by image as it is here.
   *
   * @param index of the share, 0 &lt;= index &lt; of
   * @param parts that a batch is run in; every part is shared alike
   * @throws IllegalArgumentException if the rows of a part cannot be shared equally, or a short
   *     last batch is not dropped
   */
  public Batches share(int index, int of, int parts) {
    Objects.checkIndex(index, of);
    if (lastBatch != LastBatch.DROP || batchSize % (of * parts) != 0) {
      throw new IllegalArgumentException(
          "batch: expected a multiple of %d, for %d processes%s; got %d"
              .formatted(
                  of * parts,
                  of,
                  parts == 1 ? "" : " with %d parts each".formatted(parts),
                  batchSize));
    }
    return new Batches(
        source,
        batchSize / of,
        shuffled,
        seed,
        lastBatch,
        augmentation,
        new Share(index, of, batchSize / parts));
  }

  /** The same batches from the start, with another rule for the last one. */
  public Batches with(LastBatch rule) {
    return new Batches(source, batchSize, shuffled, seed, rule, augmentation, share);
  }

  /** The same batches from the start, with an augmentation of every image. */
  public Batches with(Augmentation change) {
    return new Batches(source, batchSize, shuffled, seed, lastBatch, change, share);
  }

  /** What the batches are made of. */
  public DataSource source() {
    return source;
  }

  /** Rows of every batch, valid or not. */
  public int batchSize() {
    return batchSize;
  }

  /** Batches in one epoch, at least 1. */
  public int batchesPerEpoch() {
    return batchesPerEpoch;
  }

  /** The rows of a batch that are images: batchSize(), or fewer in a padded last batch. */
  public int validRows(int batch) {
    Objects.checkIndex(batch, batchesPerEpoch);
    return lastBatch == LastBatch.DROP
        ? batchSize
        : Math.min(batchSize, source.size() - batch * batchSize);
  }

  /** A direct buffer for the images of one batch: batchSize * H * W * C floats, native order. */
  public FloatBuffer allocateImages() {
    return ByteBuffer.allocateDirect(batchSize * imageFloats * Float.BYTES)
        .order(ByteOrder.nativeOrder())
        .asFloatBuffer();
  }

  /** A direct buffer for the labels of one batch: batchSize ints, native order. */
  public IntBuffer allocateLabels() {
    return ByteBuffer.allocateDirect(Math.multiplyExact(batchSize, Integer.BYTES))
        .order(ByteOrder.nativeOrder())
        .asIntBuffer();
  }

  /**
   * Writes one batch from index 0 of both buffers; their positions stay where they are. Rows that
   * are no images become zeros with the label {@link #NO_LABEL}. A source that {@linkplain
   * DataSource#isCostly is costly} is read by several threads.
   *
   * @param epoch from 0
   * @param batch 0 &lt;= batch &lt; batchesPerEpoch()
   * @param images (N, H, W, C) float32 in native byte order
   * @param labels (N) int32 in native byte order
   * @return the number of valid rows, which come first
   * @throws IndexOutOfBoundsException if batch is out of range
   * @throws IllegalArgumentException if epoch is negative, or if a buffer is too short, read-only
   *     or of the other byte order
   * @throws java.io.UncheckedIOException if the source cannot read an image
   */
  public int fill(int epoch, int batch, FloatBuffer images, IntBuffer labels) {
    Objects.checkIndex(batch, batchesPerEpoch);
    if (epoch < 0) {
      throw new IllegalArgumentException("an epoch is at least 0, got " + epoch);
    }
    requireRoom(images, labels);
    int valid = validRows(batch);
    IntStream rows = IntStream.range(0, valid);
    (source.isCostly() ? rows.parallel() : rows)
        .forEach(
            row -> {
              float[] image = scratch.get().augmented;
              labels.put(row, write(epoch, batch, row, image, 0));
              images.put(row * imageFloats, image, 0, imageFloats);
            });
    pad(valid, images, labels);
    return valid;
  }

  /** Makes the rows that are no images. */
  void pad(int valid, FloatBuffer images, IntBuffer labels) {
    for (int row = valid; row < batchSize; row++) {
      images.put(row * imageFloats, zeros, 0, imageFloats);
      labels.put(row, NO_LABEL);
    }
  }

  /**
   * Writes one image of a batch, augmented.
   *
   * @param row 0 &lt;= row &lt; validRows(batch)
   * @param images (H, W, C) from {@code offset} on
   * @return its label
   */
  int write(int epoch, int batch, int row, float[] images, int offset) {
    int at = batch * batchSize * share.of() + share.rowOf(row);
    int index = shuffled ? order(epoch)[at] : at;
    if (augmentation.equals(Augmentation.NONE)) {
      source.read(index, images, offset);
    } else {
      long key = CounterRandom.key(seed, AUGMENT, epoch, index);
      augmentation.write(source, index, scratch.get().image, padding, key, images, offset);
    }
    return source.label(index);
  }

  private int[] order(int epoch) {
    Order known = orders.get(epoch & 1);
    if (known == null || known.epoch() != epoch) {
      // Two threads may both compute it; they get the same numbers.
      long key = CounterRandom.key(seed, ORDER, epoch, 0);
      known = new Order(epoch, CounterRandom.permutation(source.size(), key));
      orders.set(epoch & 1, known);
    }
    return known.indices();
  }

  /**
   * @throws IllegalArgumentException if a buffer is too short for a batch, read-only or of the
   *     other byte order
   */
  void requireRoom(FloatBuffer images, IntBuffer labels) {
    check("images", images, images.order(), batchSize * imageFloats);
    check("labels", labels, labels.order(), batchSize);
  }

  private static void check(String what, Buffer buffer, ByteOrder order, int length) {
    if (buffer.isReadOnly() || buffer.limit() < length || order != ByteOrder.nativeOrder()) {
      throw new IllegalArgumentException(
          "the buffer for %s needs %d elements in %s order, got %d in %s order%s"
              .formatted(
                  what,
                  length,
                  ByteOrder.nativeOrder(),
                  buffer.limit(),
                  order,
                  buffer.isReadOnly() ? ", read-only" : ""));
    }
  }
}
