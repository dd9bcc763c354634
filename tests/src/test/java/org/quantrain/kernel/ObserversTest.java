package org.quantrain.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.LongPointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.ShortPointer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_histogram_args;
import org.quantrain.internal.bind.qt_merge_histograms_args;
import org.quantrain.internal.bind.qt_merge_ranges_args;
import org.quantrain.internal.bind.qt_min_max_args;
import org.quantrain.internal.bind.qt_moments_args;
import org.quantrain.internal.bind.qt_observe_fake_quant_args;
import org.quantrain.internal.bind.qt_range_to_qparams_args;
import org.quantrain.internal.bind.qt_std_range_args;
import org.quantrain.internal.bind.qt_top_k_args;
import org.quantrain.internal.bind.qt_update_range_args;

/** What observers must not do again: each test is named after a defect that was seen elsewhere. */
class ObserversTest {
  private Kernels kernels;

  /** An argument struct knows addresses only: what they point to must not be collected. */
  private final List<Pointer> alive = new ArrayList<>();

  private <P extends Pointer> P keep(P pointer) {
    alive.add(pointer);
    return pointer;
  }

  private FloatPointer floats(float... values) {
    return keep(new FloatPointer(values));
  }

  private IntPointer ints(int... values) {
    return keep(new IntPointer(values));
  }

  private LongPointer longs(long... values) {
    return keep(new LongPointer(values));
  }

  @BeforeEach
  void open() {
    kernels = Kernels.open(null);
  }

  @AfterEach
  void close() {
    kernels.close();
    alive.forEach(Pointer::close);
  }

  /** The state of a range with one channel. */
  private final class Range {
    final int rule;
    final FloatPointer min = floats(0f);
    final FloatPointer max = floats(0f);
    final FloatPointer weight = floats(0f);
    final FloatPointer debiasedMin = floats(0f);
    final FloatPointer debiasedMax = floats(0f);
    final IntPointer count = ints(0);

    Range(int rule) {
      this.rule = rule;
    }

    void see(float batchMin, float batchMax, float momentum) {
      kernels.run(
          QuantrainNative::qt_update_range,
          new qt_update_range_args()
              .batch_min(floats(batchMin))
              .batch_max(floats(batchMax))
              .range_min(min)
              .range_max(max)
              .count(count)
              .momentum(floats(momentum))
              .channels(1)
              .rule(rule)
              .weight(weight)
              .debiased_min(debiasedMin)
              .debiased_max(debiasedMax));
    }

    void merge(Range other) {
      kernels.run(
          QuantrainNative::qt_merge_ranges,
          new qt_merge_ranges_args()
              .other_min(other.min)
              .other_max(other.max)
              .other_count(other.count)
              .other_weight(other.weight)
              .range_min(min)
              .range_max(max)
              .count(count)
              .weight(weight)
              .channels(1)
              .rule(rule));
    }
  }

  @Test
  void theEmaMovesTowardsTheBatchAndAnOutlierDecays() {
    Range range = new Range(QuantrainNative.QT_RANGE_EMA);
    range.see(-1, 100, 0.1f);
    float before = range.max.get();
    for (int i = 0; i < 20; i++) {
      range.see(-1, 1, 0.1f);
      assertTrue(range.max.get() < before, "step " + i);
      before = range.max.get();
    }
    assertEquals(1 + 99 * Math.pow(0.9, 20), before, 1e-4);
    assertEquals(-1f, range.min.get());
  }

  @Test
  void theRunningRangeOnlyGrows() {
    Range range = new Range(QuantrainNative.QT_RANGE_MIN_MAX);
    range.see(1, 2, 0.1f);
    assertEquals(1f, range.min.get(), "the first batch is copied, 0 is not part of it");
    range.see(-3, 1, 0.1f);
    range.see(0, 0.5f, 0.1f);
    assertEquals(-3f, range.min.get());
    assertEquals(2f, range.max.get());
  }

