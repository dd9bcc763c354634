package org.quantrain.quant;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;
import org.quantrain.tensor.QuantSpec;

/** How the range of an activation is found from images, without training. */
public enum Calibrator {
  /** From the smallest to the largest value of all images. */
  MINMAX,
  /** Without the outermost 0.01 % of the values, half of them at each end. */
  PERCENTILE,
  /** The range whose grid has the least squared error over all values. */
  MSE;

  private static final double KEPT = 0.9999;

  /** The name users write. */
  public String id() {
    return name().toLowerCase(Locale.ROOT);
  }

  /** Whether it needs to know how often which value was seen. */
  public boolean countsValues() {
    return this != MINMAX;
  }

  /**
   * The range that serves these values.
   *
   * @throws IllegalStateException if it does not count values
   */
  public ValueCounts.Range range(ValueCounts counts, QuantSpec grid) {
    return switch (this) {
      case PERCENTILE -> counts.percentile(KEPT);
      case MSE -> counts.leastSquares(grid);
      case MINMAX -> throw new IllegalStateException("extremes are not found by counting");
    };
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
