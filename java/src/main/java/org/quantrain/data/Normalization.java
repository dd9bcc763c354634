package org.quantrain.data;

import java.util.Arrays;

/**
 * From the integer of a pixel to the float that a network sees: first p = value / maximum (255 for
 * 8-bit images, 16 for the digits), which lies in [0, 1], then (p - mean) / std with the mean and
 * standard deviation of the pixel's channel. Both steps are single float32 operations, in this
 * order.
 *
 * @param mean one per channel, or one for all channels; finite
 * @param std as many as mean; finite, above 0
 */
public record Normalization(float[] mean, float[] std) {
  /** Leaves p as it is, in [0, 1]. */
  public static final Normalization UNIT = of(0f, 1f);

  /**
   * @throws IllegalArgumentException if the two differ in length, are empty, or hold a value out of
   *     range
   */
  public Normalization {
    mean = mean.clone();
    std = std.clone();
    if (mean.length != std.length || mean.length == 0) {
      throw new IllegalArgumentException(
          "mean and std need one value per channel, got %d and %d"
              .formatted(mean.length, std.length));
    }
    for (int c = 0; c < mean.length; c++) {
      if (!Float.isFinite(mean[c]) || !Float.isFinite(std[c]) || !(std[c] > 0f)) {
        throw new IllegalArgumentException(
            "mean is finite and std finite and above 0, got mean %s and std %s in channel %d"
                .formatted(mean[c], std[c], c));
      }
    }
  }

  /** One mean and one standard deviation for all channels. */
  public static Normalization of(float mean, float std) {
    return new Normalization(new float[] {mean}, new float[] {std});
  }

  @Override
  public float[] mean() {
    return mean.clone();
  }

  @Override
  public float[] std() {
    return std.clone();
  }

  /** True if this can normalize images of so many channels. */
  public boolean fits(int channels) {
    return mean.length == 1 || mean.length == channels;
  }

  /** Whether both do the same; one number stands for any channels. */
  boolean isSame(Normalization other) {
    boolean same = fits(other.mean.length) || other.mean.length == 1;
    for (int c = 0; same && c < Math.max(mean.length, other.mean.length); c++) {
      same = of(mean, c) == of(other.mean, c) && of(std, c) == of(other.std, c);
    }
    return same;
  }

  private static float of(float[] values, int channel) {
    return values[values.length == 1 ? 0 : channel];
  }

  /**
   * The normalized value of a pixel.
   *
   * @param value 0 &lt;= value &lt;= maximum
   * @param maximum the integer that means 1, at least 1
   */
  public float apply(int value, int maximum, int channel) {
    return ((float) value / (float) maximum - of(mean, channel)) / of(std, channel);
  }

  /**
   * All normalized values of one channel: the entry v, 0 &lt;= v &lt;= maximum, for the pixel v.
   */
  float[] table(int maximum, int channel) {
    float[] table = new float[maximum + 1];
    for (int value = 0; value <= maximum; value++) {
      table[value] = apply(value, maximum, channel);
    }
    return table;
  }

  @Override
  public boolean equals(Object other) {
    return other instanceof Normalization that
        && Arrays.equals(mean, that.mean)
        && Arrays.equals(std, that.std);
  }

  @Override
  public int hashCode() {
    return 31 * Arrays.hashCode(mean) + Arrays.hashCode(std);
  }

  @Override
  public String toString() {
    return "mean=" + join(mean) + "&std=" + join(std);
  }

  static String join(float[] values) {
    StringBuilder joined = new StringBuilder();
    for (float value : values) {
      joined.append(joined.isEmpty() ? "" : ",").append(value);
    }
    return joined.toString();
  }
}
