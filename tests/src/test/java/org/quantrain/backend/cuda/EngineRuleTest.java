package org.quantrain.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.EnumSet;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.quantrain.backend.cuda.EngineRule.Note;
import org.quantrain.runtime.FloatProducts;

class EngineRuleTest {
  /** The notes that alone keep an engine out. */
  private static Set<Note> refused(EngineRule rule) {
    return Stream.of(Note.values())
        .filter(note -> !rule.allows(EnumSet.of(note)))
        .collect(Collectors.toCollection(() -> EnumSet.noneOf(Note.class)));
  }

  @Test
  void float32IsMultipliedAsItIsAndSummedInOneOrderUnlessAskedOtherwise() {
    EngineRule rule = EngineRule.of(FloatProducts.EXACT, false);
    assertEquals(EnumSet.allOf(Note.class), refused(rule));
    assertTrue(rule.allows(EnumSet.noneOf(Note.class)));
  }

  @Test
  void tf32TakesTensorUnitsAndNothingElse() {
    Set<Note> all = EnumSet.complementOf(EnumSet.of(Note.TENSOR_CORE));
    assertEquals(all, refused(EngineRule.of(FloatProducts.EXACT, true)));
  }

  @Test
  void theFastestStillSumInFloat32() {
    EngineRule rule = EngineRule.of(new FloatProducts(false, false), false);
    assertEquals(
        EnumSet.of(Note.TENSOR_CORE, Note.DOWN_CONVERT_INPUTS, Note.REDUCED_PRECISION_REDUCTION),
        refused(rule));
  }

  @Test
  void oneNoteTooManyIsEnough() {
    EngineRule rule = EngineRule.of(FloatProducts.EXACT, true);
    assertTrue(rule.allows(EnumSet.of(Note.TENSOR_CORE)));
    assertFalse(rule.allows(EnumSet.of(Note.TENSOR_CORE, Note.NONDETERMINISTIC)));
  }
}
