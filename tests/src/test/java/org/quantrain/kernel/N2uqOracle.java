package org.quantrain.kernel;

import java.util.Arrays;
import java.util.Random;
import org.bytedeco.javacpp.FloatPointer;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_n2uq_args;
import org.quantrain.internal.bind.qt_n2uq_backward_args;

/**
 * Learned thresholds, equally spaced outputs, and the generalized straight-through estimator: the
 * gradient of the line through the segments' corners, of slope (2 / N) / a_i on segment i. Source:
 * Liu et al. 2022, arXiv:2111.14826, section 3.2.
 *
 * <p>Learned are the scales of input and output, the start, and the N intervals, one after the
 * other.
 */
record N2uqOracle(int bits) implements QuantizerOracle {
  private static final int IN_SCALE = 0;
  private static final int OUT_SCALE = 1;
  private static final int START = 2;
  private static final int INTERVALS = 3;
  private static final float LEAST = 1e-3f;

  private int segments() {
    return (1 << bits) - 1;
  }

  private double step() {
    return 2.0 / segments();
  }

  /** The first interval below its least value. */
  @Override
  public float[] learned(Random random) {
    float[] learned = new float[INTERVALS + segments()];
    learned[IN_SCALE] = 0.6f + random.nextFloat();
    learned[OUT_SCALE] = 0.6f + random.nextFloat();
    learned[START] = 0.2f * random.nextFloat() - 0.1f;
    for (int i = 0; i < segments(); i++) {
      learned[INTERVALS + i] = (float) step() * (0.5f + random.nextFloat());
    }
    learned[INTERVALS] = 1e-4f;
    return learned;
  }

  private static double interval(double given) {
    return given > LEAST ? given : LEAST;
  }

  /** B_0 to B_N, in double. */
  private double[] begins(double[] learned) {
    double[] begins = new double[segments() + 1];
    begins[0] = learned[START];
    for (int i = 0; i < segments(); i++) {
      begins[i + 1] = begins[i] + interval(learned[INTERVALS + i]);
    }
    return begins;
  }

  @Override
  public double[] reach(double[] learned) {
    double[] begins = begins(learned);
    double beyond = 0.2 * (begins[segments()] - begins[0]);
    return new double[] {
      (begins[0] - beyond) / learned[IN_SCALE], (begins[segments()] + beyond) / learned[IN_SCALE]
    };
  }

  /** Float32 adds the intervals up, and is off by up to a hundredth of one of 255 in the end. */
  @Override
  public double clearance(double x, double[] learned) {
    double u = learned[IN_SCALE] * x;
    double[] begins = begins(learned);
    double nearest = Math.abs(u - begins[segments()]);
    for (int i = 0; i < segments(); i++) {
      double middle = (begins[i] + begins[i + 1]) / 2;
      nearest = Math.min(nearest, Math.min(Math.abs(u - begins[i]), Math.abs(u - middle)));
    }
    return nearest / step() / 10;
  }

  private int code(double u, double[] learned) {
    double[] begins = begins(learned);
    int code = 0;
    while (code < segments() && (begins[code] + begins[code + 1]) / 2 < u) {
      code++;
    }
    return code;
  }

  @Override
  public Term value(double x, double[] learned) {
    return Term.of(learned[OUT_SCALE] * step() * code(learned[IN_SCALE] * x, learned));
  }

  /** In steps of the output: i + (u - B_i) / a_i for B_i < u <= B_(i+1), constant outside. */
  private double line(double u, double[] begins) {
    int i = segment(u, begins);
    return i < 0 ? 0 : i == segments() ? i : i + (u - begins[i]) / (begins[i + 1] - begins[i]);
  }

  /** -1 below, N above. */
  private int segment(double u, double[] begins) {
    int i = -1;
    while (i < segments() && begins[i + 1] < u) {
      i++;
    }
    return i;
  }

