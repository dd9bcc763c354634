package org.quantrain.data;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What is done to a training image before the network sees it. Either the image is surrounded by
 * {@code pad} pixels of {@link DataSource#paddingValue} and a window of the original size is cut
 * out at a random place; or a random part of it is scaled to the size of all. Then it is mirrored
 * left to right with {@code flipProbability}. What an image gets is a function of the seed, the
 * epoch and its index alone.
 *
 * <p>A random part has a share of the image's area between {@code smallestPart} and 1, and a ratio
 * of width to height between 3/4 and 4/3 whose logarithm is uniform: as Szegedy et al. 2015,
 * arXiv:1409.4842, section 6, train on photographs. Of ten that are drawn the first that fits into
 * the image is taken; if none does, the largest one in the middle whose ratio is in that range.
 * Pixels beside it do not count when it is scaled.
 *
 * @param pad 0 to 1024 pixels on each side
 * @param smallestPart above 0 to 1; or 0, with which no part is cut out
 * @param flipProbability in [0, 1]
 */
public record Augmentation(int pad, float smallestPart, float flipProbability) {
  /** Leaves every image as it is. */
  public static final Augmentation NONE = new Augmentation(0, 0f, 0f);

  /** The smallest share of the area that is usual with large photographs. */
  public static final float SMALLEST_PART = 0.08f;

  private static final int MAX_PAD = 1024;
  private static final float HALF = 0.5f;
  private static final double WIDEST = 4.0 / 3;
  private static final int ATTEMPTS = 10;

  // Counters of the random numbers of an image.
  private static final int SHIFT_Y = 0;
  private static final int SHIFT_X = 1;
  private static final int FLIP = 2;
  private static final int PART = 3; // four for each attempt

  private static final Pattern KIND =
      Pattern.compile("none|flip|(crop|crop-flip):(\\d{1,4})|(resize-crop(?:-flip)?)(?::(.+))?");

  /**
   * @throws IllegalArgumentException if a parameter is out of range, or both kinds of cropping are
   *     asked for
   */
  public Augmentation {
    if (pad < 0 || pad > MAX_PAD || !(flipProbability >= 0f && flipProbability <= 1f)) {
      throw new IllegalArgumentException(
          "pad is 0 to %d and flipProbability 0 to 1, got %d and %s"
              .formatted(MAX_PAD, pad, flipProbability));
    }
    if (!(smallestPart >= 0f && smallestPart <= 1f)) {
      throw new IllegalArgumentException(
          "the smallest part of an image is above 0 to 1, got " + smallestPart);
    }
    if (pad > 0 && smallestPart > 0f) {
      throw new IllegalArgumentException("an image is padded or a part of it scaled, not both");
    }
  }

  /** Every second image mirrored. */
  public static Augmentation flip() {
    return new Augmentation(0, 0f, HALF);
  }

  /** The usual one for small photographs: a padded random crop, and every second image mirrored. */
  public static Augmentation cropAndFlip(int pad) {
    return new Augmentation(pad, 0f, HALF);
  }

  /** A random shift by up to {@code pad} pixels, for images that must not be mirrored. */
  public static Augmentation crop(int pad) {
    return new Augmentation(pad, 0f, 0f);
  }

  /** The usual one for large photographs: a random part, and every second image mirrored. */
  public static Augmentation resizeCropAndFlip(float smallestPart) {
    return new Augmentation(0, smallestPart, HALF);
  }

  /** A random part, for images that must not be mirrored. */
  public static Augmentation resizeCrop(float smallestPart) {
    return new Augmentation(0, smallestPart, 0f);
  }

  /**
   * An augmentation by its name: none, flip, crop:PIXELS, crop-flip:PIXELS, resize-crop,
   * resize-crop-flip, or resize-crop:PART and resize-crop-flip:PART with the smallest share of the
   * area.
   *
   * @throws IllegalArgumentException if there is none of that name, or a number is out of range
   */
  public static Augmentation of(String kind) {
    Matcher matcher = KIND.matcher(kind);
    if (!matcher.matches()) {
      throw new IllegalArgumentException(
          ("augment: expected none, flip, crop:PIXELS, crop-flip:PIXELS, resize-crop or"
                  + " resize-crop-flip (or with :PART, as in resize-crop-flip:0.25), got '%s'")
              .formatted(kind));
    }
    float flipProbability = kind.contains("flip") ? HALF : 0f;
    if (matcher.group(1) != null) {
      return new Augmentation(Integer.parseInt(matcher.group(2)), 0f, flipProbability);
    }
    return new Augmentation(
        0, matcher.group(3) == null ? 0f : part(kind, matcher.group(4)), flipProbability);
  }

  private static float part(String kind, String text) {
    try {
      float part = text == null ? SMALLEST_PART : Float.parseFloat(text);
      if (part > 0f && part <= 1f) {
        return part;
      }
    } catch (NumberFormatException e) {
      // said below, with the numbers that are out of range
    }
    throw new IllegalArgumentException(
        "augment: expected a part above 0 to 1, as in resize-crop:0.25, got '%s'".formatted(kind));
  }

  /**
   * Writes one image of a source.
   *
   * @param scratch as long as an image
   * @param padding (C)
   * @param key of the seed, the epoch and the image
   * @param to (H, W, C) from {@code offset} on
   */
  void write(
      DataSource source,
      int index,
      float[] scratch,
      float[] padding,
      long key,
      float[] to,
      int offset) {
    if (smallestPart > 0f) {
      source.read(index, (height, width) -> part(height, width, key), scratch, 0);
    } else {
      source.read(index, scratch, 0);
    }
    shiftAndFlip(scratch, to, offset, source.height(), source.width(), padding, key);
  }

  /** The random part of an image of this size. */
  Region part(int height, int width, long key) {
    double widest = StrictMath.log(WIDEST);
    double area = (double) height * width;
    for (int i = 0; i < ATTEMPTS; i++) {
      int counter = PART + 4 * i;
      double share = smallestPart + (1.0 - smallestPart) * CounterRandom.unit(key, counter);
      double ratio =
          StrictMath.exp(widest * (2.0 * CounterRandom.unit(key, counter + 1) - 1.0));
      int rows = (int) Math.rint(Math.sqrt(area * share / ratio));
      int columns = (int) Math.rint(Math.sqrt(area * share * ratio));
      if (rows >= 1 && rows <= height && columns >= 1 && columns <= width) {
        return new Region(
            CounterRandom.below(key, counter + 2, height - rows + 1),
            CounterRandom.below(key, counter + 3, width - columns + 1),
            rows,
            columns);
      }
    }
    int rows = (int) Math.max(1, Math.min(height, Math.rint(width * WIDEST)));
    int columns = (int) Math.max(1, Math.min(width, Math.rint(height * WIDEST)));
    return new Region((height - rows) / 2, (width - columns) / 2, rows, columns);
  }

  private void shiftAndFlip(
      float[] from, float[] to, int offset, int height, int width, float[] padding, long key) {
    int channels = padding.length;
    int dy = CounterRandom.below(key, SHIFT_Y, 2 * pad + 1) - pad;
    int dx = CounterRandom.below(key, SHIFT_X, 2 * pad + 1) - pad;
    boolean flip = CounterRandom.unit(key, FLIP) < flipProbability;
    int out = offset;
    for (int y = 0; y < height; y++) {
      int fromY = y + dy;
      boolean rowInside = fromY >= 0 && fromY < height;
      for (int x = 0; x < width; x++, out += channels) {
        int fromX = (flip ? width - 1 - x : x) + dx;
        boolean inside = rowInside && fromX >= 0 && fromX < width;
        float[] pixels = inside ? from : padding;
        int pixel = inside ? (fromY * width + fromX) * channels : 0;
        for (int c = 0; c < channels; c++) {
          to[out + c] = pixels[pixel + c];
        }
      }
    }
  }
}
