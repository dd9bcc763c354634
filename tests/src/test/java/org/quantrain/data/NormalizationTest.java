package org.quantrain.data;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class NormalizationTest {
  @Test
  void aPixelIsDividedThenShiftedThenScaled() {
    Normalization n = new Normalization(new float[] {0.485f, 0.456f}, new float[] {0.229f, 0.224f});
    for (int v = 0; v <= 255; v++) {
      assertEquals((v / 255f - 0.485f) / 0.229f, n.apply(v, 255, 0));
      assertEquals((v / 255f - 0.456f) / 0.224f, n.table(255, 1)[v]);
    }
    assertEquals(1f, Normalization.UNIT.apply(16, 16, 5));
  }

  @Test
  void oneValueFitsEveryNumberOfChannels() {
    assertTrue(Normalization.UNIT.fits(3));
    Normalization two = new Normalization(new float[2], new float[] {1f, 1f});
    assertTrue(two.fits(2));
    assertFalse(two.fits(3));
  }

  @Test
  void equalValuesAreEqualAndCannotBeChangedFromOutside() {
    float[] mean = {0.5f};
    Normalization n = new Normalization(mean, new float[] {2f});
    mean[0] = 9f;
    n.std()[0] = 9f;
    assertEquals(Normalization.of(0.5f, 2f), n);
    assertEquals(Normalization.of(0.5f, 2f).hashCode(), n.hashCode());
    assertEquals("mean=0.5&std=2.0", n.toString());
  }

  @Test
  void valuesOutOfRangeAreRefused() {
    assertThrows(IllegalArgumentException.class, () -> Normalization.of(0f, 0f));
    assertThrows(IllegalArgumentException.class, () -> Normalization.of(0f, -1f));
    assertThrows(IllegalArgumentException.class, () -> Normalization.of(Float.NaN, 1f));
    assertThrows(
        IllegalArgumentException.class, () -> Normalization.of(0f, Float.POSITIVE_INFINITY));
    assertThrows(
        IllegalArgumentException.class, () -> new Normalization(new float[2], new float[] {1f}));
    assertThrows(
        IllegalArgumentException.class, () -> new Normalization(new float[0], new float[0]));
  }
}
