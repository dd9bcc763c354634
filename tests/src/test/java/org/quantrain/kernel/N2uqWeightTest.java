package org.quantrain.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import org.bytedeco.javacpp.Pointer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_n2uq_weight_args;
import org.quantrain.testkit.Bfloat16;

/**
 * N2UQ's weights in double: s (2 rint((clip(w / s, -1, 1) + 1) N / 2) - N) / N with N = 2^bits - 1
 * and s = mean|w| N / 2^(bits - 1). Source: Liu et al. 2022, arXiv:2111.14826.
 */
class N2uqWeightTest {
  private static float[] quantize(float[] w, float[] mean, Layout layout, int bits, boolean bf16) {
    try (Kernels kernels = Kernels.open(null);
        KernelMemory memory = new KernelMemory(kernels, bf16)) {
      Pointer y = memory.real(new float[w.length]);
      memory.run(
          QuantrainNative::qt_n2uq_weight,
          new qt_n2uq_weight_args()
              .x(memory.real(w))
              .mean_magnitude(memory.floats(mean))
              .y(y)
              .outer(layout.outer())
              .channels(layout.channels())
              .inner(layout.inner())
              .bits(bits)
              .element_type(memory.elementType()));
      return memory.real(y, w.length);
    }
  }

  @ParameterizedTest
  @CsvSource({"2,false", "4,false", "8,false", "2,true", "4,true", "8,true"})
  void weightsAreOnTheGridOfTheirMean(int bits, boolean bf16) {
    Random random = new Random(bits);
    int steps = (1 << bits) - 1;
    for (Layout layout :
        new Layout[] {Layout.tensor(1201), new Layout(1, 5, 211), new Layout(203, 7, 1)}) {
      float[] mean = new float[layout.channels()];
      for (int c = 0; c < mean.length; c++) {
        mean[c] = 0.1f + random.nextFloat();
      }
      float[] w = new float[layout.elements()];
      for (int i = 0; i < w.length; i++) {
        w[i] = (float) (1.25 * mean[layout.channel(i)] * random.nextGaussian());
        w[i] = bf16 ? Bfloat16.round(w[i]) : w[i];
      }
      float[] y = quantize(w, mean, layout, bits, bf16);
      int compared = 0;
      for (int i = 0; i < w.length; i++) {
        double s = mean[layout.channel(i)] * (double) steps / (1 << bits - 1);
        double position = (Math.max(-1, Math.min(1, w[i] / s)) + 1) * steps / 2;
        // A float32 position on 255 steps is off by a few 1.5e-5 of one.
        if (Grid.clearance(position) >= 1e-3) {
          Term expected = Term.of(s * (2 * Math.rint(position) - steps) / steps);
          assertTrue(expected.allows(y[i], bf16), "w " + w[i] + ": " + y[i] + ", " + expected);
          compared++;
        }
      }
      assertTrue(compared > 0.95 * w.length);
    }
  }

  @Test
  void tiesGoToTheEvenCodeAndNanToTheLowest() {
    // s = 1.5: a tie of 3 steps at w = -1, 0 and 1.
    float[] w = {-1, 0, -0f, 1, -2, 2, Float.NaN};
    float[] y = quantize(w, new float[] {1}, Layout.tensor(w.length), 2, false);
    float[] expected = {-1.5f, 0.5f, 0.5f, 0.5f, -1.5f, 1.5f, -1.5f};
    for (int i = 0; i < w.length; i++) {
      assertEquals(expected[i], y[i], 1e-6, "w " + w[i]);
    }
  }
}
