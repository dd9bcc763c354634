package org.quantrain.kernel;

import java.util.Arrays;
import java.util.Random;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_pact_backward_args;
import org.quantrain.internal.bind.qt_pact_qparams_args;

/**
 * A learned clip alpha: y = (|x| - |x - alpha| + alpha) / 2 on the uniform grid of [0, alpha].
 * Source: Choi et al. 2018, arXiv:1805.06085, equations 1 to 3; both signs: [-alpha, alpha].
 */
record PactOracle(Grid grid, boolean signed) implements QuantizerOracle {
  @Override
  public float[] learned(Random random) {
    return new float[] {0.5f + 5 * random.nextFloat()};
  }

  /** Between neighbours of the grid, one float32 division. */
  private double scale(double alpha) {
    return (float) alpha / (signed ? grid.qmax() : grid.steps());
  }

  private int zeroPoint() {
    return signed ? 0 : grid.qmin();
  }

  @Override
  public double[] reach(double[] learned) {
    return new double[] {-1.5 * learned[0], 1.5 * learned[0]};
  }

  @Override
  public double clearance(double x, double[] learned) {
    double s = scale(learned[0]);
    double fromZero = signed ? 1 : Math.abs(x) / s;
    double fromClip = Math.abs((signed ? Math.abs(x) : x) - learned[0]) / s;
    return Math.min(Grid.clearance(x / s), Math.min(fromZero, fromClip));
  }

  @Override
  public Term value(double x, double[] learned) {
    double s = scale(learned[0]);
    return Term.exact(grid.steps(x / s, zeroPoint()) * s);
  }

  @Override
  public Term[] gradient(double x, double dy, double[] learned) {
    boolean above = x >= learned[0];
    boolean below = signed ? x <= -learned[0] : x < 0;
    double byAlpha = above ? dy : below && signed ? -dy : 0;
    return new Term[] {Term.exact(above || below ? 0 : dy), Term.of(byAlpha)};
  }

  @Override
  public double surrogate(Base base, double x, double[] learned) {
    double a = learned[0];
    return signed
        ? (Math.abs(x + a) - Math.abs(x - a)) / 2
        : (Math.abs(x) - Math.abs(x - a) + a) / 2;
  }

  @Override
  public Ties ties() {
    float a = signed ? grid.qmax() : grid.steps();
    float[] ends = {0, -0f, a, -a, Math.nextUp(a), Math.nextDown(a), -Math.nextDown(a)};
    float[] ties = grid.ties(1, zeroPoint());
    float[] x = Arrays.copyOf(ends, ends.length + ties.length);
    System.arraycopy(ties, 0, x, ends.length, ties.length);
    return new Ties(new float[] {a}, x);
  }

  @Override
  public void forward(QuantizerCall call) {
    int channels = call.layout.channels();
    FloatPointer scale = call.memory.unwritten(channels);
    IntPointer zeroPoint = call.memory.ints(new int[channels]);
    call.run(
        QuantrainNative::qt_pact_qparams,
        new qt_pact_qparams_args()
            .alpha(call.learned(0))
            .scale(scale)
            .zero_point(zeroPoint)
            .channels(channels)
            .qmin(grid.qmin())
            .qmax(grid.qmax())
            .is_signed(signed ? 1 : 0));
    call.fakeQuant(grid, scale, zeroPoint);
  }

  @Override
  public void backward(QuantizerCall call) {
    call.run(
        QuantrainNative::qt_pact_backward,
        new qt_pact_backward_args()
            .x(call.x)
            .dy(call.dy)
            .alpha(call.learned(0))
            .dx(call.out)
            .dalpha(call.gradient(0))
            .outer(call.layout.outer())
            .channels(call.layout.channels())
            .inner(call.layout.inner())
            .is_signed(signed ? 1 : 0)
            .element_type(call.memory.elementType()));
  }
}
