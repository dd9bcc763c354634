package org.quantrain.data;

/**
 * What is done to a training image before the network sees it: the image is surrounded by {@code
 * pad} pixels of {@link DataSource#paddingValue}, a window of the original size is cut out at a
 * random place, and with {@code flipProbability} mirrored left to right. What an image gets is a
 * function of the seed, the epoch and its index alone.
 *
 * @param pad 0 to 1024 pixels on each side
 * @param flipProbability in [0, 1]
 */
public record Augmentation(int pad, float flipProbability) {
  /** Leaves every image as it is. */
  public static final Augmentation NONE = new Augmentation(0, 0f);

  private static final int MAX_PAD = 1024;

  /**
   * @throws IllegalArgumentException if a parameter is out of range
   */
  public Augmentation {
    if (pad < 0 || pad > MAX_PAD || !(flipProbability >= 0f && flipProbability <= 1f)) {
      throw new IllegalArgumentException(
          "pad is 0 to %d and flipProbability 0 to 1, got %d and %s"
              .formatted(MAX_PAD, pad, flipProbability));
    }
  }

  /** The usual one for small photographs: a padded random crop, and every second image mirrored. */
  public static Augmentation cropAndFlip(int pad) {
    return new Augmentation(pad, 0.5f);
  }

  /** A random shift by up to {@code pad} pixels, for images that must not be mirrored. */
  public static Augmentation crop(int pad) {
    return new Augmentation(pad, 0f);
  }

  /**
   * @param from (H, W, C)
   * @param to (H, W, C) from {@code offset} on, another array
   * @param padding (C)
   * @param key of the seed, the epoch and the image
   */
  void apply(
      float[] from, float[] to, int offset, int height, int width, float[] padding, long key) {
    int channels = padding.length;
    int dy = CounterRandom.below(key, 0, 2 * pad + 1) - pad;
    int dx = CounterRandom.below(key, 1, 2 * pad + 1) - pad;
    boolean flip = CounterRandom.unit(key, 2) < flipProbability;
    int out = offset;
    for (int y = 0; y < height; y++) {
      int fromY = y + dy;
      boolean rowInside = fromY >= 0 && fromY < height;
      for (int x = 0; x < width; x++, out += channels) {
        int fromX = (flip ? width - 1 - x : x) + dx;
        if (rowInside && fromX >= 0 && fromX < width) {
          System.arraycopy(from, (fromY * width + fromX) * channels, to, out, channels);
        } else {
          System.arraycopy(padding, 0, to, out, channels);
        }
      }
    }
  }
}
