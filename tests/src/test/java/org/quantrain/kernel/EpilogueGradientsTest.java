package org.quantrain.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Random;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.Pointer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_epilogue_backward_args;
import org.quantrain.internal.bind.qt_epilogue_f32_backward_args;
import org.quantrain.testkit.Bfloat16;

/**
 * The gradient of v = o * correction + bias behind a mask, in double: o is unit * accumulator, or a
 * float convolution's output.
 */
class EpilogueGradientsTest {
  private static Kernels kernels;

  @BeforeAll
  static void open() {
    kernels = Kernels.open(null);
  }

  @AfterAll
  static void close() {
    kernels.close();
  }

  /** A layer's output [rows, channels], o as the kernel has it in o. */
  private static final class Problem {
    final int rows;
    final int channels;
    final boolean bf16;
    final float[] dy;
    final byte[] mask;
    final float[] correction;
    final double[] o;

    Problem(int rows, int channels, boolean bf16, Random random) {
      this.rows = rows;
      this.channels = channels;
      this.bf16 = bf16;
      int n = rows * channels;
      dy = values(n, bf16, random);
      mask = new byte[(n + 7) / 8];
      random.nextBytes(mask);
      if (n % 8 != 0) {
        mask[n / 8] &= (byte) ((1 << n % 8) - 1);
      }
      correction = values(channels, false, random);
      o = new double[n];
    }

    static float[] values(int n, boolean bf16, Random random) {
      float[] values = new float[n];
      for (int i = 0; i < n; i++) {
        values[i] = (float) random.nextGaussian();
        values[i] = bf16 ? Bfloat16.round(values[i]) : values[i];
      }
      return values;
    }

    BytePointer mask(KernelMemory memory) {
      return memory.bytes(mask.length).put(mask);
    }

    void check(float[] dx, FloatPointer dbias, FloatPointer dcorrection) {
      double[] bias = new double[channels];
      double[] byCorrection = new double[channels];
      double[] size = new double[channels];
      for (int i = 0; i < dy.length; i++) {
        int c = i % channels;
        double d = Kernels.bit(mask, i) ? dy[i] : 0;
        assertTrue(Term.of(d * correction[c]).allows(dx[i], bf16), "dx of element " + i);
        bias[c] += d;
        byCorrection[c] += d * o[i];
        size[c] += Math.abs(d) * Math.max(1, Math.abs(o[i]));
      }
      for (int c = 0; c < channels; c++) {
        double bound = (rows + 4) * Term.FLOAT * size[c];
        assertEquals(bias[c], dbias.get(c), bound, "dbias " + c);
        assertEquals(byCorrection[c], dcorrection.get(c), bound, "dcorrection " + c);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void theGradientOfAnAccumulatorIsThatOfItsRealValue(boolean bf16) {
    Random random = new Random(1);
    for (int channels : new int[] {1, 3, 70}) {
      Problem p = new Problem(97, channels, bf16, random);
      int[] acc = new int[p.dy.length];
      float[] unit = new float[channels];
      for (int c = 0; c < channels; c++) {
        unit[c] = 0.001f * (1 + random.nextFloat());
      }
      for (int i = 0; i < acc.length; i++) {
        acc[i] = random.nextInt(4001) - 2000;
        p.o[i] = acc[i] * (double) unit[i % channels];
      }
      try (KernelMemory memory = new KernelMemory(kernels, bf16)) {
        Pointer dx = memory.real(new float[acc.length]);
        FloatPointer dbias = memory.unwritten(channels);
        FloatPointer dcorrection = memory.unwritten(channels);
        memory.run(
            QuantrainNative::qt_epilogue_backward,
            new qt_epilogue_backward_args()
                .dy(memory.real(p.dy))
                .mask(p.mask(memory))
                .acc(memory.ints(acc))
                .unit(memory.floats(unit))
                .correction(memory.floats(p.correction))
                .dx(dx)
                .dbias(dbias)
                .dcorrection(dcorrection)
                .rows(p.rows)
                .channels(channels)
                .element_type(memory.elementType()));
        p.check(memory.real(dx, acc.length), dbias, dcorrection);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void theGradientOfAFloatOutputIsThatOfItsCorrection(boolean bf16) {
    Random random = new Random(2);
    for (int channels : new int[] {1, 3, 70}) {
      Problem p = new Problem(97, channels, bf16, random);
      float[] x = Problem.values(p.dy.length, bf16, random);
      for (int i = 0; i < x.length; i++) {
        p.o[i] = x[i];
      }
      try (KernelMemory memory = new KernelMemory(kernels, bf16)) {
        Pointer dx = memory.real(new float[x.length]);
        FloatPointer dbias = memory.unwritten(channels);
        FloatPointer dcorrection = memory.unwritten(channels);
        memory.run(
            QuantrainNative::qt_epilogue_f32_backward,
            new qt_epilogue_f32_backward_args()
                .dy(memory.real(p.dy))
                .mask(p.mask(memory))
                .x(memory.real(x))
                .correction(memory.floats(p.correction))
                .dx(dx)
                .dbias(dbias)
                .dcorrection(dcorrection)
                .rows(p.rows)
                .channels(channels)
                .element_type(memory.elementType()));
        p.check(memory.real(dx, x.length), dbias, dcorrection);
      }
    }
  }
}
