package org.quantrain.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.Random;
import org.bytedeco.javacpp.FloatPointer;
import org.junit.jupiter.api.Test;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_batch_norm_absorb_backward_args;
import org.quantrain.internal.bind.qt_batch_norm_backward_args;

/**
 * Batch norm's gradient in two calls, the sums and what follows from them: on all rows, and on two
 * halves whose sums are added in between.
 */
class BatchNormInPartsTest {
  private static final int ROWS = 300;
  private static final int CHANNELS = 7;

  /** dx, dgamma and dbeta. */
  private record Gradient(float[] dx, float[] dgamma, float[] dbeta) {}

  /** One of the two kernels, on the rows from {@code begin} to {@code end}. */
  private interface Kernel {
    /**
     * @param sums null: computed; else dgamma and dbeta over {@link #ROWS} rows
     * @param wantsDx false: the sums alone
     */
    Gradient run(KernelMemory memory, int begin, int end, Gradient sums, boolean wantsDx);
  }

  private static float[] random(int seed, int n, float from, float to) {
    Random random = new Random(seed);
    float[] values = new float[n];
    for (int i = 0; i < n; i++) {
      values[i] = from + (to - from) * random.nextFloat();
    }
    return values;
  }

  private static float[] rows(float[] all, int begin, int end) {
    return Arrays.copyOfRange(all, begin * CHANNELS, end * CHANNELS);
  }

  private static Gradient ofFloats(
      KernelMemory memory, int begin, int end, Gradient sums, boolean wantsDx) {
    FloatPointer dx = memory.unwritten((end - begin) * CHANNELS);
    FloatPointer dgamma =
        sums == null ? memory.unwritten(CHANNELS) : memory.floats(sums.dgamma());
    FloatPointer dbeta = sums == null ? memory.unwritten(CHANNELS) : memory.floats(sums.dbeta());
    memory.run(
        QuantrainNative::qt_batch_norm_backward,
        new qt_batch_norm_backward_args()
            .x(memory.floats(rows(random(1, ROWS * CHANNELS, -2, 2), begin, end)))
            .dy(memory.floats(rows(random(2, ROWS * CHANNELS, -1, 1), begin, end)))
            .mean(memory.floats(random(3, CHANNELS, -0.5f, 0.5f)))
            .var(memory.floats(random(4, CHANNELS, 0.5f, 2)))
            .gamma(memory.floats(random(5, CHANNELS, -1.5f, 1.5f)))
            .dx(wantsDx ? dx : null)
            .dgamma(dgamma)
            .dbeta(dbeta)
            .rows(end - begin)
            .channels(CHANNELS)
            .sum_rows(sums == null ? 0 : ROWS)
            .epsilon(1e-5f));
    return read(dx, end - begin, dgamma, dbeta);
  }

  private static Gradient ofAccumulators(
      KernelMemory memory, int begin, int end, Gradient sums, boolean wantsDx) {
    int[] acc = new Random(6).ints(ROWS * CHANNELS, -1000, 1000).toArray();
    FloatPointer du = memory.unwritten((end - begin) * CHANNELS);
    FloatPointer dgamma =
        sums == null ? memory.unwritten(CHANNELS) : memory.floats(sums.dgamma());
    FloatPointer dbeta = sums == null ? memory.unwritten(CHANNELS) : memory.floats(sums.dbeta());
    memory.run(
        QuantrainNative::qt_batch_norm_absorb_backward,
        new qt_batch_norm_absorb_backward_args()
            .dy(memory.floats(rows(random(2, ROWS * CHANNELS, -1, 1), begin, end)))
            .acc(memory.ints(Arrays.copyOfRange(acc, begin * CHANNELS, end * CHANNELS)))
            .gamma(memory.floats(random(5, CHANNELS, -1.5f, 1.5f)))
            .x_scale(memory.floats(0.01f))
            .w_scale(memory.floats(random(7, CHANNELS, 0.05f, 0.1f)))
            .mean(memory.floats(random(3, CHANNELS, -0.5f, 0.5f)))
            .inv_std(memory.floats(random(4, CHANNELS, 0.5f, 2)))
            .du(wantsDx ? du : null)
            .dgamma(dgamma)
            .dbeta(dbeta)
            .rows(end - begin)
            .channels(CHANNELS)
            .sum_rows(sums == null ? 0 : ROWS));
    return read(du, end - begin, dgamma, dbeta);
  }

  private static Gradient read(
      FloatPointer dx, int rows, FloatPointer dgamma, FloatPointer dbeta) {
    return new Gradient(
        KernelMemory.floats(dx, rows * CHANNELS),
        KernelMemory.floats(dgamma, CHANNELS),
        KernelMemory.floats(dbeta, CHANNELS));
  }

  @Test
  void twoCallsOnAllRowsHaveTheBitsOfOne() {
    for (Kernel kernel : kernels()) {
      try (Kernels kernels = Kernels.open(null);
          KernelMemory memory = new KernelMemory(kernels, false)) {
        Gradient one = kernel.run(memory, 0, ROWS, null, true);
        Gradient sums = kernel.run(memory, 0, ROWS, null, false);
        assertArrayEquals(one.dgamma(), sums.dgamma());
        assertArrayEquals(one.dbeta(), sums.dbeta());
        Gradient given = kernel.run(memory, 0, ROWS, sums, true);
        assertArrayEquals(one.dx(), given.dx());
        assertArrayEquals(sums.dgamma(), given.dgamma(), "given sums are read only");
      }
    }
  }

  /**
   * The sums are of at most 300 terms below 5 in float32, of which any two orders differ by 600
   * roundings of 2^-24 of their magnitudes; dx takes a 300th of that, times at most 3 * (1 + 5).
   */
  @Test
  void halvesWithTheSumsOfBothComeToTheGradientOfAllRows() {
    double bound = 600 * Math.pow(2, -24) * ROWS * 5;
    for (Kernel kernel : kernels()) {
      try (Kernels kernels = Kernels.open(null);
          KernelMemory memory = new KernelMemory(kernels, false)) {
        Gradient one = kernel.run(memory, 0, ROWS, null, true);
        Gradient first = kernel.run(memory, 0, ROWS / 2, null, false);
        Gradient second = kernel.run(memory, ROWS / 2, ROWS, null, false);
        Gradient both =
            new Gradient(
                null,
                added(first.dgamma(), second.dgamma()),
                added(first.dbeta(), second.dbeta()));
        assertArrayEquals(one.dgamma(), both.dgamma(), (float) bound);
        assertArrayEquals(one.dbeta(), both.dbeta(), (float) bound);
        float[] dx = new float[ROWS * CHANNELS];
        float[] upper = kernel.run(memory, 0, ROWS / 2, both, true).dx();
        float[] lower = kernel.run(memory, ROWS / 2, ROWS, both, true).dx();
        System.arraycopy(upper, 0, dx, 0, upper.length);
        System.arraycopy(lower, 0, dx, upper.length, lower.length);
        assertArrayEquals(one.dx(), dx, (float) (bound / ROWS * 18));
      }
    }
  }

  private static float[] added(float[] a, float[] b) {
    assertEquals(a.length, b.length);
    float[] sum = new float[a.length];
    for (int i = 0; i < sum.length; i++) {
      sum[i] = a[i] + b[i];
    }
    return sum;
  }

  private static Kernel[] kernels() {
    return new Kernel[] {BatchNormInPartsTest::ofFloats, BatchNormInPartsTest::ofAccumulators};
  }
}