  @Test
  void averageClippingWeighsAllBatchesEqually() {
    int n = 1000;
    Random random = new Random(3);
    float[] ends = new float[n];
    double sum = 0;
    for (int i = 0; i < n; i++) {
      ends[i] = 1 + random.nextFloat();
      sum += ends[i];
    }
    // A step rounds by half a unit at most, and i of n batches later i / n of that is left; another
    // unit for difference and quotient.
    double bound = ((n + 1) / 4.0 + 1) * Math.ulp(1f);
    for (boolean backwards : new boolean[] {false, true}) {
      Range range = new Range(QuantrainNative.QT_RANGE_MEAN);
      for (int i = 0; i < n; i++) {
        float end = ends[backwards ? n - 1 - i : i];
        range.see(-end, end, 0.01f);
      }
      assertEquals(sum / n, range.max.get(), bound);
      assertEquals(-sum / n, range.min.get(), bound);
    }
    // The first batch, one between and the last count the same.
    for (int outlier : new int[] {0, 7, 19}) {
      Range range = new Range(QuantrainNative.QT_RANGE_MEAN);
      for (int i = 0; i < 20; i++) {
        range.see(0, i == outlier ? 101 : 1, 0.01f);
      }
      assertEquals(6f, range.max.get(), 20 * Math.ulp(6f), "outlier in batch " + outlier);
    }
  }

  @Test
  void theAverageOfEqualBatchesDoesNotDrift() {
    Range range = new Range(QuantrainNative.QT_RANGE_MEAN);
    for (int i = 0; i < 10_000; i++) {
      range.see(-0.1f, 0.7f, 0.01f);
      assertEquals(-0.1f, range.min.get());
      assertEquals(0.7f, range.max.get());
    }
  }

  @Test
  void averagesOfDevicesMergeToThatOfAllBatches() {
    Range few = new Range(QuantrainNative.QT_RANGE_MEAN);
    Range many = new Range(QuantrainNative.QT_RANGE_MEAN);
    Range none = new Range(QuantrainNative.QT_RANGE_MEAN);
    few.see(-4, 8, 0.01f);
    for (float end : new float[] {1, 2, 3}) {
      many.see(-end, 2 * end, 0.01f);
    }
    many.merge(none);
    none.merge(few);
    none.merge(many);
    assertEquals(-2.5f, none.min.get());
    assertEquals(5f, none.max.get());
    assertEquals(4, none.count.get());
  }

  @Test
  void copyFirstHoldsOnToAnOutlierInTheFirstBatchAndDebiasingDoesNot() {
    float m = 0.01f;
    Range copied = new Range(QuantrainNative.QT_RANGE_EMA);
    Range debiased = new Range(QuantrainNative.QT_RANGE_EMA_DEBIASED);
    double sum = 0;
    double weight = 0;
    for (int t = 0; t < 50; t++) {
      float batch = t == 0 ? 100 : 1;
      copied.see(0, batch, m);
      debiased.see(0, batch, m);
      sum = sum * (1 - (double) m) + (double) m * batch;
      weight = weight * (1 - (double) m) + m;
      assertEquals(sum / weight, debiased.debiasedMax.get(), 1e-5 * sum / weight);
    }
    assertEquals(1 - Math.pow(1 - (double) m, 50), debiased.weight.get(), 1e-6);
    assertTrue(copied.max.get() > 60, "copied first " + copied.max.get());
    assertTrue(debiased.debiasedMax.get() < 3, "debiased " + debiased.debiasedMax.get());
  }

  @Test
  void aDebiasedRangeOfEqualBatchesIsTheBatchFromTheFirstStepOn() {
    Range range = new Range(QuantrainNative.QT_RANGE_EMA_DEBIASED);
    for (int t = 0; t < 200; t++) {
      range.see(-3, 0.7f, t % 2 == 0 ? 0.01f : 0.2f);
      assertEquals(-3f, range.debiasedMin.get(), 1e-5f);
      assertEquals(0.7f, range.debiasedMax.get(), 1e-6f);
    }
  }

