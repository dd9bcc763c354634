package org.quantrain.data;

import java.util.Arrays;

/**
 * Brings images, or a part of them, to another size. A new pixel is the mean of the old ones around
 * its centre, weighted by a triangle that is one old pixel wide to each side, or as many as one new
 * pixel covers: linear interpolation when an image grows, and no aliasing when it shrinks.
 */
final class Resampling {
  /** Where the old pixels come from: one row of all columns and channels. */
  interface Rows {
    void read(int y, float[] row);
  }

  /**
   * For each new row or column the first old one that counts, and how much each counts.
   *
   * @param most old ones that count
   */
  private record Axis(int[] first, float[][] weights, int most) {}

  private final int oldWidth;
  private final int channels;
  private final Axis rows;
  private final Axis columns;

  private Resampling(int oldWidth, int channels, Axis rows, Axis columns) {
    this.oldWidth = oldWidth;
    this.channels = channels;
    this.rows = rows;
    this.columns = columns;
  }

  /**
   * The image is scaled, rows and columns by the same factor, until it covers the new size, and its
   * middle is cut out.
   */
  static Resampling covering(int oldHeight, int oldWidth, int channels, ImageSize size) {
    double scale =
        Math.max((double) size.height() / oldHeight, (double) size.width() / oldWidth);
    return new Resampling(
        oldWidth,
        channels,
        axis(0, oldHeight, (oldHeight - size.height() / scale) / 2, scale, size.height()),
        axis(0, oldWidth, (oldWidth - size.width() / scale) / 2, scale, size.width()));
  }

  /** A part is cut out, and its rows and columns each scaled to the new size. */
  static Resampling of(Region part, int oldHeight, int oldWidth, int channels, ImageSize size) {
    part.requireInside(oldHeight, oldWidth);
    return new Resampling(
        oldWidth,
        channels,
        axis(
            part.top(),
            part.top() + part.height(),
            part.top(),
            (double) size.height() / part.height(),
            size.height()),
        axis(
            part.left(),
            part.left() + part.width(),
            part.left(),
            (double) size.width() / part.width(),
            size.width()));
  }

  /**
   * @param from the first old one that may count
   * @param end behind the last
   * @param start where the first new one begins, among the old ones
   * @param scale new ones for each old one
   * @param size how many new ones
   */
  private static Axis axis(int from, int end, double start, double scale, int size) {
    double radius = Math.max(1, 1 / scale);
    int[] first = new int[size];
    float[][] weights = new float[size][];
    int most = 0;
    for (int i = 0; i < size; i++) {
      double centre = start + (i + 0.5) / scale - 0.5;
      int low = Math.max(from, (int) Math.ceil(centre - radius));
      int high = Math.min(end - 1, (int) Math.floor(centre + radius));
      double[] raw = new double[high - low + 1];
      double sum = 0;
      for (int k = low; k <= high; k++) {
        raw[k - low] = Math.max(0, 1 - Math.abs(k - centre) / radius);
        sum += raw[k - low];
      }
      first[i] = low;
      weights[i] = new float[raw.length];
      for (int k = 0; k < raw.length; k++) {
        weights[i][k] = (float) (raw[k] / sum);
      }
      most = Math.max(most, raw.length);
    }
    return new Axis(first, weights, most);
  }

  /**
   * @param image (old height, old width, channels)
   * @param out (height, width, channels) from {@code offset} on
   */
  void apply(float[] image, float[] out, int offset) {
    int row = oldWidth * channels;
    apply((y, to) -> System.arraycopy(image, y * row, to, 0, row), out, offset);
  }

  /**
   * As above. Old rows are read in order, each at most once; only as many as one new row needs are
   * kept, with their columns scaled.
   */
  void apply(Rows image, float[] out, int offset) {
    int length = columns.first.length * channels;
    float[] old = new float[oldWidth * channels];
    float[][] kept = new float[rows.most][length];
    int next = 0;
    for (int y = 0; y < rows.first.length; y++) {
      int first = rows.first[y];
      float[] weights = rows.weights[y];
      for (next = Math.max(next, first); next < first + weights.length; next++) {
        image.read(next, old);
        scaleColumns(old, kept[next % kept.length]);
      }
      int to = offset + y * length;
      Arrays.fill(out, to, to + length, 0f);
      for (int k = 0; k < weights.length; k++) {
        addRow(weights[k], kept[(first + k) % kept.length], out, to);
      }
    }
  }

  private static void addRow(float weight, float[] row, float[] out, int to) {
    for (int i = 0; i < row.length; i++) {
      out[to + i] += weight * row[i];
    }
  }

  private void scaleColumns(float[] old, float[] row) {
    int to = 0;
    for (int x = 0; x < columns.first.length; x++, to += channels) {
      float[] weights = columns.weights[x];
      int from = columns.first[x] * channels;
      if (channels == 3) { // Colours together take half the time.
        float red = 0;
        float green = 0;
        float blue = 0;
        for (float weight : weights) {
          red += weight * old[from];
          green += weight * old[from + 1];
          blue += weight * old[from + 2];
          from += 3;
        }
        row[to] = red;
        row[to + 1] = green;
        row[to + 2] = blue;
        continue;
      }
      for (int c = 0; c < channels; c++) {
        float sum = 0;
        for (int k = 0; k < weights.length; k++) {
          sum += weights[k] * old[from + k * channels + c];
        }
        row[to + c] = sum;
      }
    }
  }
}
