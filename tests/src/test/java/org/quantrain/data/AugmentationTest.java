package org.quantrain.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class AugmentationTest {
  private static final NumberedImages SOURCE = new NumberedImages(23, 3, 4, 2);

  private static float[] augmented(
      Augmentation augmentation, DataSource source, int index, long key) {
    float[] padding = new float[source.channels()];
    for (int c = 0; c < padding.length; c++) {
      padding[c] = source.paddingValue(c);
    }
    int floats = source.imageFloats();
    float[] out = new float[floats + 2];
    augmentation.write(source, index, new float[floats], padding, key, out, 1);
    assertEquals(0f, out[0]);
    assertEquals(0f, out[floats + 1]);
    return Arrays.copyOfRange(out, 1, floats + 1);
  }

  @Test
  void aCropShiftsTheImageAndFillsWithTheSourcesPadding() {
    int height = 3;
    int width = 4;
    float[] image = IdxFiles.pixels(SOURCE, 0);
    float[] padding = {-1f, -2f};
    int[] flips = new int[2];
    boolean[][] shifts = new boolean[5][5];
    Augmentation augmentation = Augmentation.cropAndFlip(2);
    for (int index = 0; index < 2000; index++) {
      float[] out = augmented(augmentation, SOURCE, 0, CounterRandom.key(3, 2, 0, index));
      int matches = 0;
      for (int dy = -2; dy <= 2; dy++) {
        for (int dx = -2; dx <= 2; dx++) {
          for (int flip = 0; flip < 2; flip++) {
            if (Arrays.equals(out, window(image, height, width, padding, dy, dx, flip == 1))) {
              shifts[dy + 2][dx + 2] = true;
              flips[flip]++;
              matches++;
            }
          }
        }
      }
      assertEquals(1, matches);
    }
    for (boolean[] row : shifts) {
      assertArrayEquals(new boolean[] {true, true, true, true, true}, row);
    }
    assertEquals(1000, flips[1], 112); // 5 sigma = 5 sqrt(2000 / 4)
  }

  /** Written from the definition: pad, cut out, then mirror. */
  private static float[] window(
      float[] image, int height, int width, float[] padding, int dy, int dx, boolean flip) {
    float[] out = new float[image.length];
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < width; x++) {
        for (int c = 0; c < 2; c++) {
          int fy = y + dy;
          int fx = x + dx;
          boolean inside = fy >= 0 && fy < height && fx >= 0 && fx < width;
          float value = inside ? image[(fy * width + fx) * 2 + c] : padding[c];
          out[(y * width + (flip ? width - 1 - x : x)) * 2 + c] = value;
        }
      }
    }
    return out;
  }

  @Test
  void aRandomPartIsUniformInItsAreaItsPlaceAndTheLogarithmOfItsRatio() {
    // In a large image nearly every first attempt fits where parts are small.
    int side = 10_000;
    int count = 20_000;
    int[] shares = new int[10];
    int[] ratios = new int[10];
    int[] tops = new int[10];
    Augmentation augmentation = new Augmentation(0, 0.001f, 0f);
    int small = 0;
    for (int i = 0; i < count; i++) {
      Region part = augmentation.part(side, side, CounterRandom.key(7, 2, 0, i));
      part.requireInside(side, side);
      double share = (double) part.height() * part.width() / side / side;
      double ratio = (double) part.width() / part.height();
      assertTrue(share > 0.0009 && share <= 1, part.toString());
      assertTrue(ratio > 0.745 && ratio < 1.342, part.toString()); // sides are rounded
      if (share < 0.5) { // sides of at most 0.82: all fit
        small++;
        shares[(int) (share * 20)]++;
        double place = Math.log(ratio) / Math.log(4.0 / 3);
        ratios[Math.max(0, Math.min(9, (int) ((place + 1) * 5)))]++;
        tops[(int) (10.0 * part.top() / (side - part.height() + 1))]++;
      }
    }
    assertTrue(small > count / 2 - 500 && small < count * 0.6, small + " small parts");
    for (int[] counts : new int[][] {shares, ratios, tops}) {
      for (int found : counts) {
        assertEquals(small / 10, found, 160); // 5 sigma = 5 sqrt(10,500 * 0.09)
      }
    }
  }

  @Test
  void thePartsOfARunNeverChangeBetweenVersions() {
    // A change of the draws would break every resumed run. Computed apart, from the definition.
    Augmentation augmentation = Augmentation.resizeCrop(Augmentation.SMALLEST_PART);
    assertEquals(
        new Region(40, 25, 261, 198), augmentation.part(375, 500, CounterRandom.key(1, 2, 0, 0)));
    assertEquals( // the second attempt
        new Region(125, 246, 161, 191),
        augmentation.part(375, 500, CounterRandom.key(1, 2, 3, 42)));
  }

  @Test
  void anImageThatNoPartFitsIntoGivesItsMiddle() {
    Augmentation whole = new Augmentation(0, 1f, 0f);
    assertEquals(new Region(0, 433, 100, 133), whole.part(100, 1000, 5));
    assertEquals(new Region(433, 0, 133, 100), whole.part(1000, 100, 5));
    assertEquals(new Region(0, 2, 1, 1), whole.part(1, 5, 5));
    assertEquals(new Region(0, 0, 1, 1), whole.part(1, 1, 5));
  }

  @Test
  void aPartIsScaledAndThenMirrored() {
    Augmentation straight = Augmentation.resizeCrop(0.5f);
    Augmentation mirrored = new Augmentation(0, 0.5f, 1f);
    for (int index = 0; index < 20; index++) {
      long key = CounterRandom.key(1, 2, 0, index);
      float[] expected = new float[SOURCE.imageFloats()];
      SOURCE.read(index, (h, w) -> straight.part(h, w, key), expected, 0);
      assertArrayEquals(expected, augmented(straight, SOURCE, index, key));
      float[] flipped = augmented(mirrored, SOURCE, index, key);
      for (int i = 0; i < expected.length; i++) {
        int x = i / 2 % 4;
        assertEquals(expected[i], flipped[i + 2 * (3 - 2 * x)]);
      }
    }
  }

  @Test
  void everyKindHasAName() {
    assertEquals(Augmentation.NONE, Augmentation.of("none"));
    assertEquals(Augmentation.flip(), Augmentation.of("flip"));
    assertEquals(Augmentation.crop(4), Augmentation.of("crop:4"));
    assertEquals(Augmentation.cropAndFlip(4), Augmentation.of("crop-flip:4"));
    assertEquals(Augmentation.resizeCrop(0.08f), Augmentation.of("resize-crop"));
    assertEquals(Augmentation.resizeCrop(0.25f), Augmentation.of("resize-crop:0.25"));
    assertEquals(Augmentation.resizeCropAndFlip(0.08f), Augmentation.of("resize-crop-flip"));
    assertEquals(Augmentation.resizeCropAndFlip(1f), Augmentation.of("resize-crop-flip:1"));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "", "mirror", "crop", "crop:", "crop:-1", "crop:5000", "flip:1", "none:1", "crop-flip",
        "resize-crop:", "resize-crop:0", "resize-crop:1.5", "resize-crop:NaN", "resize-crop:x",
        "resize-crop-flip:-0.1", "resize-crop:4:4", "crop:4 flip"
      })
  void anUnknownKindIsRefused(String kind) {
    IllegalArgumentException e =
        assertThrows(IllegalArgumentException.class, () -> Augmentation.of(kind));
    assertTrue(e.getMessage().contains(kind.replaceAll(".*:", "")), e.getMessage());
  }

  @Test
  void valuesOutOfRangeAreRefused() {
    assertThrows(IllegalArgumentException.class, () -> new Augmentation(-1, 0f, 0f));
    assertThrows(IllegalArgumentException.class, () -> new Augmentation(0, 0f, Float.NaN));
    assertThrows(IllegalArgumentException.class, () -> new Augmentation(0, 0f, 1.5f));
    assertThrows(IllegalArgumentException.class, () -> new Augmentation(0, Float.NaN, 0f));
    assertThrows(IllegalArgumentException.class, () -> new Augmentation(0, 1.5f, 0f));
    assertThrows(IllegalArgumentException.class, () -> new Augmentation(1, 0.5f, 0f));
    assertThrows(IllegalArgumentException.class, () -> new Region(-1, 0, 1, 1));
    assertThrows(IllegalArgumentException.class, () -> new Region(0, 0, 0, 1));
  }
}
