package org.quantrain.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

class LineChartTest {
  @Test
  void stepsAreOneTwoOrFiveTimesAPowerOfTen() {
    assertEquals(0.5, LineChart.step(2.3, 5), 1e-12);
    assertEquals(20, LineChart.step(86, 5), 1e-12);
    assertEquals(0.01, LineChart.step(0.05, 5), 1e-12);
    assertEquals(1, LineChart.step(4.1, 5), 1e-12);
    assertEquals(10, LineChart.step(50, 5), 1e-12);
  }

  @Test
  void curvesAreDrawnToScaleInAPictureThatCutsThemOff() {
    LineChart chart = new LineChart("t", "epoch", 3, 0, 1);
    chart.line("train", List.of(point(0, -1), point(1, 0.5), point(3, 1)));
    Markup page = new Markup();
    chart.writeTo(page);
    assertTrue(page.toString().contains("viewBox=\"46 16 428 216\""), page.toString());
    assertTrue(page.toString().contains("d=\"M46 440L186 128L466 24\""), page.toString());
  }

  @Test
  void aChartOfOneEqualValueStillHasAnAxis() {
    LineChart chart = new LineChart("t", "epoch", 1, 100, 100);
    chart.marks("test", List.of(point(1, 100)));
    Markup page = new Markup();
    chart.writeTo(page);
    assertTrue(page.toString().contains(">100."), page.toString());
  }

  private static LineChart.Point point(double x, double y) {
    return new LineChart.Point(x, y, null);
  }
}
