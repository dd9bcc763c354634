package org.quantrain.data;

/** Chooses a part of an image, knowing only its size. */
@FunctionalInterface
public interface Cropping {
  /**
   * @param height rows of the image, before any scaling
   * @param width its columns
   * @return a part that lies inside
   */
  Region of(int height, int width);
}
