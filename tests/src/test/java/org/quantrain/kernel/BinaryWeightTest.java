package org.quantrain.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

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
import org.quantrain.internal.bind.qt_binary_weight_args;
import org.quantrain.testkit.Bfloat16;

/** The binary scheme in double. Source: Rastegari et al. 2016, arXiv:1603.05279, equation 6. */
class BinaryWeightTest {
  private static Kernels kernels;

  @BeforeAll
  static void open() {
    kernels = Kernels.open(null);
  }

  @AfterAll
  static void close() {
    kernels.close();
  }

  private record Binary(float[] y, byte[] codes, float[] scale) {}

  private static Binary quantize(float[] w, int channels, boolean bf16) {
    try (KernelMemory memory = new KernelMemory(kernels, bf16)) {
      Pointer y = memory.real(new float[w.length]);
      BytePointer codes = memory.bytes(w.length);
      FloatPointer scale = memory.unwritten(channels);
      memory.run(
          QuantrainNative::qt_binary_weight,
          new qt_binary_weight_args()
              .w(memory.real(w))
              .y(y)
              .codes(codes)
              .scale(scale)
              .channels(channels)
              .inner(w.length / channels)
              .element_type(memory.elementType()));
      return new Binary(
          memory.real(y, w.length),
          Kernels.get(codes, w.length),
          KernelMemory.floats(scale, channels));
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void weightsBecomeTheirSignTimesTheMeanMagnitudeOfTheirChannel(boolean bf16) {
    Random random = new Random(1);
    for (int channels : new int[] {1, 5}) {
      float[] w = new float[channels * 211];
      double[] mean = new double[channels];
      for (int i = 0; i < w.length; i++) {
        w[i] = (float) random.nextGaussian();
        w[i] = bf16 ? Bfloat16.round(w[i]) : w[i];
        mean[i / 211] += Math.abs(w[i]) / 211.0;
      }
      Binary binary = quantize(w, channels, bf16);
      for (int i = 0; i < w.length; i++) {
        float s = binary.scale()[i / 211];
        assertEquals(mean[i / 211], s, 1e-7, "scale");
        assertEquals(w[i] < 0 ? -1 : 1, binary.codes()[i]);
        assertEquals(binary.codes()[i] * (bf16 ? Bfloat16.round(s) : s), binary.y()[i]);
      }
    }
  }

  @Test
  void zerosAndNanArePositiveAndAScaleIsNeverZeroNorInfinite() {
    Binary binary = quantize(new float[] {0, -0f, Float.NaN, -3, 0, 1}, 1, false);
    assertArrayEquals(new byte[] {1, 1, 1, -1, 1, 1}, binary.codes());
    assertEquals(4 / 6f, binary.scale()[0]);
    assertEquals(Float.MIN_NORMAL, quantize(new float[] {0, -0f}, 1, false).scale()[0]);
    float inf = Float.POSITIVE_INFINITY;
    assertEquals(Float.MAX_VALUE, quantize(new float[] {1, -inf}, 1, false).scale()[0]);
  }
}
