package org.quantrain.kernel;

import java.util.Random;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_lsq_plus_args;
import org.quantrain.internal.bind.qt_lsq_plus_backward_args;

/**
 * A learned step and a learned real offset: x_hat = s clamp(rint((x - beta) / s)) + beta. Source:
 * Bhalgat et al. 2020, arXiv:2004.09576.
 */
record LsqPlusOracle(Grid grid, float gradientScale) implements QuantizerOracle {
  @Override
  public float[] learned(Random random) {
    return new float[] {(0.7f + random.nextFloat()) / grid.steps(), random.nextFloat() - 0.3f};
  }

  private static double position(double x, double[] learned) {
    return (x - learned[1]) / learned[0];
  }

  @Override
  public double[] reach(double[] learned) {
    double[] v = grid.reach(0);
    return new double[] {v[0] * learned[0] + learned[1], v[1] * learned[0] + learned[1]};
  }

  @Override
  public double clearance(double x, double[] learned) {
    return Grid.clearance(position(x, learned));
  }

  @Override
  public Term value(double x, double[] learned) {
    double onGrid = grid.steps(position(x, learned), 0) * learned[0];
    return new Term(onGrid + learned[1], Math.abs(onGrid) + Math.abs(learned[1]));
  }

  @Override
  public Term[] gradient(double x, double dy, double[] learned) {
    double v = position(x, learned);
    if (grid.inside(v, 0)) {
      double size = Math.abs(dy) * (Math.abs(Math.rint(v)) + Math.abs(v));
      return new Term[] {
        Term.exact(dy), new Term(dy * (Math.rint(v) - v), size), Term.exact(0),
      };
    }
    double end = v < grid.qmin() ? grid.qmin() : grid.qmax();
    return new Term[] {Term.exact(0), Term.of(dy * end), Term.of(dy)};
  }

  @Override
  public double surrogate(Base base, double x, double[] learned) {
    double v0 = position(base.x(), base.learned());
    return learned[0] * grid.frozen(position(x, learned), 0, v0, 0) + learned[1];
  }

  @Override
  public Ties ties() {
    float[] x = grid.ties(0.25f, 0);
    for (int i = 0; i < x.length; i++) {
      x[i] += 0.375f;
    }
    return new Ties(new float[] {0.25f, 0.375f}, x);
  }

  @Override
  public void forward(QuantizerCall call) {
    call.run(
        QuantrainNative::qt_lsq_plus,
        new qt_lsq_plus_args()
            .x(call.x)
            .scale(call.learned(0))
            .beta(call.learned(1))
            .y(call.out)
            .outer(call.layout.outer())
            .channels(call.layout.channels())
            .inner(call.layout.inner())
            .qmin(grid.qmin())
            .qmax(grid.qmax())
            .element_type(call.memory.elementType()));
  }

  @Override
  public void backward(QuantizerCall call) {
    call.run(
        QuantrainNative::qt_lsq_plus_backward,
        new qt_lsq_plus_backward_args()
            .x(call.x)
            .dy(call.dy)
            .scale(call.learned(0))
            .beta(call.learned(1))
            .dx(call.out)
            .dscale(call.gradient(0))
            .dbeta(call.gradient(1))
            .outer(call.layout.outer())
            .channels(call.layout.channels())
            .inner(call.layout.inner())
            .qmin(grid.qmin())
            .qmax(grid.qmax())
            .gradient_scale(gradientScale)
            .element_type(call.memory.elementType()));
  }
}
