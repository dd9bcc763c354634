package org.quantrain.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;

import org.bytedeco.javacpp.FloatPointer;
import org.junit.jupiter.api.Test;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_leaky_relu_args;
import org.quantrain.internal.bind.qt_leaky_relu_backward_args;

/** The worked example of CONTRIBUTING.md. */
class LeakyReluTest {
  private static final float INF = Float.POSITIVE_INFINITY;
  private static final float[] X = {3, -3, 0, -0f, INF, -INF, Float.NaN, 1e-45f, -8e-45f};

  @Test
  void negativeNumbersAreScaledAndTheKinkHasTheSlopeOfItsNegativeSide() {
    try (Kernels kernels = Kernels.open(null);
        KernelMemory memory = new KernelMemory(kernels, false)) {
      FloatPointer x = memory.floats(X);
      FloatPointer y = memory.unwritten(X.length);
      memory.run(
          QuantrainNative::qt_leaky_relu,
          new qt_leaky_relu_args().x(x).y(y).n(X.length).slope(0.25f));
      float[] expected = {3, -0.75f, 0, -0f, INF, -INF, Float.NaN, 1e-45f, -3e-45f};
      assertArrayEquals(expected, KernelMemory.floats(y, X.length));

      FloatPointer dx = memory.unwritten(X.length);
      float[] dy = {2, 2, 2, 2, 2, 2, 2, 2, Float.NaN};
      memory.run(
          QuantrainNative::qt_leaky_relu_backward,
          new qt_leaky_relu_backward_args()
              .x(x)
              .dy(memory.floats(dy))
              .dx(dx)
              .n(X.length)
              .slope(0.25f));
      float[] slopes = {2, 0.5f, 0.5f, 0.5f, 2, 0.5f, 0.5f, 2, Float.NaN};
      assertArrayEquals(slopes, KernelMemory.floats(dx, X.length));
    }
  }
}
