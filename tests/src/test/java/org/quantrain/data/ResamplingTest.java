package org.quantrain.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.Arrays;
import org.junit.jupiter.api.Test;

class ResamplingTest {
  private static float[] scaled(float[] image, int h, int w, int c, ImageSize size) {
    float[] out = new float[size.height() * size.width() * c];
    Resampling.covering(h, w, c, size).apply(image, out, 0);
    return out;
  }

  @Test
  void theSameSizeChangesNothing() {
    float[] image = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    assertArrayEquals(image, scaled(image, 2, 3, 2, new ImageSize(2, 3)));
  }

  @Test
  void oneColourStaysOneColour() {
    float[] image = new float[7 * 5];
    Arrays.fill(image, 200);
    for (int side = 1; side < 20; side++) {
      for (float value : scaled(image, 7, 5, 1, new ImageSize(side, side))) {
        assertEquals(200, value, 1e-4f); // weights sum to 1 within float rounding
      }
    }
  }

  @Test
  void theMiddleOfAWideImageIsKept() {
    float[] image = new float[4 * 12];
    for (int i = 0; i < image.length; i++) {
      image[i] = i % 12;
    }
    assertArrayEquals(
        new float[] {4, 5, 6, 7},
        Arrays.copyOf(scaled(image, 4, 12, 1, new ImageSize(4, 4)), 4));
  }

  @Test
  void shrinkingAveragesAndGrowingInterpolates() {
    float[] stripes = new float[8 * 8];
    for (int i = 0; i < stripes.length; i++) {
      stripes[i] = i % 2 == 0 ? 0 : 100;
    }
    float[] half = scaled(stripes, 8, 8, 1, new ImageSize(4, 4));
    assertEquals(50, half[5], 1e-3f); // finer than the new pixels: grey, not black or white
    assertArrayEquals(
        new float[] {0, 25, 75, 100}, // centres at -0.25, 0.25, 0.75, 1.25, the ends clamped
        Arrays.copyOf(
            scaled(new float[] {0, 100, 0, 100}, 2, 2, 1, new ImageSize(4, 4)), 4),
        1e-4f);
  }

  @Test
  void aPartIsCutOutBeforeItIsScaled() {
    int height = 11;
    int width = 17;
    float[] image = new float[height * width * 3];
    for (int i = 0; i < image.length; i++) {
      image[i] = (i * 7919 % 256);
    }
    for (Region part :
        new Region[] {
          new Region(0, 0, 11, 17), new Region(3, 5, 4, 9), new Region(10, 16, 1, 1),
          new Region(2, 0, 9, 2)
        }) {
      for (ImageSize size : new ImageSize[] {new ImageSize(4, 9), new ImageSize(13, 3)}) {
        float[] out = new float[size.height() * size.width() * 3 + 1];
        Resampling.of(part, height, width, 3, size).apply(image, out, 1);
        for (int y = 0; y < size.height(); y++) {
          for (int x = 0; x < size.width(); x++) {
            for (int c = 0; c < 3; c++) {
              assertEquals(
                  mean(image, width, part, size, y, x, c),
                  out[1 + (y * size.width() + x) * 3 + c],
                  1e-3); // of 255: a few roundings of float
            }
          }
        }
      }
    }
    assertThrows(
        IllegalArgumentException.class,
        () -> Resampling.of(new Region(8, 0, 4, 1), 11, 17, 3, new ImageSize(1, 1)));
    assertThrows(
        IllegalArgumentException.class,
        () -> Resampling.of(new Region(0, 1, 1, 17), 11, 17, 3, new ImageSize(1, 1)));
  }

  /** From the definition: the mean of the part's pixels under a triangle around the new centre. */
  private static double mean(
      float[] image, int width, Region part, ImageSize size, int y, int x, int c) {
    double sum = 0;
    double weights = 0;
    for (int i = 0; i < part.height(); i++) {
      for (int j = 0; j < part.width(); j++) {
        double weight =
            triangle(i, y, part.height(), size.height())
                * triangle(j, x, part.width(), size.width());
        sum += weight * image[((part.top() + i) * width + part.left() + j) * 3 + c];
        weights += weight;
      }
    }
    return sum / weights;
  }

  private static double triangle(int old, int now, int from, int to) {
    double covered = (double) from / to;
    double distance = Math.abs(old + 0.5 - (now + 0.5) * covered);
    return Math.max(0, 1 - distance / Math.max(1, covered));
  }
}
