package org.quantrain.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.Pointer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_dorefa_activation_args;
import org.quantrain.internal.bind.qt_dorefa_activation_backward_args;
import org.quantrain.internal.bind.qt_dorefa_gradient_args;
import org.quantrain.internal.bind.qt_dorefa_weight_args;
import org.quantrain.internal.bind.qt_dorefa_weight_backward_args;
import org.quantrain.testkit.Bfloat16;

/**
 * DoReFa in double: q_k(r) = rint((2^k - 1) r) / (2^k - 1). Source: Zhou et al. 2016,
 * arXiv:1606.06160, sections 2.3 (weights), 2.4 (activations) and 2.5 (gradients).
 */
class DorefaTest {
  /** In steps. A float32 position on a grid of 255 steps is off by a few 1.5e-5 of one. */
  private static final double CLEARANCE = 1e-3;

  private static Kernels kernels;

  @BeforeAll
  static void open() {
    kernels = Kernels.open(null);
  }

  @AfterAll
  static void close() {
    kernels.close();
  }

  private static int steps(int bits) {
    return (1 << bits) - 1;
  }

  private static double quantize(double r, int bits) {
    return Math.rint(steps(bits) * r) / steps(bits);
  }

  private static boolean clear(double r, int bits) {
    return Grid.clearance(steps(bits) * r) >= CLEARANCE;
  }

  private static float[] normal(int n, double size, boolean bf16, Random random) {
    float[] values = new float[n];
    for (int i = 0; i < n; i++) {
      float v = (float) (size * random.nextGaussian());
      values[i] = bf16 ? Bfloat16.round(v) : v;
    }
    return values;
  }

  private static void expect(Term expected, float actual, boolean bf16, String where) {
    assertTrue(expected.allows(actual, bf16), () -> where + ": " + actual + ", not " + expected);
  }

  // ---- activations

  private static float[] activations(float[] x, int bits, boolean bf16) {
    try (KernelMemory memory = new KernelMemory(kernels, bf16)) {
      Pointer y = memory.real(new float[x.length]);
      memory.run(
          QuantrainNative::qt_dorefa_activation,
          new qt_dorefa_activation_args()
              .x(memory.real(x))
              .y(y)
              .n(x.length)
              .bits(bits)
              .element_type(memory.elementType()));
      return memory.real(y, x.length);
    }
  }

  private static float[] activationGradients(float[] x, float[] dy, boolean bf16) {
    try (KernelMemory memory = new KernelMemory(kernels, bf16)) {
      Pointer dx = memory.real(new float[x.length]);
      memory.run(
          QuantrainNative::qt_dorefa_activation_backward,
          new qt_dorefa_activation_backward_args()
              .x(memory.real(x))
              .dy(memory.real(dy))
              .dx(dx)
              .n(x.length)
              .element_type(memory.elementType()));
      return memory.real(dx, x.length);
    }
  }

  @ParameterizedTest
  @CsvSource({"1,false", "2,false", "4,false", "8,false", "2,true", "4,true", "8,true"})
  void activationsAreClippedAndOnTheGrid(int bits, boolean bf16) {
    Random random = new Random(bits);
    float[] x = normal(2003, 1, bf16, random);
    float[] dy = normal(x.length, 1, bf16, random);
    float[] y = activations(x, bits, bf16);
    float[] dx = activationGradients(x, dy, bf16);
    for (int i = 0; i < x.length; i++) {
      double clipped = Math.max(0, Math.min(1, x[i]));
      if (clear(clipped, bits)) {
        expect(Term.exact(quantize(clipped, bits)), y[i], bf16, "x " + x[i]);
      }
      assertEquals(x[i] >= 0 && x[i] <= 1 ? dy[i] : 0, dx[i], "x " + x[i]);
    }
  }

  /** Of one bit 1/2 is a tie, and goes to 0; both ends of [0, 1] have a gradient. */
  @Test
  void activationsAtTiesAndEnds() {
    float[] x = {0.5f, 0, -0f, 1, Math.nextUp(1f), -Float.MIN_VALUE, Float.NaN, 1e30f, -1e30f};
    float[] dy = {1, 2, 3, 4, 5, 6, 7, 8, 9};
    float[] y = activations(x, 1, false);
    float[] dx = activationGradients(x, dy, false);
    float[] values = {0, 0, 0, 1, 1, 0, 0, 1, 0};
    float[] gradients = {1, 2, 3, 4, 0, 0, 0, 0, 0};
    for (int i = 0; i < x.length; i++) {
      assertEquals(values[i], y[i], "x " + x[i]);
      assertEquals(gradients[i], dx[i], "x " + x[i]);
    }
  }

