package org.quantrain.data;

import java.io.BufferedInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.zip.GZIPInputStream;

/**
 * The content of an IDX file of unsigned bytes, the format of MNIST: two zero bytes, the element
 * type (0x08 for unsigned bytes), the rank, each dimension as a 32-bit big-endian number, and the
 * elements with the last dimension fastest. A file may be compressed with gzip; its first bytes
 * tell, not its name. Source: <a href="http://yann.lecun.com/exdb/mnist/">the MNIST page</a>.
 *
 * <p>Files are untrusted. A header can promise any size; memory is taken as content arrives, so
 * that a short file cannot ask for more than about twice what it holds.
 */
public final class Idx {
  /** The four file names that MNIST made a standard; each may also end in .gz. */
  static final String TRAIN_IMAGES = "train-images-idx3-ubyte";

  static final String TRAIN_LABELS = "train-labels-idx1-ubyte";
  static final String TEST_IMAGES = "t10k-images-idx3-ubyte";
  static final String TEST_LABELS = "t10k-labels-idx1-ubyte";

  private static final int UNSIGNED_BYTE = 0x08;
  private static final int MAX_RANK = 4;
  private static final long MAX_ELEMENTS = Integer.MAX_VALUE - 8; // the longest array of every VM
  private static final int FIRST_CHUNK = 1 << 16;

  /** Deflate spends at least one bit on 258 bytes that repeat; no stream expands by more. */
  private static final long MAX_DEFLATE_RATIO = 1032;

  private static final String FETCH_AGAIN = "fetch the file again";

  private final int[] shape;
  private final byte[] elements;

  private Idx(int[] shape, byte[] elements) {
    this.shape = shape;
    this.elements = elements;
  }

  /** The dimensions, 1 to 4 of them, each at least 1. */
  public int[] shape() {
    return shape.clone();
  }

  /** The elements, unsigned, the last dimension fastest. This is the array itself, not a copy. */
  public byte[] elements() {
    return elements;
  }

  /**
   * Reads one file.
   *
   * @throws DataException if the file is missing, cannot be read, is no IDX file of unsigned bytes,
   *     or is shorter or longer than its header says
   */
  public static Idx read(Path file) throws DataException {
    return read(file, null);
  }

  /**
   * Reads one file and checks that it is the expected one.
   *
   * @param sha256 of the decompressed content, in lower-case hex, so that it does not matter who
   *     compressed the file and how; null for no check
   * @throws DataException as {@link #read(Path)}, and if the checksum differs
   */
  public static Idx read(Path file, String sha256) throws DataException {
    if (!Files.exists(file)) {
      throw new DataException(file, "no such file", "check the path");
    }
    if (!Files.isRegularFile(file)) {
      throw new DataException(file, "not a regular file", "name an IDX file");
    }
    MessageDigest digest = sha256();
    Idx idx;
    try (var raw = new BufferedInputStream(Files.newInputStream(file), FIRST_CHUNK)) {
      raw.mark(2);
      boolean gzip = raw.read() == 0x1f && raw.read() == 0x8b;
      raw.reset();
      long canHold = Files.size(file);
      InputStream plain = raw;
      if (gzip) {
        canHold *= MAX_DEFLATE_RATIO;
        plain = new GZIPInputStream(raw, FIRST_CHUNK);
      }
      idx = parse(file, new DigestInputStream(plain, digest), canHold);
    } catch (DataException e) {
      throw e;
    } catch (EOFException e) {
      throw new DataException(file, "the compressed data ends too early", FETCH_AGAIN, e);
    } catch (IOException e) {
      throw new DataException(
          file, "cannot be read (" + e + ")", "check its permissions, or " + FETCH_AGAIN, e);
    }
    String actual = HexFormat.of().formatHex(digest.digest());
    if (sha256 != null && !sha256.equals(actual)) {
      throw new DataException(
          file,
          "the SHA-256 of the content is %s, expected %s".formatted(actual, sha256),
          "delete it and " + FETCH_AGAIN);
    }
    return idx;
  }

