package org.quantrain.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.Random;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_merge_moments_args;
import org.quantrain.internal.bind.qt_merge_top_k_args;
import org.quantrain.internal.bind.qt_moments_args;
import org.quantrain.internal.bind.qt_percentile_range_args;
import org.quantrain.internal.bind.qt_top_k_args;

/** What two devices saw, merged, and the percentiles of it. */
class MergedObserversTest {
  private static final int K = 50;

  private Kernels kernels;
  private KernelMemory memory;

  @BeforeEach
  void open() {
    kernels = Kernels.open(null);
    memory = new KernelMemory(kernels, false);
  }

  @AfterEach
  void close() {
    memory.close();
    kernels.close();
  }

  private static float[] values(int n, double mean, long seed) {
    Random random = new Random(seed);
    float[] values = new float[n];
    for (int i = 0; i < n; i++) {
      values[i] = (float) (mean + random.nextGaussian());
    }
    return values;
  }

  private final class TopK {
    final FloatPointer largest = filled(Float.NEGATIVE_INFINITY);
    final FloatPointer smallest = filled(Float.POSITIVE_INFINITY);
    final LongPointer count = memory.longs(0);
    final LongPointer nans = memory.longs(0);

    private FloatPointer filled(float value) {
      float[] values = new float[K];
      Arrays.fill(values, value);
      return memory.floats(values);
    }

    TopK see(float... x) {
      memory.run(
          QuantrainNative::qt_top_k,
          new qt_top_k_args()
              .x(memory.floats(x))
              .largest(largest)
              .smallest(smallest)
              .count(count)
              .nans(nans)
              .n(x.length)
              .k(K));
      return this;
    }

    TopK merge(TopK other) {
      memory.run(
          QuantrainNative::qt_merge_top_k,
          new qt_merge_top_k_args()
              .other_largest(other.largest)
              .other_smallest(other.smallest)
              .other_count(other.count)
              .other_nans(other.nans)
              .largest(largest)
              .smallest(smallest)
              .count(count)
              .nans(nans)
              .k(K));
      return this;
    }

    /** Lower end, upper end, 1 if both are exact. */
    float[] percentiles(double lower, double upper) {
      FloatPointer min = memory.unwritten(1);
      FloatPointer max = memory.unwritten(1);
      IntPointer exact = memory.ints(-1);
      memory.run(
          QuantrainNative::qt_percentile_range,
          new qt_percentile_range_args()
              .largest(largest)
              .smallest(smallest)
              .count(count)
              .min(min)
              .max(max)
              .exact(exact)
              .k(K)
              .max_percentile(upper)
              .min_percentile(lower));
      return new float[] {min.get(), max.get(), exact.get()};
    }
  }

  @Test
  void theTopKOfTwoDevicesAreThoseOfAllTheirValues() {
    float[] a = values(1000, 0, 1);
    float[] b = values(30, 2, 2);
    b[7] = Float.NaN;
    float[] all = Arrays.copyOf(a, a.length + b.length);
    System.arraycopy(b, 0, all, a.length, b.length);
    TopK one = new TopK().see(all);
    TopK merged = new TopK().see(a).merge(new TopK().see(b)).merge(new TopK());
    assertArrayEquals(
        KernelMemory.floats(one.largest, K), KernelMemory.floats(merged.largest, K));
    assertArrayEquals(
        KernelMemory.floats(one.smallest, K), KernelMemory.floats(merged.smallest, K));
    assertEquals(1029, merged.count.get());
    assertEquals(1, merged.nans.get());
  }

  /** The values 1 to 1000: the j-th largest is 1001 - j. */
  @Test
  void aPercentileIsAnIndexFromItsEnd() {
    float[] x = new float[1000];
    for (int i = 0; i < x.length; i++) {
      x[i] = 1 + i * 7 % 1000;
    }
    TopK seen = new TopK().see(x);
    assertArrayEquals(new float[] {10, 991, 1}, seen.percentiles(0.99, 0.99));
    assertArrayEquals(new float[] {1, 1000, 1}, seen.percentiles(1, 1), "no less than the first");
    assertArrayEquals(new float[] {1, 1000, 1}, seen.percentiles(0.9999, 0.9999));
    // 2.5 of 1000 go to the even index.
    assertArrayEquals(new float[] {2, 999, 1}, seen.percentiles(0.9975, 0.9975));
    // The 100th of both ends is not kept: the 50th is, and says that it is not exact.
    assertArrayEquals(new float[] {50, 951, 0}, seen.percentiles(0.9, 0.9));
    assertArrayEquals(new float[] {50, 991, 0}, seen.percentiles(0.9, 0.99));
    assertArrayEquals(new float[] {0, 0, 1}, new TopK().percentiles(0.99, 0.99), "nothing seen");
  }

  private final class Moments {
    final LongPointer count = memory.longs(0, 0);
    final FloatPointer mean = memory.floats(0, 0);
    final FloatPointer m2 = memory.floats(0, 0);
    final FloatPointer meanAbs = memory.floats(0, 0);
    final FloatPointer std = memory.floats(0, 0);

    /** Two channels, one after the other. */
    Moments see(float... x) {
      memory.run(
          QuantrainNative::qt_moments,
          new qt_moments_args()
              .x(memory.floats(x))
              .count(count)
              .mean(mean)
              .m2(m2)
              .mean_abs(meanAbs)
              .std(std)
              .outer(1)
              .channels(2)
              .inner(x.length / 2));
      return this;
    }

    Moments merge(Moments other) {
      memory.run(
          QuantrainNative::qt_merge_moments,
          new qt_merge_moments_args()
              .other_count(other.count)
              .other_mean(other.mean)
              .other_m2(other.m2)
              .other_mean_abs(other.meanAbs)
              .count(count)
              .mean(mean)
              .m2(m2)
              .mean_abs(meanAbs)
              .std(std)
              .channels(2));
      return this;
    }
  }

  @Test
  void theMomentsOfTwoDevicesAreThoseOfAllTheirFiniteValues() {
    float[] a = values(200, 5, 3);
    float[] b = values(2000, -3, 4);
    b[11] = Float.POSITIVE_INFINITY;
    b[1200] = Float.NaN;
    Moments merged = new Moments().see(a).merge(new Moments().see(b)).merge(new Moments());
    for (int c = 0; c < 2; c++) {
      float[] all = new float[1100];
      System.arraycopy(a, 100 * c, all, 0, 100);
      System.arraycopy(b, 1000 * c, all, 100, 1000);
      int n = 0;
      double sum = 0;
      double magnitudes = 0;
      for (float v : all) {
        if (Float.isFinite(v)) {
          n++;
          sum += v;
          magnitudes += Math.abs(v);
        }
      }
      double squares = 0;
      for (float v : all) {
        squares += Float.isFinite(v) ? (v - sum / n) * (v - sum / n) : 0;
      }
      assertEquals(n, merged.count.get(c));
      assertEquals(sum / n, merged.mean.get(c), 1e-6);
      assertEquals(magnitudes / n, merged.meanAbs.get(c), 1e-6);
      assertEquals(squares, merged.m2.get(c), 1e-6 * squares);
      assertEquals(Math.sqrt(squares / n), merged.std.get(c), 1e-6);
    }
  }
}
