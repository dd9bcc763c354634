package org.quantrain.data;

/** The normalized value of every byte value in every channel, so that a pixel costs one look-up. */
final class PixelTable {
  private final float[][] values; // (C, maximum + 1)

  /**
   * @param maximum the largest byte value that a pixel may have: the one that means 1
   */
  PixelTable(Normalization normalization, int channels, int maximum) {
    values = new float[channels][];
    for (int c = 0; c < channels; c++) {
      values[c] = normalization.table(maximum, c);
    }
  }

  /**
   * Normalizes one image.
   *
   * @param pixels unsigned bytes, channels last; none above maximum
   * @param length values of the image
   */
  void write(byte[] pixels, int from, int length, float[] out, int offset) {
    int channels = values.length;
    for (int c = 0; c < channels; c++) {
      float[] table = values[c];
      for (int i = c; i < length; i += channels) {
        out[offset + i] = table[pixels[from + i] & 0xff];
      }
    }
  }

  /** What black becomes. */
  float black(int channel) {
    return values[channel][0];
  }
}
