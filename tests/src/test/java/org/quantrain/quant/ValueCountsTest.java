package org.quantrain.quant;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import org.junit.jupiter.api.Test;
import org.quantrain.tensor.QuantSpec;

/** Ranges from counted values. */
class ValueCountsTest {
  private static final int BINS = 4096;
  private static final QuantSpec UINT8 = Target.ORT.activation(8);
  private static final QuantSpec UINT4 = Target.ORT.activation(4);

  /** Counts of values below 4 in magnitude, in bins 1/512 wide. */
  private static ValueCounts of(double... values) {
    long[] counts = new long[BINS];
    for (double x : values) {
      counts[BINS / 2 + (int) Math.floor(x * 512)]++;
    }
    return new ValueCounts(counts, 1 / 512.0, 0);
  }

  private static double[] normal(int n, boolean nonNegative) {
    Random random = new Random(1);
    double[] values = new double[n];
    for (int i = 0; i < n; i++) {
      double x = Math.max(-3.99, Math.min(3.99, random.nextGaussian()));
      values[i] = nonNegative ? Math.abs(x) : x;
    }
    return values;
  }

  private static double squaredError(double[] values, ValueCounts.Range range, QuantSpec grid) {
    double step = (range.max() - range.min()) / (grid.qmax() - grid.qmin());
    double zero = Math.rint(-range.min() / step);
    double error = 0;
    for (double x : values) {
      double level = Math.max(0, Math.min(grid.qmax(), Math.rint(x / step) + zero));
      error += Math.pow(x - step * (level - zero), 2);
    }
    return error;
  }

  @Test
  void thePercentileLeavesOutTheOutermostValuesOfBothSigns() {
    double[] values = new double[10_000];
    for (int i = 0; i < values.length; i++) {
      values[i] = -1 + 2.0 * i / values.length; // evenly from -1 to 1
    }
    ValueCounts.Range range = of(values).percentile(0.9);
    assertEquals(-0.9, range.min(), 1 / 256.0); // a bin, and what is inside one
    assertEquals(0.9, range.max(), 1 / 256.0);
    ValueCounts.Range all = of(values).percentile(1);
    assertEquals(-1, all.min());
    assertEquals(1, all.max());
  }

  @Test
  void valuesOfOneSignLoseTheFarEndOnly() {
    double[] values = new double[10_000];
    for (int i = 0; i < values.length; i++) {
      values[i] = 2.0 * i / values.length;
    }
    ValueCounts.Range range = of(values).percentile(0.9);
    assertEquals(0, range.min());
    assertEquals(1.8, range.max(), 1 / 256.0);
  }

  @Test
  void theLeastSquaresRangeIsBetterThanTheWholeOneWhereBitsAreFew() {
    for (boolean nonNegative : new boolean[] {false, true}) {
      double[] values = normal(20_000, nonNegative);
      ValueCounts counts = of(values);
      ValueCounts.Range best = counts.leastSquares(UINT4);
      assertTrue(best.max() < counts.whole().max() * 0.9, best + " of " + counts.whole());
      double least = squaredError(values, best, UINT4);
      assertTrue(least < 0.9 * squaredError(values, counts.whole(), UINT4));
      for (double factor : new double[] {0.8, 1.25}) {
        ValueCounts.Range other =
            new ValueCounts.Range(best.min() * factor, best.max() * factor);
        assertTrue(least < squaredError(values, other, UINT4), "not the least at " + factor);
      }
    }
  }

  @Test
  void withManyBitsHardlyAnythingIsCutOff() {
    ValueCounts counts = of(normal(20_000, false));
    assertTrue(counts.leastSquares(UINT8).max() > 0.8 * counts.whole().max());
  }

  @Test
  void nothingAndOneValueHaveARange() {
    assertEquals(new ValueCounts.Range(0, 0), of().percentile(0.9999));
    assertEquals(new ValueCounts.Range(0, 0), of().leastSquares(UINT8));
    assertEquals(1, of(1 - 1e-9).leastSquares(UINT8).max());
    assertEquals(-1, of(-1 + 1e-9).percentile(0.5).min(), 1 / 512.0);
  }
}
