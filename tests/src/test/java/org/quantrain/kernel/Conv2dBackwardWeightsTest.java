package org.quantrain.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.SplittableRandom;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_conv2d_backward_weights_args;

/** Gradients of weights are those of the formula, with one set of bits. */
class Conv2dBackwardWeightsTest {
  private static final float SCALE = 0.013f;

  /** Sizes of a convolution. */
  private record Sizes(
      int n, int h, int w, int c, int k, int r, int s, int strideH, int strideW, int dilationH,
      int dilationW, int top, int left, int bottom, int right) {
    int p() {
      return (h + top + bottom - (r - 1) * dilationH - 1) / strideH + 1;
    }

    int q() {
      return (w + left + right - (s - 1) * dilationW - 1) / strideW + 1;
    }

    static Sizes random(SplittableRandom random) {
      int r = random.nextInt(1, 5);
      int s = random.nextInt(1, 5);
      int dilationH = random.nextInt(1, 3);
      int dilationW = random.nextInt(1, 3);
      int rows = (r - 1) * dilationH + 1;
      int columns = (s - 1) * dilationW + 1;
      return new Sizes(
          random.nextInt(1, 6),
          random.nextInt(7, 14),
          random.nextInt(7, 14),
          random.nextInt(1, 30),
          random.nextInt(1, 40),
          r,
          s,
          random.nextInt(1, 4),
          random.nextInt(1, 4),
          dilationH,
          dilationW,
          random.nextInt(rows),
          random.nextInt(columns),
          random.nextInt(rows),
          random.nextInt(columns));
    }

    static Sizes square(int n, int size, int c, int k, int kernel, int stride) {
      int pad = kernel / 2;
      return new Sizes(
          n, size, size, c, k, kernel, kernel, stride, stride, 1, 1, pad, pad, pad, pad);
    }
  }

  private static Kernels two;
  private static Kernels one;
  private static Kernels baseline;

  @BeforeAll
  static void open() {
    two = Kernels.open(null);
    one = Kernels.open(null, 1);
    baseline = Kernels.open("baseline");
  }

  @AfterAll
  static void close() {
    two.close();
    one.close();
    baseline.close();
  }

  @Test
  void gradientsAreThoseOfTheFormulaForAnyWindow() {
    SplittableRandom random = new SplittableRandom(1);
    for (int run = 0; run < 60; run++) {
      check(Sizes.random(random), random);
    }
  }

  @Test
  void gradientsOverManyBandsAndChannelsAreThoseOfTheFormula() {
    SplittableRandom random = new SplittableRandom(2);
    check(Sizes.square(70, 17, 3, 8, 3, 1), random);
    check(Sizes.square(5, 33, 16, 35, 3, 2), random);
    check(Sizes.square(2, 9, 70, 66, 3, 1), random);
    check(Sizes.square(1, 1, 1, 1, 1, 1), random);
    check(Sizes.square(1, 200, 2, 3, 3, 1), random);
  }

  @Test
  void withoutPixelsTheGradientIsZero() {
    Sizes none = Sizes.square(0, 5, 3, 4, 3, 1);
    float[] dw = run(two, none, new byte[0], QuantrainNative.QT_ELEMENT_U8, 0, new float[0]);
    assertArrayEquals(new float[4 * 3 * 3 * 3], dw);
  }