  @Test
  void activationGradientsAreTheDirectionalDerivativesOfTheClip() {
    Random random = new Random(6);
    float[] x = normal(1201, 1, false, random);
    for (int i = 0; i < x.length; i++) {
      while (Math.min(Math.abs(x[i]), Math.abs(x[i] - 1)) < CLEARANCE) {
        x[i] = (float) random.nextGaussian();
      }
    }
    float[] dy = normal(x.length, 1, false, random);
    float[] dx = activationGradients(x, dy, false);
    DirectionalDerivatives.check(
        new float[][] {x},
        new float[][] {dx},
        at -> {
          double sum = 0;
          for (int i = 0; i < x.length; i++) {
            sum += dy[i] * Math.max(0, Math.min(1, at[0][i]));
          }
          return sum;
        });
  }

  // ---- weights

  private record Weights(float[] y, float[] maxTanh, float[] dw) {
    static Weights of(float[] w, float[] dy, int channels, int bits, boolean bf16) {
      int inner = w.length / channels;
      try (KernelMemory memory = new KernelMemory(kernels, bf16)) {
        Pointer real = memory.real(w);
        Pointer y = memory.real(new float[w.length]);
        Pointer dw = memory.real(new float[w.length]);
        FloatPointer max = memory.unwritten(channels);
        memory.run(
            QuantrainNative::qt_dorefa_weight,
            new qt_dorefa_weight_args()
                .w(real)
                .y(y)
                .max_tanh(max)
                .channels(channels)
                .inner(inner)
                .bits(bits)
                .element_type(memory.elementType()));
        memory.run(
            QuantrainNative::qt_dorefa_weight_backward,
            new qt_dorefa_weight_backward_args()
                .w(real)
                .dy(memory.real(dy))
                .max_tanh(max)
                .dw(dw)
                .channels(channels)
                .inner(inner)
                .element_type(memory.elementType()));
        return new Weights(
            memory.real(y, w.length),
            KernelMemory.floats(max, channels),
            memory.real(dw, w.length));
      }
    }
  }

  private static double maxTanh(float[] w, int channel, int inner) {
    double max = 0;
    for (int i = channel * inner; i < (channel + 1) * inner; i++) {
      max = Math.max(max, Math.abs(Math.tanh(w[i])));
    }
    return max;
  }

  @ParameterizedTest
  @CsvSource({
    "2,1,false",
    "4,1,false",
    "8,1,false",
    "2,7,false",
    "4,7,false",
    "8,7,false",
    "4,7,true"
  })
  void weightsAreTanhOverTheLargestOnTheGrid(int bits, int channels, boolean bf16) {
    Random random = new Random(bits);
    int inner = 301;
    float[] w = normal(channels * inner, 0.7, bf16, random);
    float[] dy = normal(w.length, 1, bf16, random);
    Weights actual = Weights.of(w, dy, channels, bits, bf16);
    for (int i = 0; i < w.length; i++) {
      double m = maxTanh(w, i / inner, inner);
      expect(Term.of(m), actual.maxTanh[i / inner], false, "channel " + i / inner);
      double tanh = Math.tanh(w[i]);
      double r = tanh / (2 * m) + 0.5;
      if (clear(r, bits)) {
        expect(Term.exact(2 * quantize(r, bits) - 1), actual.y[i], bf16, "w " + w[i]);
      }
      // 1 - tanh^2 is (1 - tanh) (1 + tanh), in which tanh is good to two units.
      double slope = (1 - tanh * tanh) / m;
      expect(
          new Term(dy[i] * slope, Math.abs(dy[i]) * (slope + 2 / m)),
          actual.dw[i],
          bf16,
          "w " + w[i]);
    }
  }

  @Test
  void weightGradientsAreTheDirectionalDerivativesOfTanhOverAConstantMaximum() {
    Random random = new Random(8);
    int channels = 3;
    int inner = 401;
    float[] w = normal(channels * inner, 0.7, false, random);
    float[] dy = normal(w.length, 1, false, random);
    Weights actual = Weights.of(w, dy, channels, 4, false);
    double[] max = new double[channels];
    for (int c = 0; c < channels; c++) {
      max[c] = maxTanh(w, c, inner);
    }
    DirectionalDerivatives.check(
        new float[][] {w},
        new float[][] {actual.dw},
        at -> {
          double sum = 0;
          for (int i = 0; i < w.length; i++) {
            double r = Math.tanh(at[0][i]) / (2 * max[i / inner]) + 0.5;
            sum += dy[i] * (2 * r - 1);
          }
          return sum;
        });
  }

