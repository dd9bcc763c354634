package org.quantrain.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import java.util.SplittableRandom;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.IntPointer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_conv2d_pairs_args;
import org.quantrain.internal.bind.qt_pair_weights_args;
import org.quantrain.internal.bind.qt_window;

/**
 * Sums of the paired products are those of the formula, on every instruction set. What they become as
 * codes is tested with the operation.
 */
class PairedProductsTest {
  /** Sizes of a convolution. */
  private record Sizes(
      int n, int h, int w, int c, int k, int r, int s, int strideH, int strideW, int top, int left,
      int bottom, int right) {
    int p() {
      return (h + top + bottom - r) / strideH + 1;
    }

    int q() {
      return (w + left + right - s) / strideW + 1;
    }

    void describe(qt_window window) {
      window.n(n).h(h).w(w).c(c).p(p()).q(q()).kernel_h(r).kernel_w(s);
      window.stride_h(strideH).stride_w(strideW).pad_top(top).pad_left(left);
    }

    static Sizes random(SplittableRandom random) {
      int r = random.nextInt(1, 5);
      int s = random.nextInt(1, 5);
      return new Sizes(
          random.nextInt(1, 4),
          random.nextInt(5, 12),
          random.nextInt(5, 12),
          random.nextInt(1, 40),
          random.nextInt(1, 40),
          r,
          s,
          random.nextInt(1, 4),
          random.nextInt(1, 4),
          random.nextInt(r),
          random.nextInt(s),
          random.nextInt(r),
          random.nextInt(s));
    }
  }

  private static Kernels best;
  private static Kernels baseline;

  @BeforeAll
  static void open() {
    best = Kernels.open(null);
    baseline = Kernels.open("baseline");
  }

  @AfterAll
  static void close() {
    best.close();
    baseline.close();
  }

  @Test
  void weightsGoInPanelsOfSixteenChannelsTwoByTwo() {
    int k = 18;
    int runs = 2;
    int length = 3;
    byte[] w = new byte[k * runs * length];
    for (int i = 0; i < w.length; i++) {
      w[i] = (byte) (i + 1);
    }
    byte[] expected = new byte[2 * runs * 2 * 32];
    for (int channel = 0; channel < k; channel++) {
      for (int run = 0; run < runs; run++) {
        for (int i = 0; i < length; i++) {
          int pair = (channel / 16 * runs + run) * 2 + i / 2;
          expected[pair * 32 + channel % 16 * 2 + i % 2] = w[(channel * runs + run) * length + i];
        }
      }
    }
    assertArrayEquals(expected, paired(best, w, k, runs, length));
    assertArrayEquals(expected, paired(baseline, w, k, runs, length));
  }

  @Test
  void sumsOfConvolutionsAreThoseOfTheFormula() {
    SplittableRandom random = new SplittableRandom(1);
    for (int run = 0; run < 60; run++) {
      check(Sizes.random(random), false, random);
    }
    check(new Sizes(3, 1, 1, 1037, 21, 1, 1, 1, 1, 0, 0, 0, 0), false, random);
    check(new Sizes(2, 40, 50, 33, 17, 3, 3, 1, 1, 1, 1, 1, 1), false, random);
  }

  @Test
  void sumsOfDepthwiseConvolutionsAreThoseOfTheFormula() {
    SplittableRandom random = new SplittableRandom(2);
    for (int run = 0; run < 60; run++) {
      check(Sizes.random(random), true, random);
    }
    check(new Sizes(1, 80, 70, 37, 37, 3, 3, 1, 1, 1, 1, 1, 1), true, random);
    check(new Sizes(2, 40, 41, 48, 48, 3, 3, 2, 2, 0, 0, 1, 1), true, random);
  }

