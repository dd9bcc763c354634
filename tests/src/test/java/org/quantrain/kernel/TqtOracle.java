package org.quantrain.kernel;

import java.util.Random;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_tqt_backward_args;
import org.quantrain.internal.bind.qt_tqt_qparams_args;

/**
 * A learned threshold t in its logarithm: s = 2^ceil(log2 t) / 2^(bits - 1), unsigned / 2^bits; the
 * ceiling has the gradient of the identity. Source: Jain et al. 2019, arXiv:1903.08066, section 3.
 */
record TqtOracle(Grid grid, boolean signed) implements QuantizerOracle {
  @Override
  public float[] learned(Random random) {
    return new float[] {(float) Math.rint(6 * random.nextFloat() - 3) + random.nextFloat()};
  }

  private double scale(double log2Threshold) {
    int levels = signed ? grid.qmax() + 1 : grid.steps() + 1;
    return Math.pow(2, Math.ceil(log2Threshold)) / levels;
  }

  private int zeroPoint() {
    return signed ? 0 : grid.qmin();
  }

  @Override
  public double[] reach(double[] learned) {
    double s = scale(learned[0]);
    double[] v = grid.reach(zeroPoint());
    return new double[] {v[0] * s, v[1] * s};
  }

  @Override
  public double clearance(double x, double[] learned) {
    return Grid.clearance(x / scale(learned[0]));
  }

  @Override
  public Term value(double x, double[] learned) {
    double s = scale(learned[0]);
    return Term.exact(grid.steps(x / s, zeroPoint()) * s);
  }

  @Override
  public Term[] gradient(double x, double dy, double[] learned) {
    double s = scale(learned[0]);
    double v = x / s;
    double factor = dy * s * Math.log(2);
    int z = zeroPoint();
    if (grid.inside(v, z)) {
      double size = Math.abs(factor) * (Math.abs(Math.rint(v)) + Math.abs(v));
      return new Term[] {Term.exact(dy), new Term(factor * (Math.rint(v) - v), size)};
    }
    double end = Math.rint(v) + z < grid.qmin() ? grid.qmin() : grid.qmax();
    return new Term[] {Term.exact(0), Term.of(factor * (end - z))};
  }

  @Override
  public double surrogate(Base base, double x, double[] learned) {
    double s0 = scale(base.learned()[0]);
    double s = s0 * Math.pow(2, learned[0] - base.learned()[0]);
    return s * grid.frozen(x / s, zeroPoint(), base.x() / s0, zeroPoint());
  }

  /** With a threshold that is a power of two already: the ceiling leaves it. */
  @Override
  public Ties ties() {
    return new Ties(new float[] {-1}, grid.ties((float) scale(-1), zeroPoint()));
  }

  private FloatPointer scale(QuantizerCall call, IntPointer zeroPoint) {
    int channels = call.layout.channels();
    FloatPointer scale = call.memory.unwritten(channels);
    call.run(
        QuantrainNative::qt_tqt_qparams,
        new qt_tqt_qparams_args()
            .log2_threshold(call.learned(0))
            .scale(scale)
            .zero_point(zeroPoint)
            .channels(channels)
            .qmin(grid.qmin())
            .qmax(grid.qmax())
            .is_signed(signed ? 1 : 0));
    return scale;
  }

  @Override
  public void forward(QuantizerCall call) {
    IntPointer zeroPoint = call.memory.ints(new int[call.layout.channels()]);
    call.fakeQuant(grid, scale(call, zeroPoint), zeroPoint);
  }

  @Override
  public void backward(QuantizerCall call) {
    IntPointer zeroPoint = call.memory.ints(new int[call.layout.channels()]);
    call.run(
        QuantrainNative::qt_tqt_backward,
        new qt_tqt_backward_args()
            .x(call.x)
            .dy(call.dy)
            .scale(scale(call, zeroPoint))
            .zero_point(zeroPoint)
            .dx(call.out)
            .dlog2_threshold(call.gradient(0))
            .outer(call.layout.outer())
            .channels(call.layout.channels())
            .inner(call.layout.inner())
            .qmin(grid.qmin())
            .qmax(grid.qmax())
            .element_type(call.memory.elementType()));
  }
}
