package org.quantrain.tensor;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class QuantSpecTest {
  @ParameterizedTest
  @CsvSource({
    "2, true, true, -1, 1",
    "2, true, false, -2, 1",
    "2, false, false, 0, 3",
    "4, true, true, -7, 7",
    "8, true, true, -127, 127",
    "8, true, false, -128, 127",
    "8, false, false, 0, 255"
  })
  void theEndsOfAGridFollowFromBitsSignAndNarrowness(
      int bits, boolean signed, boolean narrow, int qmin, int qmax) {
    QuantSpec spec = new QuantSpec(bits, signed, narrow, false, false);
    assertEquals(qmin, spec.qmin());
    assertEquals(qmax, spec.qmax());
    assertEquals(signed ? DType.S8 : DType.U8, spec.container());
  }

  @ParameterizedTest
  @ValueSource(ints = {-1, 0, 1, 9, 16})
  void gridsHaveTwoToEightBits(int bits) {
    assertThrows(IllegalArgumentException.class, () -> new QuantSpec(bits, true, true, true, true));
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 8})
  void anUnsignedGridHasNoLowestCodeToLeaveOut(int bits) {
    assertThrows(
        IllegalArgumentException.class, () -> new QuantSpec(bits, false, true, false, false));
  }

  @Test
  void powersOfTwoAreThoseOfNormalFloats() {
    for (int e = Float.MIN_EXPONENT; e <= Float.MAX_EXPONENT; e++) {
      float power = Math.scalb(1f, e);
      assertTrue(QuantSpec.isPowerOfTwo(power), () -> "" + power);
      assertFalse(QuantSpec.isPowerOfTwo(Math.nextUp(power)), () -> "above " + power);
      assertFalse(QuantSpec.isPowerOfTwo(-power), () -> "" + -power);
    }
    float[] others = {0, -0f, Float.MIN_VALUE, Float.NaN, Float.POSITIVE_INFINITY, 0.3f};
    for (float other : others) {
      assertFalse(QuantSpec.isPowerOfTwo(other), () -> "" + other);
    }
  }
}
