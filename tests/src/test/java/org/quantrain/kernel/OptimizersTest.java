package org.quantrain.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import java.util.Random;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.LongPointer;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_adamw_args;
import org.quantrain.internal.bind.qt_clip_grad_args;
import org.quantrain.internal.bind.qt_count_nonfinite_args;
import org.quantrain.internal.bind.qt_grad_norm_args;
import org.quantrain.internal.bind.qt_sgd_args;

/** Optimizers and what they do to gradients, against their formulas in double. */
class OptimizersTest {
  private static final int N = 1021;

  /** Segments of the arena, one of them empty, and their weight decay. */
  private static final long[] ENDS = {300, 300, 700, N};

  private static final float[] DECAY = {0.01f, 7, 0, 0.1f};
  private static final float RATE = 0.05f;

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

  private static double decay(int element) {
    return element < 300 ? DECAY[0] : element < 700 ? DECAY[2] : DECAY[3];
  }

  private static float[] normal(long seed) {
    Random random = new Random(seed);
    float[] values = new float[N];
    for (int i = 0; i < N; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  private static double[] widened(float[] values) {
    double[] wide = new double[values.length];
    Arrays.setAll(wide, i -> values[i]);
    return wide;
  }

  private static void assertNear(double[] expected, FloatPointer actual, String what) {
    for (int i = 0; i < expected.length; i++) {
      double bound = 1e-6 * Math.max(1, Math.abs(expected[i]));
      assertEquals(expected[i], actual.get(i), bound, what + " " + i);
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void sgdMovesAgainstTheDecayedGradientWithMomentum(boolean nesterov) {
    double[] param = widened(normal(1));
    double[] velocity = new double[N];
    FloatPointer p = memory.floats(normal(1));
    FloatPointer v = memory.floats(new float[N]);
    for (int step = 1; step <= 4; step++) {
      float[] grad = normal(step + 10);
      memory.run(
          QuantrainNative::qt_sgd,
          new qt_sgd_args()
              .param(p)
              .grad(memory.floats(grad))
              .velocity(v)
              .learning_rate(memory.floats(RATE))
              .segment_end(memory.longs(ENDS))
              .segment_decay(memory.floats(DECAY))
              .n(N)
              .segments(ENDS.length)
              .momentum(0.9f)
              .nesterov(nesterov ? 1 : 0));
      for (int i = 0; i < N; i++) {
        double g = grad[i] + decay(i) * param[i];
        velocity[i] = 0.9f * velocity[i] + g;
        param[i] -= RATE * (nesterov ? g + 0.9f * velocity[i] : velocity[i]);
      }
      assertNear(velocity, v, "velocity");
      assertNear(param, p, "parameter");
    }
  }

  private qt_adamw_args adamw(
      FloatPointer p, FloatPointer m, FloatPointer v, float[] grad, long step) {
    return new qt_adamw_args()
        .param(p)
        .grad(memory.floats(grad))
        .mean(m)
        .square(v)
        .learning_rate(memory.floats(RATE))
        .step(memory.longs(step))
        .segment_end(memory.longs(ENDS))
        .segment_decay(memory.floats(DECAY))
        .n(N)
        .segments(ENDS.length)
        .beta1(0.9f)
        .beta2(0.999f)
        .epsilon(1e-8f);
  }

  /** The first steps, where the bias of both averages counts most, and one where it is gone. */
  @Test
  void adamwDecaysTheParameterApartFromTheGradient() {
    double[] param = widened(normal(1));
    double[] mean = new double[N];
    double[] square = new double[N];
    FloatPointer p = memory.floats(normal(1));
    FloatPointer m = memory.floats(new float[N]);
    FloatPointer v = memory.floats(new float[N]);
    for (long step : new long[] {1, 2, 3, 1_000_000}) {
      float[] grad = normal(step + 10);
      memory.run(QuantrainNative::qt_adamw, adamw(p, m, v, grad, step));
      for (int i = 0; i < N; i++) {
        mean[i] = 0.9f * mean[i] + (1 - 0.9f) * grad[i];
        square[i] = 0.999f * square[i] + (1 - 0.999f) * grad[i] * grad[i];
        double direction =
            mean[i]
                / (1 - Math.pow(0.9f, step))
                / (Math.sqrt(square[i] / (1 - Math.pow(0.999f, step))) + 1e-8);
        param[i] -= RATE * decay(i) * param[i] + RATE * direction;
      }
      assertNear(mean, m, "mean");
      assertNear(square, v, "square");
      assertNear(param, p, "parameter");
    }
  }

  @Test
  void aGradientThatIsNotFiniteChangesNothing() {
    FloatPointer p = memory.floats(normal(1));
    FloatPointer m = memory.floats(normal(2));
    FloatPointer v = memory.floats(normal(3));
    float[] grad = normal(4);
    grad[7] = Float.NaN;
    LongPointer one = memory.longs(1);
    memory.run(QuantrainNative::qt_adamw, adamw(p, m, v, grad, 1).nonfinite(one));
    memory.run(
        QuantrainNative::qt_sgd,
        new qt_sgd_args()
            .param(p)
            .grad(memory.floats(grad))
            .velocity(m)
            .learning_rate(memory.floats(RATE))
            .segment_end(memory.longs(ENDS))
            .segment_decay(memory.floats(DECAY))
            .n(N)
            .segments(ENDS.length)
            .momentum(0.9f)
            .nonfinite(one));
    assertArrayEquals(normal(1), KernelMemory.floats(p, N));
    assertArrayEquals(normal(2), KernelMemory.floats(m, N));
    assertArrayEquals(normal(3), KernelMemory.floats(v, N));
  }

  private float norm(float[] grad, long nonfinite) {
    FloatPointer norm = memory.unwritten(1);
    LongPointer count = memory.longs(-1);
    memory.run(
        QuantrainNative::qt_grad_norm,
        new qt_grad_norm_args()
            .grad(memory.floats(grad))
            .norm(norm)
            .nonfinite(count)
            .n(grad.length));
    assertEquals(nonfinite, count.get());
    LongPointer alone = memory.longs(-1);
    memory.run(
        QuantrainNative::qt_count_nonfinite,
        new qt_count_nonfinite_args().x(memory.floats(grad)).count(alone).n(grad.length));
    assertEquals(nonfinite, alone.get());
    return norm.get();
  }

  @Test
  void theNormIsThatOfTheFiniteElementsAndItsSquaresNeitherOverflowNorVanish() {
    float[] grad = normal(5);
    double squares = 0;
    for (float g : grad) {
      squares += (double) g * g;
    }
    assertEquals(Math.sqrt(squares), norm(grad, 0), 1e-5);
    assertEquals(5e30f, norm(new float[] {3e30f, -4e30f}, 0), 1e24);
    assertEquals(5e-40f, norm(new float[] {3e-40f, -4e-40f}, 0), 2e-45);
    float inf = Float.POSITIVE_INFINITY;
    assertEquals(5, norm(new float[] {3, inf, Float.NaN, -4, -inf}, 3));
    assertEquals(0, norm(new float[0], 0));
  }

  private float[] clipped(float[] grad, float norm, float most, long nonfinite) {
    FloatPointer g = memory.floats(grad);
    memory.run(
        QuantrainNative::qt_clip_grad,
        new qt_clip_grad_args()
            .grad(g)
            .norm(memory.floats(norm))
            .max_norm(memory.floats(most))
            .nonfinite(memory.longs(nonfinite))
            .n(grad.length));
    return KernelMemory.floats(g, grad.length);
  }

  @Test
  void aGradientIsShortenedToTheLimitAndNeverMadeLonger() {
    float[] grad = {3, -4, 0};
    assertArrayEquals(new float[] {1.5f, -2, 0}, clipped(grad, 5, 2.5f, 0));
    assertArrayEquals(grad, clipped(grad, 5, 5, 0));
    assertArrayEquals(grad, clipped(grad, 5, 1e9f, 0));
    assertArrayEquals(new float[3], clipped(new float[3], 0, 1, 0));
  }

  @Test
  void aGradientThatIsNotFiniteBecomesZeroThroughout() {
    float[] grad = {3, Float.NaN, Float.NEGATIVE_INFINITY};
    assertArrayEquals(new float[3], clipped(grad, 3, 100, 2));
  }
}
