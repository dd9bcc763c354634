package org.quantrain.quant;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.quantrain.op.Contract;
import org.quantrain.tensor.QuantSpec;

class QuantPolicyTest {
  private static final QuantPolicy POLICY = QuantPolicy.forTarget(Target.ORT);

  @Test
  void withoutAWordEverythingHasEightBitsAndWeightsAScalePerChannel() {
    assertEquals(8, POLICY.weightSpec("conv", false).bits());
    assertEquals(8, POLICY.inputBits("conv", false));
    assertTrue(POLICY.weightSpec("conv", false).perChannel());
    assertEquals("W8A8 for ort", POLICY.toString());
  }

  @Test
  void firstAndLastKeepTheirOwnBits() {
    QuantPolicy policy = POLICY.weights(3).activations(4).firstAndLast(6);
    assertEquals(6, policy.weightSpec("conv", true).bits());
    assertEquals(6, policy.inputBits("conv", true));
    assertEquals(3, policy.weightSpec("conv", false).bits());
    assertEquals(4, policy.inputBits("conv", false));
    assertEquals("W3A4 for ort", policy.toString());
  }

  @Test
  void anOverrideMatchesWholeNamesAndBeatsFirstAndLast() {
    QuantPolicy policy = POLICY.weights(4).override("conv", 2, 3);
    assertEquals(2, policy.weightSpec("conv", true).bits());
    assertEquals(3, policy.inputBits("conv", true));
    assertEquals(4, policy.weightSpec("conv2", false).bits());
  }

  @Test
  void perTensorPoliciesHaveNoScalePerChannel() {
    assertFalse(POLICY.perTensorWeights().weightSpec("conv", true).perChannel());
  }

  @Test
  void ortGridsAreAffineUnsignedForActivationsAndNarrowSymmetricForWeights() {
    assertEquals(new QuantSpec(5, false, false, false, false), Target.ORT.activation(5));
    assertEquals(new QuantSpec(5, true, true, true, true), Target.ORT.weight(5, true));
    assertEquals(Target.ORT, Target.of("ort"));
  }

  @Test
  void anUnknownTargetIsRefusedWithThoseThereAre() {
    IllegalArgumentException e =
        assertThrows(IllegalArgumentException.class, () -> Target.of("trt"));
    assertTrue(e.getMessage().contains("trt") && e.getMessage().contains("ort"), e.getMessage());
  }

  @Test
  void tfliteGridsAreSignedAndEverythingButWeightsHasEightBits() {
    assertEquals(new QuantSpec(8, true, false, false, false), Target.TFLITE.activation(8));
    assertEquals(new QuantSpec(4, true, true, true, true), Target.TFLITE.weight(4, true));
    IllegalArgumentException e =
        assertThrows(
            IllegalArgumentException.class,
            () -> QuantPolicy.forTarget(Target.TFLITE).activations(4));
    assertEquals("activation bits: target tflite runs 8 bits, got 4", e.getMessage());
  }

  @Test
  void aTargetWithOneScaleForEachTensorHasThemWithoutAWordAndRefusesOthers() {
    QuantPolicy policy = QuantPolicy.forTarget(Target.SNPE);
    assertFalse(policy.weightSpec("conv", false).perChannel());
    assertThrows(IllegalArgumentException.class, () -> Target.SNPE.weight(8, true));
  }

  @Test
  void vitisHasPowersOfTwoAndOneForEachTensor() {
    QuantPolicy policy = QuantPolicy.forTarget(Target.VITIS);
    QuantSpec weights = new QuantSpec(8, true, true, true, false, true);
    assertEquals(weights, policy.weightSpec("conv", false));
    assertEquals(new QuantSpec(8, true, false, true, false, true), Target.VITIS.activation(8));
    assertThrows(IllegalArgumentException.class, () -> Target.VITIS.weight(8, true));
    assertThrows(IllegalArgumentException.class, () -> policy.weights(4));
    for (Quantizer quantizer : Quantizer.values()) {
      if (quantizer != Quantizer.EMA) {
        IllegalArgumentException e =
            assertThrows(IllegalArgumentException.class, () -> policy.quantizer(quantizer));
        String message = e.getMessage();
        assertTrue(message.endsWith("target vitis has powers of two: use ema"), message);
      }
    }
  }

  @ParameterizedTest
  @EnumSource
  void everyTargetRunsItsOwnDefaults(Target target) {
    QuantPolicy policy = QuantPolicy.forTarget(target);
    assertEquals(8, policy.inputBits("conv", false));
    assertEquals(target, Target.of(target.id()));
    assertEquals(target.contract(), Contract.of(target.contract().id()));
  }

  @ParameterizedTest
  @ValueSource(ints = {-8, 1, 9})
  void widthsThatTheTargetLacksAreRefusedWhenThePolicyIsMade(int bits) {
    assertThrows(IllegalArgumentException.class, () -> POLICY.weights(bits));
    assertThrows(IllegalArgumentException.class, () -> POLICY.activations(bits));
    assertThrows(IllegalArgumentException.class, () -> POLICY.firstAndLast(bits));
    assertThrows(IllegalArgumentException.class, () -> POLICY.override("conv", bits, 0));
    assertThrows(IllegalArgumentException.class, () -> POLICY.override("conv", 0, bits));
  }
}