  private static void check(Sizes sizes, boolean depthwise, SplittableRandom random) {
    for (int type : new int[] {QuantrainNative.QT_U8, QuantrainNative.QT_S8}) {
      boolean unsigned = type == QuantrainNative.QT_U8;
      byte[] x = extreme(random, sizes.n * sizes.h * sizes.w * sizes.c, unsigned);
      int channels = depthwise ? sizes.c : sizes.k;
      int depth = depthwise ? 1 : sizes.c;
      byte[] w = extreme(random, channels * sizes.r * sizes.s * depth, false);
      int zeroPoint = unsigned ? random.nextInt(256) : random.nextInt(-128, 128);
      int[] expected = sums(sizes, channels, depthwise, unsigned, x, zeroPoint, w);
      for (Kernels kernels : new Kernels[] {best, baseline}) {
        byte[] pairs = paired(kernels, w, channels, sizes.r, sizes.s * depth);
        int[] acc = run(kernels, sizes, depthwise, type, x, zeroPoint, pairs, expected.length);
        assertArrayEquals(expected, acc, () -> sizes + " depthwise: " + depthwise);
      }
    }
  }

  private static int[] sums(
      Sizes z, int channels, boolean depthwise, boolean unsigned, byte[] x, int zero, byte[] w) {
    int[] sums = new int[z.n * z.p() * z.q() * channels];
    int depth = depthwise ? 1 : z.c;
    int at = 0;
    for (int image = 0; image < z.n; image++) {
      for (int p = 0; p < z.p(); p++) {
        for (int q = 0; q < z.q(); q++) {
          for (int k = 0; k < channels; k++, at++) {
            for (int r = 0; r < z.r; r++) {
              for (int s = 0; s < z.s; s++) {
                int row = p * z.strideH - z.top + r;
                int column = q * z.strideW - z.left + s;
                if (row < 0 || row >= z.h || column < 0 || column >= z.w) {
                  continue;
                }
                for (int c = 0; c < depth; c++) {
                  int from = ((image * z.h + row) * z.w + column) * z.c + (depthwise ? k : c);
                  int code = unsigned ? x[from] & 255 : x[from];
                  sums[at] += (code - zero) * w[((k * z.r + r) * z.s + s) * depth + c];
                }
              }
            }
          }
        }
      }
    }
    return sums;
  }

  private static byte[] paired(Kernels kernels, byte[] w, int k, int runs, int length) {
    int size = (k + 15) / 16 * runs * ((length + 1) / 2) * 32;
    try (BytePointer from = Kernels.bytes(w);
        BytePointer to = new BytePointer((long) size);
        qt_pair_weights_args args = new qt_pair_weights_args()) {
      args.w(from).pairs(to).k(k).runs(runs).length(length);
      kernels.run(QuantrainNative::qt_pair_weights, args);
      return Kernels.get(to, size);
    }
  }

  private static int[] run(
      Kernels kernels, Sizes sizes, boolean depthwise, int type, byte[] x, int zeroPoint,
      byte[] pairs, int outputs) {
    try (BytePointer codes = Kernels.bytes(x);
        IntPointer zero = Kernels.ints(zeroPoint);
        BytePointer weights = Kernels.bytes(pairs);
        IntPointer acc = new IntPointer((long) outputs);
        qt_conv2d_pairs_args args = new qt_conv2d_pairs_args()) {
      sizes.describe(args.window());
      args.x(codes).x_zero_point(zero).x_type(type).pairs(weights).acc(acc);
      args.codes(null).bias(null).multiplier(null).zero_point(null);
      args.k(depthwise ? sizes.c : sizes.k).groups(depthwise ? sizes.c : 1);
      kernels.run(QuantrainNative::qt_conv2d_pairs, args);
      return Kernels.get(acc, outputs);
    }
  }

  /** A third of the codes are at the ends of the range; some tensors have nothing else. */
  private static byte[] extreme(SplittableRandom random, int n, boolean unsigned) {
    byte[] codes = new byte[n];
    random.nextBytes(codes);
    boolean all = random.nextInt(4) == 0;
    for (int i = 0; i < n; i++) {
      if (all || random.nextInt(3) == 0) {
        codes[i] = (byte) (unsigned ? 255 : random.nextInt(8) == 0 ? 127 : -128);
      }
    }
    return codes;
  }
}
