package org.quantrain.kernel;

import java.util.Random;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_dsq_backward_args;
import org.quantrain.internal.bind.qt_dsq_forward_args;

/**
 * The soft staircase from l to u with softness alpha: on step i, with its middle m_i = l + (i +
 * 1/2) Delta, y = l + Delta (i + (phi + 1) / 2), phi = S tanh(k (x - m_i)), S = 1 / (1 - alpha), k
 * = ln(2 / alpha - 1) / Delta. Source: Gong et al. 2019, arXiv:1908.05033, equations 3 to 9.
 */
record DsqOracle(int levels) implements QuantizerOracle {
  private static final int LOWER = 0;
  private static final int UPPER = 1;
  private static final int ALPHA = 2;

  @Override
  public float[] learned(Random random) {
    return new float[] {
      -0.2f - random.nextFloat(), 0.3f + 2 * random.nextFloat(), 0.1f + 0.4f * random.nextFloat()
    };
  }

  @Override
  public double[] reach(double[] learned) {
    double beyond = 0.2 * (learned[UPPER] - learned[LOWER]);
    return new double[] {learned[LOWER] - beyond, learned[UPPER] + beyond};
  }

  private double position(double x, double[] learned) {
    return (x - learned[LOWER]) / (learned[UPPER] - learned[LOWER]) * levels;
  }

  private double step(double position) {
    return Math.max(0, Math.min(levels - 1, Math.floor(position)));
  }

  @Override
  public double clearance(double x, double[] learned) {
    double position = position(x, learned);
    return Math.abs(position - Math.rint(position));
  }

  private double height(double x, double[] learned) {
    if (x < learned[LOWER]) {
      return learned[LOWER];
    }
    if (x > learned[UPPER]) {
      return learned[UPPER];
    }
    double alpha = learned[ALPHA];
    double delta = (learned[UPPER] - learned[LOWER]) / levels;
    double i = step(position(x, learned));
    double k = Math.log(2 / alpha - 1) / delta;
    double middle = learned[LOWER] + (i + 0.5) * delta;
    double phi = Math.tanh(k * (x - middle)) / (1 - alpha);
    return learned[LOWER] + delta * (i + (phi + 1) / 2);
  }

  /** One part in 2^24 of the position, which the slope of the staircase multiplies. */
  @Override
  public Term value(double x, double[] learned) {
    double width = learned[UPPER] - learned[LOWER];
    double steepest = Math.log(2 / learned[ALPHA] - 1) / (1 - learned[ALPHA]);
    return new Term(height(x, learned), Math.abs(learned[LOWER]) + width * (1 + steepest));
  }

  @Override
  public Term[] gradient(double x, double dy, double[] learned) {
    if (x < learned[LOWER]) {
      return new Term[] {Term.exact(0), Term.of(dy), Term.exact(0), Term.exact(0)};
    }
    if (x > learned[UPPER]) {
      return new Term[] {Term.exact(0), Term.exact(0), Term.of(dy), Term.exact(0)};
    }
    double alpha = learned[ALPHA];
    double delta = (learned[UPPER] - learned[LOWER]) / levels;
    double position = position(x, learned);
    double i = step(position);
    double gain = Math.log(2 / alpha - 1); // k Delta
    double s = 1 / (1 - alpha);
    double rest = position - i - 0.5; // (x - m_i) / Delta
    double tanh = Math.tanh(gain * rest);
    double rise = 1 - tanh * tanh;
    double slope = s * gain * rise / 2;

    // y = l + Delta h(p, alpha), p = (x - l) / Delta; Delta falls with l and grows with u by 1 /
    // levels, and p by Delta is -p / Delta.
    double h = i + (s * tanh + 1) / 2;
    double byDelta = h - slope * position;
    double byLower = 1 - slope - byDelta / levels;
    double byUpper = byDelta / levels;
    // S' = S^2, (k Delta)' = -2 / (alpha (2 - alpha)).
    double bySoftness = s * s * tanh / 2 - s * rise * rest / (alpha * (2 - alpha));

    // Float32 has position and rest to parts in 2^24 of the position, and 1 - tanh^2 to parts of 1.
    double tanhSize = Math.abs(tanh) + rise * gain * (position + 0.5);
    double riseSize = rise + 2 * Math.abs(tanh) * tanhSize;
    double slopeSize = s * gain * riseSize / 2;
    double deltaSize = i + 1 + s * tanhSize + slopeSize * position;
    double endSize = 1 + slopeSize + deltaSize / levels;
    double restSize = riseSize * Math.abs(rest) + rise * (position + 0.5);
    double softSize = s * s * tanhSize + s * restSize / (alpha * (2 - alpha));
    double size = Math.abs(dy);
    return new Term[] {
      new Term(dy * slope, size * slopeSize),
      new Term(dy * byLower, size * endSize),
      new Term(dy * byUpper, size * endSize),
      new Term(dy * delta * bySoftness, size * delta * softSize)
    };
  }

  /** Nothing is frozen: the staircase and its slope are continuous. */
  @Override
  public double surrogate(Base base, double x, double[] learned) {
    return height(x, learned);
  }

  /** The ends, and where one step becomes the next. */
  @Override
  public Ties ties() {
    float[] x = new float[levels + 5];
    for (int i = 0; i < x.length; i++) {
      x[i] = (i - 2) * 0.25f - 0.5f;
    }
    return new Ties(new float[] {-0.5f, levels * 0.25f - 0.5f, 0.25f}, x);
  }

  @Override
  public void forward(QuantizerCall call) {
    call.run(
        QuantrainNative::qt_dsq_forward,
        new qt_dsq_forward_args()
            .x(call.x)
            .lower(call.learned(LOWER))
            .upper(call.learned(UPPER))
            .alpha(call.learned(ALPHA))
            .y(call.out)
            .outer(call.layout.outer())
            .channels(call.layout.channels())
            .inner(call.layout.inner())
            .levels(levels)
            .element_type(call.memory.elementType()));
  }

  @Override
  public void backward(QuantizerCall call) {
    call.run(
        QuantrainNative::qt_dsq_backward,
        new qt_dsq_backward_args()
            .x(call.x)
            .dy(call.dy)
            .lower(call.learned(LOWER))
            .upper(call.learned(UPPER))
            .alpha(call.learned(ALPHA))
            .dx(call.out)
            .dlower(call.gradient(LOWER))
            .dupper(call.gradient(UPPER))
            .dalpha(call.gradient(ALPHA))
            .outer(call.layout.outer())
            .channels(call.layout.channels())
            .inner(call.layout.inner())
            .levels(levels)
            .element_type(call.memory.elementType()));
  }
}
