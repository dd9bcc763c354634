package org.quantrain.kernel;

import java.util.Arrays;
import java.util.Random;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_ewgs_backward_args;

/**
 * The uniform quantizer whose straight-through gradient is scaled element by element: by 1 + delta
 * sign(dy) (x_n - x_q), with x_n = v / levels in [0, 1]. Source: Lee et al. 2021, arXiv:2104.00903,
 * section 3.2.
 */
record EwgsOracle(Grid grid, int levels, float delta, float gradientScale)
    implements QuantizerOracle {
  @Override
  public float[] learned(Random random) {
    return new float[] {(0.7f + random.nextFloat()) / grid.steps()};
  }

  /** Of all channels: this kernel does not learn it. */
  private int zeroPoint() {
    return Math.floorDiv(grid.qmin() + grid.qmax(), 2);
  }

  @Override
  public double[] reach(double[] learned) {
    double[] v = grid.reach(zeroPoint());
    return new double[] {v[0] * learned[0], v[1] * learned[0]};
  }

  @Override
  public double clearance(double x, double[] learned) {
    return Grid.clearance(x / learned[0]);
  }

  @Override
  public Term value(double x, double[] learned) {
    return Term.exact(grid.steps(x / learned[0], zeroPoint()) * learned[0]);
  }

  /** dy_scaled / dy. */
  private double factor(double v, double dy) {
    return 1 + delta * Math.signum(dy) * (v - Math.rint(v)) / levels;
  }

  @Override
  public Term[] gradient(double x, double dy, double[] learned) {
    double v = x / learned[0];
    if (grid.inside(v, zeroPoint())) {
      double factor = factor(v, dy);
      double size = Math.abs(dy) * (1 + delta * (Math.abs(v) + Math.abs(Math.rint(v))) / levels);
      return new Term[] {
        new Term(dy * factor, size),
        new Term(dy * (Math.rint(v) - factor * v), Math.abs(dy * Math.rint(v)) + size * Math.abs(v))
      };
    }
    double end = (v < 0 ? grid.qmin() : grid.qmax()) - zeroPoint();
    return new Term[] {Term.exact(0), Term.of(dy * end)};
  }

  /** The code moves by the factor times what v moves by. */
  @Override
  public double surrogate(Base base, double x, double[] learned) {
    double v0 = base.x() / base.learned()[0];
    if (!grid.inside(v0, zeroPoint())) {
      return learned[0] * grid.steps(v0, zeroPoint());
    }
    double moved = x / learned[0] - v0;
    return learned[0] * (Math.rint(v0) + factor(v0, base.dy()) * moved);
  }

  @Override
  public Ties ties() {
    return new Ties(new float[] {0.25f}, grid.ties(0.25f, zeroPoint()));
  }

  private int[] zeroPoints(QuantizerCall call) {
    int[] zeroPoints = new int[call.layout.channels()];
    Arrays.fill(zeroPoints, zeroPoint());
    return zeroPoints;
  }

  @Override
  public void forward(QuantizerCall call) {
    call.fakeQuant(grid, call.learned(0), call.memory.ints(zeroPoints(call)));
  }

  @Override
  public void backward(QuantizerCall call) {
    call.run(
        QuantrainNative::qt_ewgs_backward,
        new qt_ewgs_backward_args()
            .x(call.x)
            .dy(call.dy)
            .scale(call.learned(0))
            .zero_point(call.memory.ints(zeroPoints(call)))
            .delta(call.memory.floats(delta))
            .dx(call.out)
            .dscale(call.gradient(0))
            .outer(call.layout.outer())
            .channels(call.layout.channels())
            .inner(call.layout.inner())
            .qmin(grid.qmin())
            .qmax(grid.qmax())
            .levels(levels)
            .gradient_scale(gradientScale)
            .element_type(call.memory.elementType()));
  }
}
