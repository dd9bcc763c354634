package org.quantrain.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import org.junit.jupiter.api.Test;

class ResamplingTest {
  private static float[] scaled(float[] image, int h, int w, int c, ImageSize size) {
    float[] out = new float[size.height() * size.width() * c];
    new Resampling(h, w, c, size).apply(image, out, 0);
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
}