  @Test
  void halfPrecisionInputDoesNotDegradeTheFloat32Ema() {
    Range range = new Range(QuantrainNative.QT_RANGE_EMA);
    FloatPointer min = floats(0f);
    FloatPointer max = floats(0f);
    float expected = 1;
    for (int step = 0; step < 600; step++) {
      // 1 and then the bf16 number after it: m times their difference is far below a bf16 step.
      short bits = (short) (step == 0 ? 0x3f80 : 0x3f81);
      kernels.run(
          QuantrainNative::qt_min_max,
          new qt_min_max_args()
              .x(keep(new ShortPointer(bits, (short) 0)))
              .min(min)
              .max(max)
              .nans(longs(0))
              .outer(1)
              .channels(1)
              .inner(2)
              .element_type(QuantrainNative.QT_ELEMENT_BF16));
      range.see(min.get(), max.get(), 0.01f);
      if (step > 0) {
        expected = expected + 0.01f * (1.0078125f - expected);
      }
      assertEquals(expected, range.max.get());
    }
    assertTrue(range.max.get() > 1.0077f, "stuck at " + range.max.get());
  }

  private float[] scales(float[] min, float[] max, int[] zeroPoints) {
    return scales(min, max, zeroPoints, 127, false);
  }

  private float[] scales(
      float[] min, float[] max, int[] zeroPoints, int qmax, boolean powerOfTwo) {
    FloatPointer scale = floats(new float[min.length]);
    IntPointer zeroPoint = ints(new int[min.length]);
    kernels.run(
        QuantrainNative::qt_range_to_qparams,
        new qt_range_to_qparams_args()
            .range_min(floats(min))
            .range_max(floats(max))
            .scale(scale)
            .zero_point(zeroPoint)
            .channels(min.length)
            .qmin(-qmax)
            .qmax(qmax)
            .symmetric(1)
            .power_of_two(powerOfTwo ? 1 : 0));
    zeroPoint.get(zeroPoints);
    float[] scales = new float[min.length];
    scale.get(scales);
    return scales;
  }

  @Test
  void aOneSidedSymmetricChannelKeepsZeroPointZero() {
    int[] zeroPoints = new int[3];
    float[] scales = scales(new float[] {0, -2.54f, 1}, new float[] {2.54f, -1, 2.54f}, zeroPoints);
    assertArrayEquals(new int[3], zeroPoints);
    for (float scale : scales) {
      assertEquals(2.54f / 127, scale);
    }
  }

  @Test
  void aSymmetricScalePerChannelUsesThatChannelsOwnMinimum() {
    float[] scales = scales(new float[] {-1, -2, -4}, new float[] {0.5f, 0.5f, 0.5f}, new int[3]);
    assertArrayEquals(new float[] {1f / 127, 2f / 127, 4f / 127}, scales);
  }

