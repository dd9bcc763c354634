package org.quantrain.data;

/**
 * The size that images are brought to.
 *
 * @param height rows, 1 to 4096
 * @param width columns, 1 to 4096
 */
public record ImageSize(int height, int width) {
  private static final int MAX = 4096;

  /**
   * @throws IllegalArgumentException if one is out of range
   */
  public ImageSize {
    if (height < 1 || height > MAX || width < 1 || width > MAX) {
      throw new IllegalArgumentException(
          "an image has 1 to %d rows and columns, got %dx%d".formatted(MAX, height, width));
    }
  }

  @Override
  public String toString() {
    return height + "x" + width;
  }
}
