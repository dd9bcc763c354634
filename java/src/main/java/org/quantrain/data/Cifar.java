package org.quantrain.data;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;

/**
 * CIFAR-10 and CIFAR-100 in their binary form: 32x32 images in colour. A file is a sequence of
 * records, each one label byte (CIFAR-100: the coarse label, which is passed over, then the fine
 * one) and 3,072 pixels, first all red ones, then green, then blue, row by row.
 *
 * <p>Source: <a href="https://www.cs.toronto.edu/~kriz/cifar.html">Krizhevsky, "Learning multiple
 * layers of features from tiny images", 2009</a>.
 */
public final class Cifar {
  /** Mean and standard deviation of CIFAR-10's training pixels in [0, 1], to four digits. */
  public static final Normalization NORMALIZATION =
      new Normalization(
          new float[] {0.4914f, 0.4822f, 0.4465f}, new float[] {0.2470f, 0.2435f, 0.2616f});

  private static final int SIDE = 32;
  private static final int PLANE = SIDE * SIDE;
  private static final String PAGE = "https://www.cs.toronto.edu/~kriz/cifar.html";

  /** One of the two sets: its files and what a record of them holds. */
  private enum Kind {
    CIFAR_10(
        List.of(
            "data_batch_1.bin",
            "data_batch_2.bin",
            "data_batch_3.bin",
            "data_batch_4.bin",
            "data_batch_5.bin"),
        "test_batch.bin",
        "batches.meta.txt",
        10,
        1),
    CIFAR_100(List.of("train.bin"), "test.bin", "fine_label_names.txt", 100, 2);

    final List<String> train;
    final String test;
    final String names;
    final int classes;
    final int labelBytes;

    Kind(List<String> train, String test, String names, int classes, int labelBytes) {
      this.train = train;
      this.test = test;
      this.names = names;
      this.classes = classes;
      this.labelBytes = labelBytes;
    }
  }

  private Cifar() {}

  /**
   * CIFAR-10 from the folder cifar10 of the cache ($XDG_CACHE_HOME/quantrain, or
   * ~/.cache/quantrain); it is not downloaded.
   *
   * @throws DataException if it is not there, saying where to get it, or as {@link #folder}
   */
  public static DataSplit load(Normalization normalization) throws DataException {
    Path folder = MnistFiles.cacheFolder().resolve("cifar10");
    if (!Files.isRegularFile(folder.resolve(Kind.CIFAR_10.test))) {
      throw new DataException(
          "cifar10",
          "not on this machine",
          "get the binary version from %s and put its .bin files into %s, or name another folder as"
                  .formatted(PAGE, folder.toAbsolutePath())
              + " cifar:PATH");
    }
    return folder(folder, normalization);
  }

  /**
   * Reads a folder with the files of CIFAR-10 (data_batch_1.bin to data_batch_5.bin,
   * test_batch.bin) or of CIFAR-100 (train.bin, test.bin), of any number of records. Classes have
   * the names in batches.meta.txt or fine_label_names.txt where that file is there, else numbers.
   *
   * @throws DataException if a file is missing or malformed, or the normalization has neither one
   *     channel nor three
   */
  public static DataSplit folder(Path folder, Normalization normalization) throws DataException {
    if (!Files.isDirectory(folder)) {
      throw new DataException(folder, "no such folder", "name a folder with CIFAR's .bin files");
    }
    if (!normalization.fits(3)) {
      throw new DataException(
          folder,
          "3 channel(s), mean and std have %d values".formatted(normalization.mean().length),
          "give one value, or one per channel");
    }
    Kind kind =
        Files.exists(folder.resolve(Kind.CIFAR_100.train.get(0))) ? Kind.CIFAR_100 : Kind.CIFAR_10;
    List<String> names = names(folder.resolve(kind.names), kind);
    return new DataSplit(
        part(folder, kind, kind.train, names, normalization),
        part(folder, kind, List.of(kind.test), names, normalization));
  }

  private static List<String> names(Path file, Kind kind) throws DataException {
    if (!Files.exists(file)) {
      return ByteImages.numbered(kind.classes);
    }
    List<String> names;
    try {
      if (Files.size(file) > 1 << 16) {
        throw new DataException(file, "too large for names of classes", "fetch the file again");
      }
      String text = new String(Files.readAllBytes(file), StandardCharsets.UTF_8);
      names = text.lines().map(String::strip).filter(line -> !line.isEmpty()).toList();
    } catch (DataException e) {
      throw e;
    } catch (IOException e) {
      throw new DataException(file, "cannot be read (" + e + ")", "check its permissions", e);
    }
    if (names.size() != kind.classes) {
      throw new DataException(
          file,
          "%d names for %d classes".formatted(names.size(), kind.classes),
          "fetch the file again, or remove it to number the classes");
    }
    return names;
  }

  private static DataSource part(
      Path folder, Kind kind, List<String> files, List<String> names, Normalization normalization)
      throws DataException {
    byte[] pixels = new byte[0];
    byte[] labels = new byte[0];
    int record = kind.labelBytes + 3 * PLANE;
    for (String name : files) {
      Path file = folder.resolve(name);
      byte[] bytes = bytes(file, record);
      int count = bytes.length / record;
      int before = labels.length;
      if ((long) (before + count) * 3 * PLANE > Integer.MAX_VALUE) {
        throw new DataException(file, "more images than fit in memory", "take fewer");
      }
      labels = Arrays.copyOf(labels, before + count);
      pixels = Arrays.copyOf(pixels, labels.length * 3 * PLANE);
      for (int n = 0; n < count; n++) {
        int at = n * record + kind.labelBytes;
        labels[before + n] = bytes[at - 1];
        if ((labels[before + n] & 0xff) >= kind.classes) {
          throw new DataException(
              file,
              "label %d in record %d, there are %d classes"
                  .formatted(labels[before + n] & 0xff, n, kind.classes),
              "fetch the file again");
        }
        int out = (before + n) * 3 * PLANE;
        for (int i = 0; i < PLANE; i++) {
          for (int c = 0; c < 3; c++) {
            pixels[out + 3 * i + c] = bytes[at + c * PLANE + i];
          }
        }
      }
    }
    String name = kind == Kind.CIFAR_10 ? "cifar10" : "cifar100";
    return new ByteImages(name, SIDE, SIDE, 3, pixels, labels, names, normalization, 255);
  }

  private static byte[] bytes(Path file, int record) throws DataException {
    if (!Files.isRegularFile(file)) {
      throw new DataException(
          file, "no such file", "put all files of the binary version (%s) there".formatted(PAGE));
    }
    try {
      long size = Files.size(file);
      if (size == 0 || size % record != 0 || size > Integer.MAX_VALUE - 8) {
        throw new DataException(
            file,
            "%d bytes, expected a multiple of the %d of a record".formatted(size, record),
            "fetch the binary version again");
      }
      return Files.readAllBytes(file);
    } catch (DataException e) {
      throw e;
    } catch (IOException e) {
      throw new DataException(file, "cannot be read (" + e + ")", "check its permissions", e);
    }
  }
}
