package org.quantrain.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.Random;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.Pointer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_softmax_cross_entropy_args;
import org.quantrain.testkit.Bfloat16;

/**
 * Cross-entropy against labels and against a teacher, in double, and its derivatives. Source:
 * Hinton et al. 2015, arXiv:1503.02531, section 2; Szegedy et al. 2016, arXiv:1512.00567, section 7
 * (smoothing).
 */
class DistillationTest {
  private static final int ROWS = 13;
  private static final int CLASSES = 21;

  private static Kernels kernels;

  @BeforeAll
  static void open() {
    kernels = Kernels.open(null);
  }

  @AfterAll
  static void close() {
    kernels.close();
  }

  private record Loss(float smoothing, float temperature, float softWeight) {
    /** Of all rows whose label is not -1, on average. */
    double of(double[][] logits, float[] teacher, int[] labels) {
      double sum = 0;
      int rows = 0;
      for (int r = 0; r < labels.length; r++) {
        if (labels[r] < 0) {
          continue;
        }
        rows++;
        double[] logP = logSoftmax(logits[r], 1);
        double[] logSoft = logSoftmax(logits[r], temperature);
        double[] t = new double[CLASSES];
        for (int j = 0; j < CLASSES; j++) {
          t[j] = teacher[r * CLASSES + j];
        }
        double[] logT = logSoftmax(t, temperature);
        double hard = 0;
        double soft = 0;
        for (int j = 0; j < CLASSES; j++) {
          double target = (j == labels[r] ? 1 - smoothing : 0) + (double) smoothing / CLASSES;
          hard -= target * logP[j];
          soft -= Math.exp(logT[j]) * logSoft[j];
        }
        double scaled = (double) temperature * temperature * soft;
        sum += (1 - softWeight) * hard + softWeight * scaled;
      }
      return sum / rows;
    }

    private static double[] logSoftmax(double[] x, double temperature) {
      double sum = 0;
      for (double v : x) {
        sum += Math.exp(v / temperature);
      }
      double[] y = new double[x.length];
      for (int j = 0; j < y.length; j++) {
        y[j] = x[j] / temperature - Math.log(sum);
      }
      return y;
    }
  }

  private static float[] logits(long seed) {
    Random random = new Random(seed);
    float[] values = new float[ROWS * CLASSES];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (3 * random.nextGaussian());
    }
    return values;
  }

  private static int[] labels() {
    int[] labels = new int[ROWS];
    for (int r = 0; r < ROWS; r++) {
      labels[r] = r % 5 == 3 ? -1 : 7 * r % CLASSES;
    }
    return labels;
  }

  private static float run(
      KernelMemory memory, Loss loss, float[] logits, float[] teacher, Pointer gradient) {
    FloatPointer result = memory.unwritten(1);
    IntPointer correct = memory.ints(-1);
    memory.run(
        QuantrainNative::qt_softmax_cross_entropy,
        new qt_softmax_cross_entropy_args()
            .logits(memory.real(logits))
            .labels(memory.ints(labels()))
            .loss(result)
            .correct(correct)
            .dlogits(gradient)
            .rows(ROWS)
            .classes(CLASSES)
            .smoothing(loss.smoothing())
            .teacher(memory.real(teacher))
            .temperature(loss.temperature())
            .soft_weight(loss.softWeight())
            .element_type(memory.elementType()));
    return result.get();
  }

  @ParameterizedTest
  @CsvSource({"0,1,0", "0,1,1", "0,4,1", "0.1,2.5,0.3", "0.1,0.5,0.7"})
  void theGradientIsTheDerivativeOfTheLoss(float smoothing, float temperature, float softWeight) {
    Loss loss = new Loss(smoothing, temperature, softWeight);
    float[] teacher = logits(2);
    double[][] x = new double[ROWS][CLASSES];
    float[] given = logits(1);
    for (int i = 0; i < given.length; i++) {
      x[i / CLASSES][i % CLASSES] = given[i];
    }
    try (KernelMemory memory = new KernelMemory(kernels, false)) {
      FloatPointer gradient = memory.unwritten(given.length);
      double expected = loss.of(x, teacher, labels());
      assertEquals(expected, run(memory, loss, given, teacher, gradient), 1e-5 * expected);
      for (int i = 0; i < given.length; i++) {
        double[] row = x[i / CLASSES];
        double at = row[i % CLASSES];
        row[i % CLASSES] = at + 1e-5;
        double above = loss.of(x, teacher, labels());
        row[i % CLASSES] = at - 1e-5;
        double below = loss.of(x, teacher, labels());
        row[i % CLASSES] = at;
        // The differences are good to 1e-9; p - t cancels, so parts in 2^24 of 1 stay.
        assertEquals((above - below) / 2e-5, gradient.get(i), 1e-6, "logit " + i);
      }
    }
  }

  @Test
  void bf16LogitsAreTheNumbersTheyStandForAndOnlyTheGradientIsRounded() {
    Loss loss = new Loss(0.1f, 2.5f, 0.3f);
    float[] given = rounded(logits(1));
    float[] teacher = rounded(logits(2));
    float[] unwritten = new float[given.length];
    Arrays.fill(unwritten, Float.NaN);
    try (KernelMemory wide = new KernelMemory(kernels, false);
        KernelMemory half = new KernelMemory(kernels, true)) {
      Pointer wideGradient = wide.real(unwritten);
      Pointer halfGradient = half.real(unwritten);
      float expected = run(wide, loss, given, teacher, wideGradient);
      assertEquals(expected, run(half, loss, given, teacher, halfGradient));
      assertArrayEquals(
          rounded(wide.real(wideGradient, given.length)), half.real(halfGradient, given.length));
    }
  }

  private static float[] rounded(float[] values) {
    float[] to = new float[values.length];
    for (int i = 0; i < to.length; i++) {
      to[i] = Bfloat16.round(values[i]);
    }
    return to;
  }

  @Test
  void aTeacherThatIsNoNumberMakesTheLossNaN() {
    try (KernelMemory memory = new KernelMemory(kernels, false)) {
      for (float bad : new float[] {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY}) {
        float[] teacher = logits(2);
        teacher[CLASSES + 3] = bad;
        Loss loss = new Loss(0, 2, 0.5f);
        assertTrue(Float.isNaN(run(memory, loss, logits(1), teacher, null)), "teacher " + bad);
      }
    }
  }
}
