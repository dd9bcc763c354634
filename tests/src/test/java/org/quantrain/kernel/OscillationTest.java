package org.quantrain.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.Pointer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_dampening_args;
import org.quantrain.internal.bind.qt_track_oscillations_args;
import org.quantrain.testkit.Bfloat16;

/**
 * Weights that oscillate: tracking and freezing as a state machine per weight, and the dampening
 * loss in double. Source: Nagel et al. 2022, arXiv:2203.11086, section 4 and algorithm 1.
 */
class OscillationTest {
  private static final int QMIN = -3;
  private static final int QMAX = 3;

  /** A power of two: both moving averages are then exact in float for the first ten steps. */
  private static final float MOMENTUM = 0.25f;

  private static final float THRESHOLD = 0.4f;

  private static Kernels kernels;

  @BeforeAll
  static void open() {
    kernels = Kernels.open(null);
  }

  @AfterAll
  static void close() {
    kernels.close();
  }

  /** One weight of algorithm 1. */
  private static final class Tracked {
    int phase;
    int integer;
    int direction;
    double frequency;
    double mean;

    /** Takes in an updated weight and says what it becomes. */
    float update(float w, float scale) {
      int q = (int) Math.max(QMIN, Math.min(QMAX, Math.rint(w / scale)));
      if (phase == 0) {
        phase = 1;
        integer = q;
        mean = q;
      } else if (phase == 1) {
        int moved = Integer.signum(q - integer);
        boolean oscillated = moved * direction < 0;
        frequency = MOMENTUM * (oscillated ? 1 : 0) + (1 - MOMENTUM) * frequency;
        mean = MOMENTUM * q + (1 - MOMENTUM) * mean;
        direction = moved == 0 ? direction : moved;
        integer = q;
        if (frequency > THRESHOLD) {
          phase = 2;
          integer = (int) Math.rint(mean);
        }
      }
      return phase == 2 ? integer * scale : w;
    }
  }

  /** Weights of some channels and their state in the kernel's memory. */
  private static final class Weights {
    final KernelMemory memory;
    final int inner;
    final float[] scales;
    final FloatPointer w;
    final BytePointer integer;
    final BytePointer direction;
    final BytePointer phase;
    final FloatPointer frequency;
    final FloatPointer mean;

    Weights(KernelMemory memory, int inner, float... scales) {
      this.memory = memory;
      this.inner = inner;
      this.scales = scales;
      int n = scales.length * inner;
      w = memory.floats(new float[n]);
      integer = memory.bytes(n).put(new byte[n]);
      direction = memory.bytes(n).put(new byte[n]);
      phase = memory.bytes(n).put(new byte[n]);
      frequency = memory.floats(new float[n]);
      mean = memory.floats(new float[n]);
    }

    void update(float... values) {
      w.put(values);
      memory.run(
          QuantrainNative::qt_track_oscillations,
          new qt_track_oscillations_args()
              .w(w)
              .scale(memory.floats(scales))
              .integer(integer)
              .direction(direction)
              .phase(phase)
              .frequency(frequency)
              .mean(mean)
              .momentum(memory.floats(MOMENTUM))
              .threshold(memory.floats(THRESHOLD))
              .channels(scales.length)
              .inner(inner)
              .qmin(QMIN)
              .qmax(QMAX));
    }
  }

  @Test
  void statesFollowTheAlgorithmUpdateByUpdate() {
    Random random = new Random(1);
    float[] scales = {0.5f, 0.3f, 2};
    int inner = 257;
    int n = scales.length * inner;
    Tracked[] expected = new Tracked[n];
    float[] centre = new float[n];
    for (int i = 0; i < n; i++) {
      expected[i] = new Tracked();
      centre[i] = (random.nextFloat() * 8 - 4) * scales[i / inner];
    }
    try (KernelMemory memory = new KernelMemory(kernels, false)) {
      Weights weights = new Weights(memory, inner, scales);
      int frozen = 0;
      for (int step = 0; step < 10; step++) {
        float[] w = new float[n];
        float[] becomes = new float[n];
        for (int i = 0; i < n; i++) {
          w[i] = centre[i] + (random.nextFloat() - 0.5f) * 2 * scales[i / inner];
          int before = expected[i].phase;
          becomes[i] = expected[i].update(w[i], scales[i / inner]);
          frozen += before == 1 && expected[i].phase == 2 ? 1 : 0;
        }
        weights.update(w);
        assertArrayEquals(becomes, KernelMemory.floats(weights.w, n), "weights, update " + step);
        for (int i = 0; i < n; i++) {
          String where = "weight " + i + ", update " + step;
          assertEquals(expected[i].phase, weights.phase.get(i), where);
          assertEquals(expected[i].integer, weights.integer.get(i), where);
          assertEquals(expected[i].direction, weights.direction.get(i), where);
          assertEquals(expected[i].frequency, weights.frequency.get(i), where);
          assertEquals(expected[i].mean, weights.mean.get(i), where);
        }
      }
      assertTrue(frozen > n / 10 && frozen < n, frozen + " of " + n + " froze");
    }
  }

