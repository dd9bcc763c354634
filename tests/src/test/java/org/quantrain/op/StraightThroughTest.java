package org.quantrain.op;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;
import org.quantrain.testkit.EdgeValues;
import org.quantrain.testkit.Tensors;

/**
 * The straight-through gradient against its formula: it passes exactly where the forward pass did
 * not clamp, by the same grid (narrow or full, signed or not) that the forward pass used.
 */
class StraightThroughTest {
  static Stream<QuantSpec> grids() {
    List<QuantSpec> all = new ArrayList<>();
    for (int bits : new int[] {2, 4, 8}) {
      all.add(new QuantSpec(bits, false, false, false, false));
      all.add(new QuantSpec(bits, true, false, false, false));
      all.add(new QuantSpec(bits, true, false, true, false));
      all.add(new QuantSpec(bits, true, true, true, false));
    }
    return all.stream();
  }

  private static int zeroPoint(QuantSpec spec) {
    return spec.symmetric() ? 0 : spec.qmin() + 1;
  }

  private static float[] steBackward(float[] dy, HostTensor mask) {
    HostTensor d = HostTensor.of(mask.shape(), dy);
    return OneOp.run(new SteBackward(), d, mask).output(0).floats();
  }

  @ParameterizedTest
  @MethodSource("grids")
  void gradientsPassExactlyWhereQuantizeDoesNotClamp(QuantSpec spec) {
    int n = 2 * 400 + 1;
    float scale = 0.5f;
    int zero = zeroPoint(spec);
    float[] x = new float[n];
    for (int i = 0; i < n; i++) {
      // Quarters of a step around every code, past both ends.
      x[i] = (i - n / 2) * scale / 4;
    }
    Shape shape = Shape.of(1, n);
    OneOp.Result r =
        OneOp.run(
            new Quantize(spec),
            HostTensor.of(shape, x),
            Tensors.vector(scale),
            Tensors.vector(zero));
    float[] dy = EdgeValues.ordinary(n, 1);
    float[] dx = steBackward(dy, r.output(1));
    int[] codes = r.output(0).codes();
    for (int i = 0; i < n; i++) {
      double free = Math.rint(x[i] / scale) + zero;
      boolean inside = spec.qmin() <= free && free <= spec.qmax();
      assertEquals(inside ? dy[i] : 0f, dx[i], "at " + x[i]);
      assertEquals(inside, codes[i] == free, "at " + x[i]);
    }
  }

  @ParameterizedTest
  @MethodSource("grids")
  void gradientsPassExactlyWhereRequantizeDoesNotClamp(QuantSpec spec) {
    int n = 4 * 300 + 1;
    int zero = zeroPoint(spec);
    HostTensor acc = HostTensor.zeros(TensorSpec.s32(n, 1));
    for (int i = 0; i < n; i++) {
      acc.buffer().putInt(4 * i, i - n / 2);
    }
    for (boolean relu : new boolean[] {false, true}) {
      OneOp.Result r =
          OneOp.run(new Requantize(spec, relu), acc, Tensors.vector(0.25f), Tensors.vector(zero));
      int[] codes = r.output(0).codes();
      float[] dy = EdgeValues.ordinary(n, 2);
      float[] dx = steBackward(dy, r.output(1));
      for (int i = 0; i < n; i++) {
        int a = i - n / 2;
        // FP32_RNE clamps before it rounds, so half a step past the end already counts as clamped.
        double real = 0.25 * a;
        boolean inside =
            spec.qmin() - zero <= real && real <= spec.qmax() - zero && (!relu || a > 0);
        assertEquals(inside ? dy[i] : 0f, dx[i], spec + " at " + a);
        if (inside) {
          assertEquals(Math.rint(real) + zero, codes[i], spec + " at " + a);
        }
        assertTrue(!relu || codes[i] >= zero, spec + " at " + a);
      }
    }
  }

  @ParameterizedTest
  @ValueSource(floats = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY})
  void nothingPassesWhereTheInputWasNoNumber(float bad) {
    QuantSpec spec = new QuantSpec(8, true, false, false, false);
    OneOp.Result r =
        OneOp.run(
            new Quantize(spec),
            HostTensor.filled(Shape.of(1, 33), bad),
            Tensors.vector(0.5f),
            Tensors.vector(3));
    for (boolean bit : Tensors.bits(r.output(1))) {
      assertFalse(bit);
    }
    // NaN becomes the lowest code, infinities saturate.
    int expected = bad == Float.POSITIVE_INFINITY ? 127 : -128;
    for (int code : r.output(0).codes()) {
      assertEquals(expected, code);
    }
  }
}
