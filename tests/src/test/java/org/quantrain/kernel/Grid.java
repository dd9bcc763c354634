package org.quantrain.kernel;

import java.util.Random;

/** The codes of a uniform quantizer, and what is common to the oracles of those. */
record Grid(int qmin, int qmax) {
  static final Grid U2 = new Grid(0, 3);
  static final Grid U4 = new Grid(0, 15);
  static final Grid U8 = new Grid(0, 255);
  static final Grid S2 = new Grid(-2, 1);
  static final Grid S4 = new Grid(-8, 7);
  static final Grid S8 = new Grid(-128, 127);

  /** Without the lowest code, as symmetric weights have it. */
  Grid narrow() {
    return new Grid(-qmax, qmax);
  }

  int steps() {
    return qmax - qmin;
  }

  /** A zero-point within the grid, and 0 where that is its middle. */
  int zeroPoint(Random random) {
    return qmin < 0 && random.nextBoolean() ? 0 : qmin + random.nextInt(steps() + 1);
  }

  /** What s is multiplied with when v = x / s is quantized: code less zero-point. */
  double steps(double v, double zeroPoint) {
    return Math.max(qmin, Math.min(qmax, Math.rint(v) + zeroPoint)) - zeroPoint;
  }

  boolean inside(double v, double zeroPoint) {
    double level = Math.rint(v) + zeroPoint;
    return level >= qmin && level <= qmax;
  }

  /**
   * The same with the decisions of v0 and the zero-point z0: the error of rounding is a constant
   * inside, and the end of the grid is the code outside.
   */
  double frozen(double v, double zeroPoint, double v0, double z0) {
    if (inside(v0, z0)) {
      return v + (Math.rint(v0) - v0);
    }
    return (Math.rint(v0) + z0 < qmin ? qmin : qmax) - zeroPoint;
  }

  /** Of v = x / s, beyond both ends by some steps. */
  double[] reach(double zeroPoint) {
    double beyond = 0.2 * steps() + 1;
    return new double[] {qmin - zeroPoint - beyond, qmax - zeroPoint + beyond};
  }

  /** From the nearest tie. */
  static double clearance(double v) {
    return Math.abs(v - Math.floor(v) - 0.5);
  }

  /** Every tie within reach, for a scale that is a power of two. */
  float[] ties(float scale, double zeroPoint) {
    double[] reach = reach(zeroPoint);
    int first = (int) Math.floor(reach[0]);
    float[] x = new float[(int) reach[1] - first];
    for (int i = 0; i < x.length; i++) {
      x[i] = (first + i + 0.5f) * scale;
    }
    return x;
  }
}
