package org.quantrain.kernel;

import java.util.Random;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_lsq_backward_args;

/**
 * A learned step and an integer zero-point: x_hat = s (clamp(rint(x / s) + z) - z). Source: Esser
 * et al. 2020, arXiv:1902.08153, equations 1 to 3; Bhalgat et al. 2020, arXiv:2004.09576.
 *
 * @param gradientScale as of section 2.2, 1 / sqrt(elements * qmax) there
 */
record LsqOracle(Grid grid, float gradientScale) implements QuantizerOracle {
  @Override
  public float[] learned(Random random) {
    return new float[] {(0.7f + random.nextFloat()) / grid.steps(), grid.zeroPoint(random)};
  }

  @Override
  public double[] reach(double[] learned) {
    double[] v = grid.reach(learned[1]);
    return new double[] {v[0] * learned[0], v[1] * learned[0]};
  }

  @Override
  public double clearance(double x, double[] learned) {
    return Grid.clearance(x / learned[0]);
  }

  @Override
  public Term value(double x, double[] learned) {
    return Term.exact(grid.steps(x / learned[0], learned[1]) * learned[0]);
  }

  @Override
  public Term[] gradient(double x, double dy, double[] learned) {
    double v = x / learned[0];
    double z = learned[1];
    if (grid.inside(v, z)) {
      double size = Math.abs(dy) * (Math.abs(Math.rint(v)) + Math.abs(v));
      return new Term[] {
        Term.exact(dy), new Term(dy * (Math.rint(v) - v), size), Term.exact(0),
      };
    }
    double end = Math.rint(v) + z < grid.qmin() ? grid.qmin() : grid.qmax();
    return new Term[] {Term.exact(0), Term.of(dy * (end - z)), Term.of(dy * -learned[0])};
  }

  @Override
  public double surrogate(Base base, double x, double[] learned) {
    double v0 = base.x() / base.learned()[0];
    double v = x / learned[0];
    return learned[0] * grid.frozen(v, learned[1], v0, base.learned()[1]);
  }

  @Override
  public Ties ties() {
    float z = Math.floorDiv(grid.qmin() + grid.qmax(), 2);
    return new Ties(new float[] {0.25f, z}, grid.ties(0.25f, z));
  }

  @Override
  public void forward(QuantizerCall call) {
    call.fakeQuant(grid, call.learned(0), call.integers(1));
  }

  @Override
  public void backward(QuantizerCall call) {
    call.run(
        QuantrainNative::qt_lsq_backward,
        new qt_lsq_backward_args()
            .x(call.x)
            .dy(call.dy)
            .scale(call.learned(0))
            .zero_point(call.integers(1))
            .dx(call.out)
            .dscale(call.gradient(0))
            .dzero_point(call.gradient(1))
            .outer(call.layout.outer())
            .channels(call.layout.channels())
            .inner(call.layout.inner())
            .qmin(grid.qmin())
            .qmax(grid.qmax())
            .gradient_scale(gradientScale)
            .element_type(call.memory.elementType()));
  }
}