  /** 1, 2, 1, 2, 1, 2: the turns give frequencies of 0, 0.25, 0.4375. */
  @Test
  void aWeightThatGoesToAndFroFreezesAtTheIntegerWhereItWasMostOfTheTime() {
    try (KernelMemory memory = new KernelMemory(kernels, false)) {
      Weights weights = new Weights(memory, 2, 1);
      float[] turns = {1.4f, 1.6f, 1.4f, 1.6f};
      for (int i = 0; i < turns.length; i++) {
        assertEquals(1, i == 0 ? 1 : weights.phase.get(0), "before update " + i);
        weights.update(turns[i], i);
      }
      // Averages of 1, 2, 1, 2: 1, 1.25, 1.1875, 1.390625.
      assertEquals(2, weights.phase.get(0));
      assertEquals(1.390625f, weights.mean.get(0));
      assertEquals(1, weights.w.get(0));
      assertEquals(1, weights.phase.get(1), "a weight that goes one way only is never frozen");
      weights.update(-7, 1);
      assertEquals(1, weights.w.get(0), "whatever the optimizer did to it");
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void dampeningPullsToTheNearestPointOfTheGridAndNotBeyondItsEnds(boolean bf16) {
    Random random = new Random(3);
    float lambda = 0.3f;
    for (Layout layout :
        new Layout[] {Layout.tensor(1201), new Layout(1, 5, 211), new Layout(203, 7, 1)}) {
      float[] scale = new float[layout.channels()];
      for (int c = 0; c < scale.length; c++) {
        scale[c] = 0.1f + random.nextFloat();
      }
      int n = layout.elements();
      float[] w = new float[n];
      float[] dy = new float[n];
      for (int i = 0; i < n; i++) {
        // Beyond both ends as well; ties, where the nearest point jumps, are kept away from.
        float s = scale[layout.channel(i)];
        do {
          w[i] = (random.nextFloat() * 9 - 4.5f) * s;
          w[i] = bf16 ? Bfloat16.round(w[i]) : w[i];
        } while (Grid.clearance(w[i] / s) < 1e-3);
        dy[i] = bf16 ? Bfloat16.round(random.nextFloat()) : random.nextFloat();
      }
      w[0] = Float.NaN;
      double[] loss = new double[scale.length];
      try (KernelMemory memory = new KernelMemory(kernels, bf16)) {
        Pointer dx = memory.real(new float[n]);
        FloatPointer losses = memory.unwritten(scale.length);
        memory.run(
            QuantrainNative::qt_dampening,
            new qt_dampening_args()
                .x(memory.real(w))
                .dy(memory.real(dy))
                .scale(memory.floats(scale))
                .lambda(memory.floats(lambda))
                .dx(dx)
                .loss(losses)
                .outer(layout.outer())
                .channels(layout.channels())
                .inner(layout.inner())
                .qmin(QMIN)
                .qmax(QMAX)
                .element_type(memory.elementType()));
        float[] actual = memory.real(dx, n);
        for (int i = 0; i < n; i++) {
          double s = scale[layout.channel(i)];
          double clipped = Math.max(QMIN * s, Math.min(QMAX * s, w[i]));
          double away = clipped - Math.rint(clipped / s) * s;
          // No gradient where the weight is clipped; NaN is neither inside nor a loss.
          double pull = clipped == w[i] ? 2 * lambda * away : 0;
          loss[layout.channel(i)] += Double.isNaN(away) ? 0 : lambda * away * away;
          Term expected = new Term(dy[i] + pull, Math.abs(dy[i]) + Math.abs(w[i]) + s);
          if (Float.isNaN(w[i])) {
            expected = Term.exact(dy[i]);
          }
          assertTrue(
              expected.allows(actual[i], bf16), "w " + w[i] + ": " + actual[i] + ", " + expected);
        }
        for (int c = 0; c < scale.length; c++) {
          int terms = n / scale.length;
          assertEquals(
              loss[c], losses.get(c), loss[c] * terms * Term.FLOAT + 1e-6 * terms * lambda, "loss");
        }
      }
    }
  }
}
