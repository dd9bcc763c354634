package org.quantrain.op;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Random;
import org.junit.jupiter.api.Test;
import org.quantrain.quant.Target;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.testkit.Tensors;

/**
 * Numbers below the smallest normal float are numbers: no thread flushes them to zero, neither as
 * inputs nor as results. As many elements as keep two threads busy.
 */
class DenormalTest {
  private static final int N = 3 * 16384 + 5;

  private static float[] denormals(long seed) {
    Random random = new Random(seed);
    float[] values = new float[N];
    for (int i = 0; i < N; i++) {
      int bits = 1 + random.nextInt((1 << 23) - 1);
      values[i] = Float.intBitsToFloat(random.nextBoolean() ? bits : bits | 1 << 31);
    }
    return values;
  }

  private static void assertBits(float expected, float actual, int at) {
    assertEquals(Float.floatToRawIntBits(expected), Float.floatToRawIntBits(actual), "at " + at);
  }

  @Test
  void sumsOfDenormalsAreExact() {
    float[] a = denormals(1);
    float[] b = denormals(2);
    Shape shape = Shape.of(1, N);
    float[] sum =
        OneOp.run(new Add(), HostTensor.of(shape, a), HostTensor.of(shape, b)).output(0).floats();
    for (int i = 0; i < N; i++) {
      assertBits(a[i] + b[i], sum[i], i);
    }
  }

  @Test
  void reluKeepsThem() {
    float[] x = denormals(3);
    float[] y = OneOp.run(new Relu(), HostTensor.of(Shape.of(1, N), x)).output(0).floats();
    for (int i = 0; i < N; i++) {
      assertBits(Math.max(x[i], 0f), y[i], i);
    }
  }

  @Test
  void theirQuotientByASmallScaleIsRounded() {
    float[] x = denormals(4);
    float scale = Float.MIN_NORMAL / 64;
    int[] codes =
        OneOp.run(
                new Quantize(Target.ORT.weight(8, false)),
                HostTensor.of(Shape.of(1, N), x),
                Tensors.vector(scale),
                Tensors.vector(0))
            .output(0)
            .codes();
    for (int i = 0; i < N; i++) {
      assertEquals((int) Math.rint(x[i] / scale), codes[i], "at " + i);
    }
  }

  @Test
  void aRangeMayBeDenormal() {
    float[] x = denormals(5);
    OneOp.Result range = OneOp.run(new MinMax(), HostTensor.of(Shape.of(1, N), x));
    float min = 0;
    float max = 0;
    for (float v : x) {
      min = Math.min(min, v);
      max = Math.max(max, v);
    }
    assertBits(min, range.output(0).floats()[0], 0);
    assertBits(max, range.output(1).floats()[0], 0);
  }
}
