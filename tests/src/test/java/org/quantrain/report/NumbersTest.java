package org.quantrain.report;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.api.Test;

class NumbersTest {
  @Test
  void realNumbersKeepThreeDigits() {
    assertEquals("0.0123", Numbers.real(0.012345));
    assertEquals("-3.25", Numbers.real(-3.25));
    assertEquals("1235", Numbers.real(1234.5678));
    assertEquals("1.50e-07", Numbers.real(1.5e-7));
    assertEquals("0", Numbers.real(-0.0));
  }

  @Test
  void sizesAreRoundedToAUnit() {
    assertEquals("999 B", Numbers.bytes(999));
    assertEquals("1.0 KB", Numbers.bytes(1000));
    assertEquals("84 KB", Numbers.bytes(84_207));
    assertEquals("1.0 MB", Numbers.bytes(999_900));
    assertEquals("205 k", Numbers.compact(204_800));
  }

  @Test
  void durationsNameTwoUnits() {
    assertEquals("1.5 s", Numbers.duration(1.5));
    assertEquals("59 s", Numbers.duration(59.4));
    assertEquals("1 min 23 s", Numbers.duration(83));
    assertEquals("2 h 5 min", Numbers.duration(7_500));
  }
}
