package org.quantrain.data;

import java.net.URI;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;

/**
 * Fashion-MNIST: 60,000 training and 10,000 test images of clothes, 28x28x1, 10 classes of equal
 * size. Looked for in /usr/share/datasets/fashion-mnist (Debian's package dataset-fashion-mnist),
 * then in the folder fashion-mnist of the cache ($XDG_CACHE_HOME/quantrain, or ~/.cache/quantrain),
 * then downloaded into the latter. The four files are checked by the SHA-256 of their decompressed
 * content, because Debian compressed them again; a file with another content is an error and is not
 * replaced.
 *
 * <p>Source: Xiao, Rasul, Vollgraf, "Fashion-MNIST: a novel image dataset for benchmarking machine
 * learning algorithms", arXiv:1708.07747; MIT licence.
 */
public final class FashionMnist {
  /** Mean and standard deviation of the training pixels in [0, 1], to four digits. */
  public static final Normalization NORMALIZATION = Normalization.of(0.2860f, 0.3530f);

  /** The names of the labels 0 to 9. */
  public static final List<String> CLASS_NAMES =
      List.of(
          "T-shirt/top",
          "Trouser",
          "Pullover",
          "Dress",
          "Coat",
          "Sandal",
          "Shirt",
          "Sneaker",
          "Bag",
          "Ankle boot");

  // The website endpoint of the bucket does not speak HTTPS, so it comes last; the checksum makes
  // it as safe as the others.
  static final MnistFiles FILES =
      new MnistFiles(
          "fashion-mnist",
          CLASS_NAMES,
          "dataset-fashion-mnist",
          Path.of("/usr/share/datasets/fashion-mnist"),
          List.of(
              URI.create("https://fashion-mnist.s3.eu-central-1.amazonaws.com/"),
              URI.create(
                  "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/"
                      + "data/fashion/"),
              URI.create("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/")),
          Map.of(
              Idx.TRAIN_IMAGES,
              "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
              Idx.TRAIN_LABELS,
              "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
              Idx.TEST_IMAGES,
              "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
              Idx.TEST_LABELS,
              "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"));

  private FashionMnist() {}

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