  /** The smallest power of two of normal floats whose grid reaches a magnitude. */
  private static float leastPowerOfTwo(float magnitude, int qmax) {
    BigDecimal most = new BigDecimal(qmax);
    for (int exponent = Float.MIN_EXPONENT; exponent < Float.MAX_EXPONENT; exponent++) {
      float scale = Math.scalb(1f, exponent);
      if (new BigDecimal(magnitude).compareTo(new BigDecimal(scale).multiply(most)) <= 0) {
        return scale;
      }
    }
    return Math.scalb(1f, Float.MAX_EXPONENT);
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 7, 127, 128, 255, 32767})
  void aPowerOfTwoScaleIsTheSmallestThatReachesTheRange(int qmax) {
    List<Float> edges = new ArrayList<>(List.of(Float.MIN_VALUE, 1e-42f, Float.MIN_NORMAL, 1f));
    edges.addAll(List.of(3e38f, Float.MAX_VALUE, Math.scalb(1f, 127)));
    for (int exponent = -120; exponent <= 100; exponent += 11) {
      float end = Math.scalb((float) qmax, exponent);
      edges.addAll(List.of(end, Math.nextUp(end), Math.nextDown(end), 1.5f * end));
    }
    float[] max = new float[edges.size()];
    float[] min = new float[max.length];
    for (int i = 0; i < max.length; i++) {
      max[i] = edges.get(i);
      min[i] = i % 2 == 0 ? 0 : -max[i];
    }
    int[] zeroPoints = new int[max.length];
    float[] scales = scales(min, max, zeroPoints, qmax, true);
    assertArrayEquals(new int[max.length], zeroPoints);
    for (int i = 0; i < max.length; i++) {
      assertEquals(leastPowerOfTwo(max[i], qmax), scales[i], max[i] + " / " + qmax);
    }
  }

  @Test
  void aPowerOfTwoScaleOfNothingIsOneAndOfInfinityIsSeen() {
    float nan = Float.NaN;
    float inf = Float.POSITIVE_INFINITY;
    float[] min = {0, -0f, nan, nan, 0, -inf};
    float[] max = {0, -0f, nan, 127, inf, 1};
    float[] expected = {1, 1, 1, 1, inf, inf};
    assertArrayEquals(expected, scales(min, max, new int[6], 127, true));
  }

  /** Values of very different magnitude in an order in which the range grows late. */
  private static float[] growing(int n) {
    Random random = new Random(5);
    float[] x = new float[n];
    for (int i = 0; i < n; i++) {
      x[i] = (float) (random.nextGaussian() * Math.pow(2, 20.0 * i / n - 10));
    }
    x[n / 3] = Float.NaN;
    x[n / 2] = Float.NEGATIVE_INFINITY;
    return x;
  }

  /** Counts, then exponents, NaN and Inf of a histogram with 64 bins. */
  private final class Histogram {
    static final int BINS = 64;
    final int channels;
    final LongPointer counts;
    final IntPointer exponent;
    final LongPointer nans;
    final LongPointer infs;

    Histogram(int channels) {
      this.channels = channels;
      counts = longs(new long[channels * BINS]);
      int[] finest = new int[channels];
      Arrays.fill(finest, -126);
      exponent = ints(finest);
      nans = longs(new long[channels]);
      infs = longs(new long[channels]);
    }

    Histogram see(float[] rows) {
      kernels.run(
          QuantrainNative::qt_histogram,
          new qt_histogram_args()
              .x(floats(rows))
              .counts(counts)
              .exponent(exponent)
              .nans(nans)
              .infs(infs)
              .outer(rows.length / channels)
              .channels(channels)
              .inner(1)
              .bins(BINS)
              .is_signed(1));
      return this;
    }

    Histogram merge(Histogram other) {
      kernels.run(
          QuantrainNative::qt_merge_histograms,
          new qt_merge_histograms_args()
              .other_counts(other.counts)
              .other_exponent(other.exponent)
              .other_nans(other.nans)
              .other_infs(other.infs)
              .counts(counts)
              .exponent(exponent)
              .nans(nans)
              .infs(infs)
              .channels(channels)
              .bins(BINS)
              .is_signed(1));
      return this;
    }

    long[] everything() {
      long[] all = new long[channels * (BINS + 3)];
      for (int i = 0; i < channels * BINS; i++) {
        all[i] = counts.get(i);
      }
      for (int c = 0; c < channels; c++) {
        all[channels * BINS + c] = exponent.get(c);
        all[channels * (BINS + 1) + c] = nans.get(c);
        all[channels * (BINS + 2) + c] = infs.get(c);
      }
      return all;
    }
  }

  @Test
  void theHistogramIsTheSameForOneBatchOf64AndFor64BatchesOfOne() {
    for (int channels : new int[] {1, 3}) {
      int sample = 50 * channels;
      float[] x = growing(64 * sample);
      long[] whole = new Histogram(channels).see(x).everything();
      Histogram parts = new Histogram(channels);
      for (int i = 0; i < 64; i++) {
        parts.see(Arrays.copyOfRange(x, i * sample, (i + 1) * sample));
      }
      assertArrayEquals(whole, parts.everything());
      Histogram back = new Histogram(channels);
      for (int i = 63; i >= 0; i--) {
        back.see(Arrays.copyOfRange(x, i * sample, (i + 1) * sample));
      }
      assertArrayEquals(whole, back.everything());
      assertEquals(64L * sample, Arrays.stream(whole, 0, channels * Histogram.BINS).sum() + 2);
    }
  }

  @Test
  void mergedHistogramsAreTheHistogramOfAll() {
    float[] x = growing(900);
    long[] whole = new Histogram(3).see(x).everything();
    Histogram early = new Histogram(3).see(Arrays.copyOf(x, 300));
    Histogram late = new Histogram(3).see(Arrays.copyOfRange(x, 300, 900));
    assertArrayEquals(whole, new Histogram(3).merge(early).merge(late).everything());
    assertArrayEquals(whole, new Histogram(3).merge(late).merge(early).everything());
  }

  @Test
  void theTopKAreThoseOfASortHoweverTheValuesAreCutIntoBatches() {
    int k = 100;
    float[] x = growing(5000);
    float[] sorted = new float[x.length];
    int numbers = 0;
    for (float v : x) {
      if (!Float.isNaN(v)) {
        sorted[numbers++] = v + 0f;
      }
    }
    Arrays.sort(sorted, 0, numbers);
    for (int batch : new int[] {5000, 1000, 7}) {
      float[] fill = new float[k];
      Arrays.fill(fill, Float.NEGATIVE_INFINITY);
      FloatPointer largest = floats(fill);
      Arrays.fill(fill, Float.POSITIVE_INFINITY);
      FloatPointer smallest = floats(fill);
      LongPointer count = longs(0);
      for (int i = 0; i < x.length; i += batch) {
        float[] part = Arrays.copyOfRange(x, i, Math.min(x.length, i + batch));
        kernels.run(
            QuantrainNative::qt_top_k,
            new qt_top_k_args()
                .x(floats(part))
                .largest(largest)
                .smallest(smallest)
                .count(count)
                .nans(longs(0))
                .n(part.length)
                .k(k));
      }
      assertEquals(numbers, count.get());
      for (int i = 0; i < k; i++) {
        assertEquals(sorted[numbers - 1 - i], largest.get(i), "largest " + i + " of " + batch);
        assertEquals(sorted[i], smallest.get(i), "smallest " + i + " of " + batch);
      }
    }
  }

  @Test
  void momentsFarFromZeroKeepTheirDeviationAndBatchesMerge() {
    Random random = new Random(7);
    float[] x = new float[6000];
    double sum = 0;
    for (int i = 0; i < x.length; i++) {
      x[i] = (float) (500 + random.nextGaussian());
      sum += x[i];
    }
    double mean = sum / x.length;
    double squares = 0;
    for (float v : x) {
      squares += (v - mean) * (v - mean);
    }
    LongPointer count = longs(0);
    FloatPointer means = floats(0f);
    FloatPointer m2 = floats(0f);
    FloatPointer meanAbs = floats(0f);
    FloatPointer std = floats(0f);
    for (int i = 0; i < 3; i++) {
      kernels.run(
          QuantrainNative::qt_moments,
          new qt_moments_args()
              .x(floats(Arrays.copyOfRange(x, i * 2000, (i + 1) * 2000)))
              .count(count)
              .mean(means)
              .m2(m2)
              .mean_abs(meanAbs)
              .std(std)
              .outer(1)
              .channels(1)
              .inner(2000));
    }
    assertEquals(6000, count.get());
    assertEquals(mean, means.get(), 1e-4);
    assertEquals(mean, meanAbs.get(), 1e-4);
    double expected = Math.sqrt(squares / x.length);
    assertEquals(expected, std.get(), 1e-5 * expected);
  }

  /** Minimum and maximum, and what is left of them within {@code k} deviations. */
  private record Clipped(float observedMin, float observedMax, float min, float max) {}

  private Clipped clipped(float[] x, float k) {
    FloatPointer min = floats(0f);
    FloatPointer max = floats(0f);
    LongPointer count = longs(0);
    FloatPointer mean = floats(0f);
    FloatPointer std = floats(0f);
    FloatPointer data = floats(x);
    kernels.run(
        QuantrainNative::qt_min_max,
        new qt_min_max_args()
            .x(data)
            .min(min)
            .max(max)
            .nans(longs(0))
            .outer(1)
            .channels(1)
            .inner(x.length));
    kernels.run(
        QuantrainNative::qt_moments,
        new qt_moments_args()
            .x(data)
            .count(count)
            .mean(mean)
            .m2(floats(0f))
            .mean_abs(floats(0f))
            .std(std)
            .outer(1)
            .channels(1)
            .inner(x.length));
    float observedMin = min.get();
    float observedMax = max.get();
    kernels.run(
        QuantrainNative::qt_std_range,
        new qt_std_range_args()
            .range_min(min)
            .range_max(max)
            .count(count)
            .mean(mean)
            .std(std)
            .min(min)
            .max(max)
            .channels(1)
            .k(k));
    return new Clipped(observedMin, observedMax, min.get(), max.get());
  }

  @Test
  void clippingAtDeviationsNarrowsTheRange() {
    float[] x = new float[1000];
    Random random = new Random(9);
    double sum = 0;
    double squares = 0;
    for (int i = 0; i < x.length; i++) {
      x[i] = i == 500 ? 50 : (float) random.nextGaussian();
      sum += x[i];
      squares += (double) x[i] * x[i];
    }
    double mean = sum / x.length;
    double std = Math.sqrt(squares / x.length - mean * mean);
    Clipped three = clipped(x, 3);
    assertEquals(50f, three.observedMax());
    assertEquals(mean + 3 * std, three.max(), 1e-5);
    assertEquals(three.observedMin(), three.min(), "no value is 3 deviations below the mean");
    Clipped one = clipped(x, 1);
    assertEquals(mean - std, one.min(), 1e-5);
    assertEquals(mean + std, one.max(), 1e-5);
  }

  @Test
  void clippingAtDeviationsNeverWidensTheRange() {
    float[] x = new float[1000];
    Random random = new Random(9);
    for (int i = 0; i < x.length; i++) {
      x[i] = 3 + random.nextFloat();
    }
    for (float k : new float[] {2, 3, 1e6f, Float.MAX_VALUE}) {
      Clipped all = clipped(x, k);
      assertEquals(all.observedMin(), all.min());
      assertEquals(all.observedMax(), all.max());
    }
    Clipped constant = clipped(new float[] {0.1f, 0.1f, 0.1f}, 3);
    assertEquals(0.1f, constant.min());
    assertEquals(0.1f, constant.max());
    Clipped nothing = clipped(new float[] {Float.NaN}, 3);
    assertEquals(0f, nothing.min());
    assertEquals(0f, nothing.max());
  }

  @Test
  void devicesThatTookEquallyManyStepsAverageToTheEmaOfTheirAveragedBatches() {
    for (int rule : new int[] {QuantrainNative.QT_RANGE_EMA, QuantrainNative.QT_RANGE_MIN_MAX}) {
      Range a = new Range(rule);
      Range b = new Range(rule);
      Range both = new Range(rule);
      for (int i = 1; i < 30; i++) {
        a.see(-i, i, 0.05f);
        b.see(-2 * i, 3, 0.05f);
        both.see(-1.5f * i, (i + 3) / 2f, 0.05f);
      }
      a.merge(b);
      boolean average = rule == QuantrainNative.QT_RANGE_EMA;
      assertEquals(average ? both.min.get() : -58f, a.min.get(), 1e-4f);
      assertEquals(average ? both.max.get() : 29f, a.max.get(), 1e-4f);
      assertEquals(58, a.count.get());
    }
  }

  @Test
  void aDelayedObserverQuantizesWithTheLastRangeAndTheFirstBatchWithItsOwn() {
    FloatPointer min = floats(0f);
    FloatPointer max = floats(0f);
    FloatPointer scale = floats(0f);
    FloatPointer y = floats(0, 0);
    IntPointer count = ints(0);
    qt_observe_fake_quant_args args =
        new qt_observe_fake_quant_args()
            .y(y)
            .range_min(min)
            .range_max(max)
            .count(count)
            .momentum(floats(0.5f))
            .scale(scale)
            .zero_point(ints(0))
            .nans(longs(0))
            .outer(1)
            .channels(1)
            .inner(2)
            .qmin(-127)
            .qmax(127)
            .symmetric(1)
            .mode(QuantrainNative.QT_OBSERVE_DELAYED)
            .rule(QuantrainNative.QT_RANGE_EMA);
    kernels.run(QuantrainNative::qt_observe_fake_quant, args.x(floats(-1f, 1.27f)));
    assertEquals(1.27f / 127, scale.get(), "the first batch is quantized with its own range");
    assertEquals(1.27f, y.get(1));
    kernels.run(QuantrainNative::qt_observe_fake_quant, args.x(floats(-1f, 2.54f)));
    assertEquals(1.27f / 127, scale.get(), "the second one with that of the first");
    assertEquals(1.27f, y.get(1), "clipped");
    assertEquals(1.27f + 0.5f * (2.54f - 1.27f), max.get());
    kernels.run(QuantrainNative::qt_observe_fake_quant, args.x(floats(0f, 0f)));
    assertEquals((1.27f + 0.5f * (2.54f - 1.27f)) / 127, scale.get(), "the third one with both");
  }
}
