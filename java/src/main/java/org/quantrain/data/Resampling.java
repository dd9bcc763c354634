package org.quantrain.data;

/**
 * Brings images of one size to another: the image is scaled, rows and columns by the same factor,
 * until it covers the new size, and its middle is cut out. A new pixel is the mean of the old ones
 * around its centre, weighted by a triangle that is one old pixel wide to each side, or as many as
 * one new pixel covers: linear interpolation when an image grows, and no aliasing when it shrinks.
 */
final class Resampling {
  /** For each new row or column the first old one that counts, and how much each counts. */
  private record Axis(int[] first, float[][] weights) {}

  private final int oldHeight;
  private final int oldWidth;
  private final int channels;
  private final Axis rows;
  private final Axis columns;

  Resampling(int oldHeight, int oldWidth, int channels, ImageSize size) {
    this.oldHeight = oldHeight;
    this.oldWidth = oldWidth;
    this.channels = channels;
    double scale =
        Math.max((double) size.height() / oldHeight, (double) size.width() / oldWidth);
    this.rows = axis(oldHeight, size.height(), scale);
    this.columns = axis(oldWidth, size.width(), scale);
  }

  private static Axis axis(int from, int to, double scale) {
    double radius = Math.max(1, 1 / scale);
    double start = (from - to / scale) / 2;
    int[] first = new int[to];
    float[][] weights = new float[to][];
    for (int i = 0; i < to; i++) {
      double centre = start + (i + 0.5) / scale - 0.5;
      int low = Math.max(0, (int) Math.ceil(centre - radius));
      int high = Math.min(from - 1, (int) Math.floor(centre + radius));
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
    }
    return new Axis(first, weights);
  }

  /**
   * @param image (old height, old width, channels)
   * @param out (height, width, channels) from {@code offset} on
   */
  void apply(float[] image, float[] out, int offset) {
    int width = columns.first.length;
    float[] narrow = new float[oldHeight * width * channels];
    for (int y = 0; y < oldHeight; y++) {
      for (int x = 0; x < width; x++) {
        float[] weights = columns.weights[x];
        int from = (y * oldWidth + columns.first[x]) * channels;
        for (int c = 0; c < channels; c++) {
          float sum = 0;
          for (int k = 0; k < weights.length; k++) {
            sum += weights[k] * image[from + k * channels + c];
          }
          narrow[(y * width + x) * channels + c] = sum;
        }
      }
    }
    int row = width * channels;
    for (int y = 0; y < rows.first.length; y++) {
      float[] weights = rows.weights[y];
      for (int i = 0; i < row; i++) {
        float sum = 0;
        for (int k = 0; k < weights.length; k++) {
          sum += weights[k] * narrow[(rows.first[y] + k) * row + i];
        }
        out[offset + y * row + i] = sum;
      }
    }
  }
}
