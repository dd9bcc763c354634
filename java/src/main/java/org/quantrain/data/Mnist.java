package org.quantrain.data;

import java.net.URI;
import java.util.List;
import java.util.Map;

/**
 * MNIST: 60,000 training and 10,000 test images of handwritten digits, 28x28x1, 10 classes. Looked
 * for in the folder mnist of the cache ($XDG_CACHE_HOME/quantrain, or ~/.cache/quantrain), else
 * downloaded into it. The four files are checked by the SHA-256 of their decompressed content; a
 * file with another content is an error and is not replaced.
 *
 * <p>Source: LeCun, Bottou, Bengio, Haffner, "Gradient-based learning applied to document
 * recognition", 1998.
 */
public final class Mnist {
  /** Mean and standard deviation of the training pixels in [0, 1], to four digits. */
  public static final Normalization NORMALIZATION = Normalization.of(0.1307f, 0.3081f);

  static final MnistFiles FILES =
      new MnistFiles(
          "mnist",
          ByteImages.numbered(10),
          null,
          null,
          List.of(URI.create("https://ossci-datasets.s3.amazonaws.com/mnist/")),
          Map.of(
              Idx.TRAIN_IMAGES,
              "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
              Idx.TRAIN_LABELS,
              "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
              Idx.TEST_IMAGES,
              "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
              Idx.TEST_LABELS,
              "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"));

  private Mnist() {}

  /** Both parts with {@link #NORMALIZATION}. */
  public static DataSplit load() throws DataException {
    return load(NORMALIZATION);
  }

  /**
   * Both parts; 55 MB of memory.
   *
   * @throws DataException if a file is neither found nor downloaded, or has another content
   */
  public static DataSplit load(Normalization normalization) throws DataException {
    return FILES.load(MnistFiles.cacheFolder(), normalization);
  }
}