  private static Idx parse(Path file, InputStream in, long canHold) throws IOException {
    byte[] magic = header(file, in, 4);
    if (magic[0] != 0 || magic[1] != 0) {
      throw new DataException(
          file,
          "starts with %s, an IDX file with 0000".formatted(HexFormat.of().formatHex(magic, 0, 2)),
          "name an IDX file, plain or gzip");
    }
    if (magic[2] != UNSIGNED_BYTE) {
      throw new DataException(
          file,
          "element type 0x%02x, expected 0x08 (unsigned byte)".formatted(magic[2]),
          "convert the elements to unsigned bytes");
    }
    int rank = magic[3] & 0xff;
    if (rank < 1 || rank > MAX_RANK) {
      throw new DataException(
          file, "rank %d, expected 1 to %d".formatted(rank, MAX_RANK), FETCH_AGAIN);
    }
    byte[] dimensions = header(file, in, 4 * rank);
    long[] promised = new long[rank];
    long count = 1;
    for (int d = 0; d < rank; d++) {
      for (int b = 0; b < 4; b++) {
        promised[d] = promised[d] << 8 | dimensions[4 * d + b] & 0xff;
      }
      if (promised[d] == 0) {
        throw new DataException(file, "dimension %d is 0".formatted(d), FETCH_AGAIN);
      }
      // count is at most MAX_ELEMENTS < 2^31 here and a dimension below 2^32: no overflow
      count *= promised[d];
      if (count > MAX_ELEMENTS) {
        throw new DataException(
            file,
            "the header promises %s... elements, more than the %d that fit in memory"
                .formatted(times(Arrays.copyOf(promised, d + 1)), MAX_ELEMENTS),
            "split the file, or " + FETCH_AGAIN);
      }
    }
    if (count > canHold) {
      throw truncated(file, promised, count, "a file of its size cannot hold them");
    }
    byte[] elements = elements(file, in, promised, (int) count);
    return new Idx(Arrays.stream(promised).mapToInt(Math::toIntExact).toArray(), elements);
  }

  private static byte[] header(Path file, InputStream in, int length) throws IOException {
    byte[] bytes = in.readNBytes(length);
    if (bytes.length < length) {
      throw new DataException(file, "ends inside its header", FETCH_AGAIN);
    }
    return bytes;
  }

  /** Reads count bytes into memory that doubles as they arrive, and makes sure that none follow. */
  private static byte[] elements(Path file, InputStream in, long[] promised, int count)
      throws IOException {
    byte[] elements = new byte[Math.min(count, FIRST_CHUNK)];
    int have = 0;
    while (true) {
      have += in.readNBytes(elements, have, elements.length - have);
      if (have < elements.length) {
        throw truncated(file, promised, count, "the file holds " + have);
      }
      if (have == count) {
        break;
      }
      elements = Arrays.copyOf(elements, (int) Math.min(count, 2L * elements.length));
    }
    if (in.read() != -1) { // reaching the end also makes gzip compare its own checksum
      throw new DataException(
          file,
          "holds more than the %d elements (%s) of its header".formatted(count, times(promised)),
          FETCH_AGAIN);
    }
    return elements;
  }

  private static DataException truncated(Path file, long[] promised, long count, String actual) {
    return new DataException(
        file,
        "truncated: the header promises %d elements (%s), %s"
            .formatted(count, times(promised), actual),
        FETCH_AGAIN);
  }

  private static String times(long[] dimensions) {
    StringBuilder text = new StringBuilder();
    for (long dimension : dimensions) {
      text.append(text.isEmpty() ? "" : "x").append(dimension);
    }
    return text.toString();
  }

  static MessageDigest sha256() {
    try {
      return MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new AssertionError("every JDK has SHA-256", e);
    }
  }

