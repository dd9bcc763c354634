package org.quantrain.kernel;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_apot_args;
import org.quantrain.internal.bind.qt_apot_backward_args;

/**
 * Additive powers of two: y = alpha times the level nearest to clip(x / alpha), a level being a sum
 * of one entry of every set over the largest sum. Source: Li et al. 2020, arXiv:1909.13144,
 * sections 2.2 to 2.4; the sets are those of the native API's page.
 */
record ApotOracle(int bits, boolean signed, boolean passThrough, float gradientScale)
    implements QuantizerOracle {
  /** Exponents of the entries besides 0, by bits of the magnitude. */
  private static final List<int[][]> SETS =
      List.of(
          new int[][] {{0}},
          new int[][] {{1, 2, 3}},
          new int[][] {{1, 2, 4}, {3}},
          new int[][] {{1, 3, 5}, {2, 4, 6}},
          new int[][] {{1, 3, 6}, {2, 4, 7}, {5}},
          new int[][] {{1, 4, 7}, {2, 5, 8}, {3, 6, 9}});

  /** Ascending, from 0 to 1. */
  private double[] magnitudes() {
    double[] sums = {0};
    for (int[] set : SETS.get((signed ? bits - 1 : bits) - 1)) {
      double[] more = new double[sums.length * (set.length + 1)];
      for (int i = 0; i < more.length; i++) {
        int entry = i / sums.length;
        more[i] = sums[i % sums.length] + (entry == 0 ? 0 : Math.scalb(1.0, -set[entry - 1]));
      }
      sums = more;
    }
    Arrays.sort(sums);
    double most = sums[sums.length - 1];
    return Arrays.stream(sums).map(sum -> sum / most).toArray();
  }

  private double clip(double v) {
    return Math.max(signed ? -1 : 0, Math.min(1, v));
  }

  private double level(double v) {
    double nearest = 0;
    for (double level : magnitudes()) {
      if (Math.abs(Math.abs(v) - level) < Math.abs(Math.abs(v) - nearest)) {
        nearest = level;
      }
    }
    return Math.copySign(nearest, v);
  }

  @Override
  public float[] learned(Random random) {
    return new float[] {0.5f + 3 * random.nextFloat()};
  }

  @Override
  public double[] reach(double[] learned) {
    return new double[] {-1.4 * learned[0], 1.4 * learned[0]};
  }

  @Override
  public double clearance(double x, double[] learned) {
    double v = x / learned[0];
    double nearest = Math.min(signed ? 1 : Math.abs(v), Math.abs(Math.abs(v) - 1));
    double step = 1;
    double[] magnitudes = magnitudes();
    for (int i = 1; i < magnitudes.length; i++) {
      double middle = (magnitudes[i - 1] + magnitudes[i]) / 2;
      nearest = Math.min(nearest, Math.abs(Math.abs(v) - middle));
      step = Math.min(step, magnitudes[i] - magnitudes[i - 1]);
    }
    return nearest / step;
  }

  @Override
  public Term value(double x, double[] learned) {
    return Term.of(learned[0] * level(clip(x / learned[0])));
  }

  @Override
  public Term[] gradient(double x, double dy, double[] learned) {
    double v = x / learned[0];
    double end = clip(v);
    boolean inside = end == v;
    return new Term[] {
      Term.exact(inside || passThrough ? dy : 0),
      inside
          ? new Term(dy * (level(v) - v), Math.abs(dy) * (Math.abs(level(v)) + Math.abs(v)))
          : Term.of(dy * end)
    };
  }

  @Override
  public double surrogate(Base base, double x, double[] learned) {
    double v0 = base.x() / base.learned()[0];
    double level = level(clip(v0));
    if (clip(v0) == v0) {
      return learned[0] * (level + x / learned[0] - v0);
    }
    return learned[0] * level + (passThrough ? x - base.x() : 0);
  }

  /** The middles are numbers of float32 only where the largest sum is a power of two. */
  @Override
  public Ties ties() {
    double[] magnitudes = magnitudes();
    boolean powers = magnitudes.length <= 4;
    float[] x = new float[powers ? 2 * magnitudes.length + 2 : 4];
    x[0] = 0;
    x[1] = 2;
    x[2] = -2;
    x[3] = -0f;
    for (int i = 1; powers && i < magnitudes.length; i++) {
      x[2 * i + 2] = (float) (magnitudes[i - 1] + magnitudes[i]);
      x[2 * i + 3] = -x[2 * i + 2];
    }
    return new Ties(new float[] {2}, x);
  }

  @Override
  public void forward(QuantizerCall call) {
    call.run(
        QuantrainNative::qt_apot,
        new qt_apot_args()
            .x(call.x)
            .alpha(call.learned(0))
            .y(call.out)
            .outer(call.layout.outer())
            .channels(call.layout.channels())
            .inner(call.layout.inner())
            .bits(bits)
            .is_signed(signed ? 1 : 0)
            .element_type(call.memory.elementType()));
  }

  @Override
  public void backward(QuantizerCall call) {
    call.run(
        QuantrainNative::qt_apot_backward,
        new qt_apot_backward_args()
            .x(call.x)
            .dy(call.dy)
            .alpha(call.learned(0))
            .dx(call.out)
            .dalpha(call.gradient(0))
            .outer(call.layout.outer())
            .channels(call.layout.channels())
            .inner(call.layout.inner())
            .bits(bits)
            .is_signed(signed ? 1 : 0)
            .pass_through(passThrough ? 1 : 0)
            .gradient_scale(gradientScale)
            .element_type(call.memory.elementType()));
  }
}