  private static void check(Sizes z, SplittableRandom random) {
    byte[] codes = new byte[z.n * z.h * z.w * z.c];
    random.nextBytes(codes);
    float[] dy = new float[z.n * z.p() * z.q() * z.k];
    for (int i = 0; i < dy.length; i++) {
      dy[i] = (float) random.nextGaussian();
    }
    for (int type : new int[] {QuantrainNative.QT_ELEMENT_U8, QuantrainNative.QT_ELEMENT_S8}) {
      boolean unsigned = type == QuantrainNative.QT_ELEMENT_U8;
      int zeroPoint = unsigned ? random.nextInt(256) : random.nextInt(-128, 128);
      float[] x = new float[codes.length];
      for (int i = 0; i < x.length; i++) {
        x[i] = ((unsigned ? codes[i] & 255 : codes[i]) - zeroPoint) * SCALE;
      }
      float[] dw = run(two, z, codes, type, zeroPoint, dy);
      near(z, x, dy, dw);
      assertArrayEquals(dw, run(one, z, codes, type, zeroPoint, dy), () -> "one thread, " + z);
      assertArrayEquals(dw, run(baseline, z, codes, type, zeroPoint, dy), () -> "baseline, " + z);
      assertArrayEquals(dw, run(two, z, x, dy), () -> "of floats, " + z);
    }
  }

  /** Each pixel's product and its addition round once, by 2^-24 of a partial sum. */
  private static void near(Sizes z, float[] x, float[] dy, float[] dw) {
    double[] expected = new double[dw.length];
    double[] magnitude = new double[dw.length];
    int pixel = 0;
    for (int image = 0; image < z.n; image++) {
      for (int p = 0; p < z.p(); p++) {
        for (int q = 0; q < z.q(); q++, pixel++) {
          for (int r = 0; r < z.r; r++) {
            for (int s = 0; s < z.s; s++) {
              int row = p * z.strideH - z.top + r * z.dilationH;
              int column = q * z.strideW - z.left + s * z.dilationW;
              if (row < 0 || row >= z.h || column < 0 || column >= z.w) {
                continue;
              }
              int from = ((image * z.h + row) * z.w + column) * z.c;
              for (int k = 0; k < z.k; k++) {
                int to = ((k * z.r + r) * z.s + s) * z.c;
                double gradient = dy[pixel * z.k + k];
                for (int c = 0; c < z.c; c++) {
                  expected[to + c] += gradient * x[from + c];
                  magnitude[to + c] += Math.abs(gradient * x[from + c]);
                }
              }
            }
          }
        }
      }
    }
    for (int i = 0; i < dw.length; i++) {
      double bound = pixel * 0x1p-24 * magnitude[i];
      assertEquals(expected[i], dw[i], bound, "element " + i + " of " + z);
    }
  }

  private static float[] run(
      Kernels kernels, Sizes sizes, byte[] codes, int type, int zeroPoint, float[] dy) {
    try (BytePointer x = Kernels.bytes(codes);
        FloatPointer scale = Kernels.floats(SCALE);
        IntPointer zero = Kernels.ints(zeroPoint);
        qt_conv2d_backward_weights_args args = new qt_conv2d_backward_weights_args()) {
      args.x(x).x_scale(scale).x_zero_point(zero).x_type(type);
      return run(kernels, sizes, args, dy);
    }
  }

  private static float[] run(Kernels kernels, Sizes sizes, float[] values, float[] dy) {
    try (FloatPointer x = Kernels.floats(values);
        qt_conv2d_backward_weights_args args = new qt_conv2d_backward_weights_args()) {
      args.x(x).x_scale(null).x_zero_point(null).x_type(QuantrainNative.QT_ELEMENT_F32);
      return run(kernels, sizes, args, dy);
    }
  }

  private static float[] run(
      Kernels kernels, Sizes z, qt_conv2d_backward_weights_args args, float[] gradients) {
    float[] dw = new float[z.k * z.r * z.s * z.c];
    try (FloatPointer dy = Kernels.floats(gradients);
        FloatPointer to = new FloatPointer((long) dw.length)) {
      args.window().n(z.n).h(z.h).w(z.w).c(z.c).p(z.p()).q(z.q()).kernel_h(z.r).kernel_w(z.s);
      args.window().stride_h(z.strideH).stride_w(z.strideW).pad_top(z.top).pad_left(z.left);
      args.dy(dy).dw(to).k(z.k).dilation_h(z.dilationH).dilation_w(z.dilationW);
      kernels.run(QuantrainNative::qt_conv2d_backward_weights, args);
      to.get(dw);
    }
    return dw;
  }
}
