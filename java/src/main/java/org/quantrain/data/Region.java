package org.quantrain.data;

/**
 * A rectangle of an image's pixels.
 *
 * @param top its first row, at least 0
 * @param left its first column, at least 0
 * @param height rows, at least 1
 * @param width columns, at least 1
 */
public record Region(int top, int left, int height, int width) {
  /**
   * @throws IllegalArgumentException if a number is out of range
   */
  public Region {
    if (top < 0 || left < 0 || height < 1 || width < 1) {
      throw new IllegalArgumentException(
          "a region begins at 0 or after and has at least 1 row and column, got " + this);
    }
  }

  void requireInside(int rows, int columns) {
    if (top > rows - height || left > columns - width) {
      throw new IllegalArgumentException(
          "%s is not inside an image of %dx%d".formatted(this, rows, columns));
    }
  }

  @Override
  public String toString() {
    return "%dx%d at (%d, %d)".formatted(height, width, top, left);
  }
}
