package org.quantrain.data;

import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;

/**
 * What becomes of an image before a network sees it. A model's file carries it, so that whoever
 * deploys or verifies the model need not guess.
 *
 * @param normalization of pixels in [0, 1]
 */
public record Preprocessing(Normalization normalization, ImageSize size) {
  private static final String MEAN = "quantrain.input.mean";
  private static final String STD = "quantrain.input.std";
  private static final String SIZE = "quantrain.input.size";

  /** Of a source's images; empty if the source does not know its normalization. */
  public static Optional<Preprocessing> of(DataSource images) {
    return images.normalization().map(n -> new Preprocessing(n, sizeOf(images)));
  }

  static ImageSize sizeOf(DataSource images) {
    return new ImageSize(images.height(), images.width());
  }

  /** As a file says it: the keys are {@code quantrain.input.mean}, {@code std} and {@code size}. */
  public Map<String, String> toMetadata() {
    Map<String, String> metadata = new LinkedHashMap<>();
    metadata.put(MEAN, Normalization.join(normalization.mean()));
    metadata.put(STD, Normalization.join(normalization.std()));
    metadata.put(SIZE, size.toString());
    return metadata;
  }

  /**
   * What a file says about itself; empty if it says nothing about images.
   *
   * @throws DataException if what it says is damaged; {@code where} names the file
   */
  public static Optional<Preprocessing> read(String where, Map<String, String> metadata)
      throws DataException {
    String mean = metadata.get(MEAN);
    String std = metadata.get(STD);
    String size = metadata.get(SIZE);
    if (mean == null && std == null && size == null) {
      return Optional.empty();
    }
    String remedy = "export the model again";
    if (mean == null || std == null || size == null) {
      throw new DataException(where, "says only a part of " + MEAN + ", std and size", remedy);
    }
    try {
      Normalization normalization =
          new Normalization(
              Datasets.numbers(where, MEAN, mean), Datasets.numbers(where, STD, std));
      return Optional.of(new Preprocessing(normalization, Datasets.size(where, size)));
    } catch (IllegalArgumentException e) {
      throw new DataException(where, e.getMessage(), remedy, e);
    }
  }
}
