package org.quantrain.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_fake_quant_args;
import org.quantrain.internal.bind.qt_fake_quant_backward_args;
import org.quantrain.internal.bind.qt_lsq_backward_args;
import org.quantrain.internal.bind.qt_quantize_args;
import org.quantrain.internal.bind.qt_tqt_backward_args;
import org.quantrain.tensor.QuantSpec;

/**
 * Where the forward pass does not clamp, and where the backward passes let the gradient through.
 */
class StraightThroughMasksTest {
  private static final float SCALE = 0.5f;

  /** Every combination of the flags that there is. */
  static Stream<QuantSpec> grids() {
    List<QuantSpec> all = new ArrayList<>();
    for (int bits : new int[] {2, 4, 8}) {
      for (boolean symmetric : new boolean[] {false, true}) {
        all.add(new QuantSpec(bits, false, false, symmetric, false));
        all.add(new QuantSpec(bits, true, false, symmetric, false));
        all.add(new QuantSpec(bits, true, true, symmetric, false));
      }
    }
    return all.stream();
  }

  @ParameterizedTest
  @MethodSource("grids")
  void forwardAndBackwardMasksUseTheSameSymmetricAndNarrowFlags(QuantSpec spec) {
    // Quarters of a step around every code, past both ends.
    int n = 8 * 300;
    float[] x = new float[n];
    float[] ones = new float[n];
    for (int i = 0; i < n; i++) {
      x[i] = (i - n / 2) * SCALE / 4;
      ones[i] = 1;
    }
    int zero = spec.symmetric() ? 0 : spec.qmin() + 1;
    int qmin = spec.qmin();
    int qmax = spec.qmax();
    try (Kernels kernels = Kernels.open(null);
        FloatPointer in = Kernels.floats(x);
        FloatPointer dy = Kernels.floats(ones);
        FloatPointer scale = Kernels.floats(SCALE);
        IntPointer zeroPoint = Kernels.ints(zero);
        FloatPointer y = new FloatPointer((long) n);
        BytePointer codes = new BytePointer((long) n);
        BytePointer mask = new BytePointer(n / 8L);
        BytePointer codesMask = new BytePointer(n / 8L);
        FloatPointer dx = new FloatPointer((long) n);
        FloatPointer lsqDx = new FloatPointer((long) n);
        FloatPointer tqtDx = new FloatPointer((long) n);
        FloatPointer learned = Kernels.floats(0);
        qt_fake_quant_args fakeQuant = new qt_fake_quant_args();
        qt_quantize_args quantize = new qt_quantize_args();
        qt_fake_quant_backward_args backward = new qt_fake_quant_backward_args();
        qt_lsq_backward_args lsq = new qt_lsq_backward_args();
        qt_tqt_backward_args tqt = new qt_tqt_backward_args()) {
      fakeQuant.x(in).y(y).scale(scale).zero_point(zeroPoint).mask(mask);
      fakeQuant.outer(1).channels(1).inner(n).qmin(qmin).qmax(qmax);
      kernels.run(QuantrainNative::qt_fake_quant, fakeQuant);
      quantize.x(in).codes(codes).scale(scale).zero_point(zeroPoint).mask(codesMask);
      quantize.outer(1).channels(1).inner(n).qmin(qmin).qmax(qmax);
      quantize.code_type(spec.signed() ? QuantrainNative.QT_S8 : QuantrainNative.QT_U8);
      kernels.run(QuantrainNative::qt_quantize, quantize);
      backward.x(in).dy(dy).dx(dx).scale(scale).zero_point(zeroPoint);
      backward.outer(1).channels(1).inner(n).qmin(qmin).qmax(qmax);
      kernels.run(QuantrainNative::qt_fake_quant_backward, backward);
      lsq.x(in).dy(dy).dx(lsqDx).scale(scale).zero_point(zeroPoint).dscale(learned);
      lsq.outer(1).channels(1).inner(n).qmin(qmin).qmax(qmax).gradient_scale(1);
      kernels.run(QuantrainNative::qt_lsq_backward, lsq);
      tqt.x(in).dy(dy).dx(tqtDx).scale(scale).zero_point(zeroPoint).dlog2_threshold(learned);
      tqt.outer(1).channels(1).inner(n).qmin(qmin).qmax(qmax);
      kernels.run(QuantrainNative::qt_tqt_backward, tqt);

      byte[] forward = Kernels.get(mask, n / 8);
      byte[] forwardCodes = Kernels.get(codesMask, n / 8);
      for (int i = 0; i < n; i++) {
        // Ends by the flags alone: a narrow grid is without its lowest code.
        double least = spec.signed() ? -(1 << (spec.bits() - 1)) + (spec.narrow() ? 1 : 0) : 0;
        double most = (1 << (spec.bits() - (spec.signed() ? 1 : 0))) - 1;
        double level = Math.rint(x[i] / SCALE) + zero;
        boolean inside = least <= level && level <= most;
        String at = spec + " at level " + level;
        assertEquals(inside, Kernels.bit(forward, i), at);
        assertEquals(inside, Kernels.bit(forwardCodes, i), at);
        assertEquals(inside ? 1f : 0f, dx.get(i), at);
        assertEquals(inside ? 1f : 0f, lsqDx.get(i), at);
        assertEquals(inside ? 1f : 0f, tqtDx.get(i), at);
        double code = Math.max(least, Math.min(most, level));
        assertEquals((float) ((code - zero) * SCALE), y.get(i), at);
        assertEquals((byte) code, codes.get(i), at);
      }
    }
  }
}