  /**
   * Reads a folder with the four files of MNIST's names (train-images-idx3-ubyte,
   * train-labels-idx1-ubyte, t10k-images-idx3-ubyte, t10k-labels-idx1-ubyte), each plain or with
   * .gz. Images are (N, H, W), or (N, H, W, C) for more than one channel; labels are (N). There are
   * as many classes as the largest label of both parts asks for, named "0", "1", ...
   *
   * @throws DataException if a file is missing or malformed, if images and labels differ in number,
   *     if the two parts differ in shape, or if the normalization has the wrong number of channels
   */
  public static DataSplit folder(Path folder, Normalization normalization) throws DataException {
    if (!Files.isDirectory(folder)) {
      throw new DataException(
          folder, "no such folder", "name a folder with " + TRAIN_IMAGES + "[.gz] and the rest");
    }
    Path trainImagesFile = find(folder, TRAIN_IMAGES);
    Path testImagesFile = find(folder, TEST_IMAGES);
    Path trainLabelsFile = find(folder, TRAIN_LABELS);
    Path testLabelsFile = find(folder, TEST_LABELS);
    Idx trainLabels = labels(read(trainLabelsFile), trainLabelsFile);
    Idx testLabels = labels(read(testLabelsFile), testLabelsFile);
    List<String> names =
        ByteImages.numbered(1 + Math.max(largest(trainLabels), largest(testLabels)));
    Idx trainImages = images(read(trainImagesFile), trainImagesFile, trainLabels, normalization);
    Idx testImages = images(read(testImagesFile), testImagesFile, testLabels, normalization);
    int[] shape = trainImages.imageShape();
    if (!Arrays.equals(shape, testImages.imageShape())) {
      throw new DataException(
          testImagesFile,
          "images of %s, those of the training part are %s"
              .formatted(Arrays.toString(testImages.imageShape()), Arrays.toString(shape)),
          "make both parts of one size");
    }
    String name = "idx:" + folder;
    return new DataSplit(
        source(name, trainImages, trainLabels, names, normalization),
        source(name, testImages, testLabels, names, normalization));
  }

  /** The plain or compressed file of this name, or null. */
  static Path findOrNull(Path folder, String name) {
    for (String suffix : List.of("", ".gz")) {
      Path file = folder.resolve(name + suffix);
      if (Files.exists(file)) {
        return file;
      }
    }
    return null;
  }

  private static Path find(Path folder, String name) throws DataException {
    Path file = findOrNull(folder, name);
    if (file == null) {
      throw new DataException(
          folder, "has no " + name + " or " + name + ".gz", "put the file there");
    }
    return file;
  }

  /** Checks that this can be a list of labels. */
  static Idx labels(Idx labels, Path file) throws DataException {
    if (labels.shape.length != 1) {
      throw new DataException(
          file,
          "rank %d, labels have rank 1".formatted(labels.shape.length),
          "check that images and labels are not exchanged");
    }
    return labels;
  }

  /** Checks that this can be images for these labels. */
  static Idx images(Idx images, Path file, Idx labels, Normalization normalization)
      throws DataException {
    if (images.shape.length < 3) {
      throw new DataException(
          file,
          "rank %d, images have rank 3 (N, H, W) or 4 (N, H, W, C)".formatted(images.shape.length),
          "check that images and labels are not exchanged");
    }
    if (images.shape[0] != labels.shape[0]) {
      throw new DataException(
          file,
          "%d images for %d labels".formatted(images.shape[0], labels.shape[0]),
          "take both files from one place");
    }
    int channels = images.imageShape()[2];
    if (!normalization.fits(channels)) {
      throw new DataException(
          file,
          "%d channel(s), mean and std have %d values"
              .formatted(channels, normalization.mean().length),
          "give one value, or one per channel");
    }
    return images;
  }

  static int largest(Idx labels) {
    int largest = 0;
    for (byte label : labels.elements) {
      largest = Math.max(largest, label & 0xff);
    }
    return largest;
  }

  static DataSource source(
      String name, Idx images, Idx labels, List<String> classNames, Normalization normalization) {
    int[] shape = images.imageShape();
    return new ByteImages(
        name,
        shape[0],
        shape[1],
        shape[2],
        images.elements,
        labels.elements,
        classNames,
        normalization,
        255);
  }

  /** Height, width, channels. */
  private int[] imageShape() {
    return new int[] {shape[1], shape[2], shape.length == 4 ? shape[3] : 1};
  }
}