  /** The largest weight has |r| = 1 or 0, and 0 lies between two codes: at 1/2. */
  @Test
  void weightsAtTiesEndsAndWithoutAValue() {
    float[] w = {0, -0f, 0.75f, -0.75f, Float.NaN, 0, 0, 0, 0, 0};
    float[] dy = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1};
    Weights actual = Weights.of(w, dy, 2, 2, false);
    float third = 1 / 3f;
    // rint(1.5) = 2 of 3 steps.
    float[] expected = {third, third, 1, -1, -1, third, third, third, third, third};
    for (int i = 0; i < w.length; i++) {
      assertEquals(expected[i], actual.y[i], "w " + w[i]);
    }
    assertEquals(0, actual.dw[4], "NaN has no gradient");
    assertEquals(Float.MIN_NORMAL, actual.maxTanh[1], "a channel of zeros");
  }

  // ---- gradients

  /**
   * y = 2 m (q_k(dy / (2 m) + 1/2 + N) - 1/2): what lies between two codes goes up where the draw
   * is below its distance from the lower one. A few elements whose float32 position may lie on the
   * other side of the draw are left out.
   */
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 4, 8})
  void gradientsAreRoundedByTheDrawOfTheirElement(int bits) {
    Random random = new Random(bits);
    int samples = 3;
    int inner = 667;
    Draws draws = new Draws(0x123456789abcdefL, 77, 5);
    for (boolean bf16 : new boolean[] {false, true}) {
      float[] dy = normal(samples * inner, 1e-3, bf16, random);
      dy[5] = Float.NaN;
      float[] y;
      float[] max;
      try (KernelMemory memory = new KernelMemory(kernels, bf16)) {
        Pointer out = memory.real(new float[dy.length]);
        FloatPointer most = memory.unwritten(samples);
        qt_dorefa_gradient_args args = new qt_dorefa_gradient_args();
        args.dy(memory.real(dy)).y(out).max(most).samples(samples).inner(inner).bits(bits);
        args.element_type(memory.elementType());
        draws.into(args.draws(), memory);
        memory.run(QuantrainNative::qt_dorefa_gradient, args);
        y = memory.real(out, dy.length);
        max = KernelMemory.floats(most, samples);
      }
      assertTrue(Float.isNaN(y[5]));
      int undecided = 0;
      for (int i = 0; i < dy.length; i++) {
        float m = 0;
        for (int j = i / inner * inner; j < (i / inner + 1) * inner; j++) {
          m = Math.abs(dy[j]) > m ? Math.abs(dy[j]) : m;
        }
        assertEquals(m, max[i / inner]);
        if (i == 5) {
          continue;
        }
        double v = steps(bits) * (dy[i] / (2.0 * m) + 0.5);
        double part = v - Math.floor(v);
        double apart = Math.abs(part - draws.unit(i));
        double code = Math.floor(v) + (draws.unit(i) < part ? 1 : 0);
        double margin = 4 * Term.FLOAT * steps(bits);
        if (apart <= margin || apart >= 1 - margin) {
          undecided++;
          continue;
        }
        expect(Term.of(2 * m * (code / steps(bits) - 0.5)), y[i], bf16, "dy " + dy[i]);
      }
      assertTrue(undecided <= 5, undecided + " draws lie on a position");
    }
  }

  @Test
  void anInfiniteGradientMakesItsSampleInfiniteAndNoOther() {
    float[] dy = {1, Float.POSITIVE_INFINITY, -2, Float.NaN, 1, 2, -3, 4};
    try (KernelMemory memory = new KernelMemory(kernels, false)) {
      FloatPointer y = memory.unwritten(dy.length);
      qt_dorefa_gradient_args args = new qt_dorefa_gradient_args();
      args.dy(memory.floats(dy)).y(y).max(memory.unwritten(2)).samples(2).inner(4).bits(4);
      new Draws(1, 2, 3).into(args.draws(), memory);
      memory.run(QuantrainNative::qt_dorefa_gradient, args);
      for (int i = 0; i < dy.length; i++) {
        assertEquals(i < 3, Float.isInfinite(y.get(i)), "element " + i + ": " + y.get(i));
        assertEquals(i == 3, Float.isNaN(y.get(i)), "element " + i + ": " + y.get(i));
      }
    }
  }
}