  @Override
  public Term[] gradient(double x, double dy, double[] learned) {
    double u = learned[IN_SCALE] * x;
    double[] begins = begins(learned);
    int i = segment(u, begins);
    Term[] terms = new Term[1 + INTERVALS + segments()];
    Arrays.fill(terms, Term.exact(0));
    terms[1 + OUT_SCALE] = Term.of(dy * step() * code(u, learned));
    if (i >= 0 && i < segments()) {
      double a = begins[i + 1] - begins[i];
      double slope = dy * learned[OUT_SCALE] * step() / a;
      double rest = u - begins[i];
      terms[0] = Term.of(slope * learned[IN_SCALE]);
      terms[1 + IN_SCALE] = Term.of(slope * x);
      terms[1 + START] = Term.of(-slope);
      // A begin is a sum of as many roundings as there are intervals before it.
      double added = (Math.abs(u) + Math.abs(begins[i]) * (1 + i)) / a;
      for (int j = 0; j <= i; j++) {
        boolean moves = learned[INTERVALS + j] > LEAST;
        terms[1 + INTERVALS + j] =
            !moves
                ? Term.exact(0)
                : j < i ? Term.of(-slope) : new Term(-slope * rest / a, Math.abs(slope) * added);
      }
    }
    return terms;
  }

  /** The scale of the output multiplies the code, and the line where it moves. */
  @Override
  public double surrogate(Base base, double x, double[] learned) {
    double u0 = base.learned()[IN_SCALE] * base.x();
    double moved = line(learned[IN_SCALE] * x, begins(learned)) - line(u0, begins(base.learned()));
    return step()
        * (learned[OUT_SCALE] * code(u0, base.learned()) + base.learned()[OUT_SCALE] * moved);
  }

  /** Every begin and every threshold, which belong to the segment and the code before them. */
  @Override
  public Ties ties() {
    float[] learned = new float[INTERVALS + segments()];
    learned[IN_SCALE] = 0.5f;
    learned[OUT_SCALE] = 1.5f;
    learned[START] = -0.25f;
    for (int i = 0; i < segments(); i++) {
      learned[INTERVALS + i] = i % 3 == 0 ? 0.125f : 0.0625f;
    }
    double[] widened = new double[learned.length];
    Arrays.setAll(widened, i -> learned[i]);
    double[] begins = begins(widened);
    float[] x = new float[2 * segments() + 1];
    for (int i = 0; i < x.length; i++) {
      x[i] = (float) (begins[i / 2] + begins[(i + 1) / 2]);
    }
    return new Ties(learned, x);
  }

  @Override
  public int vectorFrom() {
    return INTERVALS;
  }

  @Override
  public boolean perChannel() {
    return false;
  }

  @Override
  public void forward(QuantizerCall call) {
    call.run(
        QuantrainNative::qt_n2uq,
        new qt_n2uq_args()
            .x(call.x)
            .start(call.learned(START))
            .intervals(intervals(call))
            .in_scale(call.learned(IN_SCALE))
            .out_scale(call.learned(OUT_SCALE))
            .y(call.out)
            .n(call.layout.elements())
            .bits(bits)
            .element_type(call.memory.elementType()));
  }

  /** One vector of the single values. */
  private FloatPointer intervals(QuantizerCall call) {
    float[] intervals = new float[segments()];
    for (int i = 0; i < intervals.length; i++) {
      intervals[i] = call.learned(INTERVALS + i).get();
    }
    return call.memory.floats(intervals);
  }

  @Override
  public void backward(QuantizerCall call) {
    FloatPointer dintervals = call.memory.unwritten(segments());
    call.run(
        QuantrainNative::qt_n2uq_backward,
        new qt_n2uq_backward_args()
            .x(call.x)
            .dy(call.dy)
            .start(call.learned(START))
            .intervals(intervals(call))
            .in_scale(call.learned(IN_SCALE))
            .out_scale(call.learned(OUT_SCALE))
            .dx(call.out)
            .dstart(call.gradient(START))
            .dintervals(dintervals)
            .din_scale(call.gradient(IN_SCALE))
            .dout_scale(call.gradient(OUT_SCALE))
            .n(call.layout.elements())
            .bits(bits)
            .element_type(call.memory.elementType()));
    for (int i = 0; i < segments(); i++) {
      call.gradient(INTERVALS + i).put(dintervals.get(i));
    }
  }
}
