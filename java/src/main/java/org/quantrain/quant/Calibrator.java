package org.quantrain.quant;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;

/** How the range of an activation is found from images, without training. */
public enum Calibrator {
  /** From the smallest to the largest value of all images. */
  MINMAX;

  /** The name users write. */
  public String id() {
    return name().toLowerCase(Locale.ROOT);
  }

  /**
   * @throws IllegalArgumentException naming the calibrators there are
   */
  public static Calibrator of(String id) {
    return Arrays.stream(values())
        .filter(c -> c.id().equals(id))
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "unknown calibrator '"
                        + id
                        + "'; calibrators are: "
                        + Arrays.stream(values())
                            .map(Calibrator::id)
                            .collect(Collectors.joining(", "))));
  }
}
