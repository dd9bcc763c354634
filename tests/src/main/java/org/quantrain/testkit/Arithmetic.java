package org.quantrain.testkit;

import java.math.BigInteger;
import org.quantrain.tensor.QuantSpec;

/**
 * The scalar formulas of the numeric contract in plain Java, written from the native API's page and
 * not from the kernels. Java's float and double arithmetic is strict IEEE, so these are the bits
 * that every kernel must produce.
 */
public final class Arithmetic {
  static final double BIAS_LIMIT = 1 << 30;

  private Arithmetic() {}

  /** min(max(v, lo), hi) where NaN gives lo; {@link Math#max} would keep the NaN. */
  static float clamp(float v, float lo, float hi) {
    float low = v > lo ? v : lo;
    return low < hi ? low : hi;
  }

  static float rint(float v) {
    return (float) Math.rint(v);
  }

  /** The code before the clamp. */
  static float level(float x, float scale, int zeroPoint) {
    return rint(x / scale) + zeroPoint;
  }

  static boolean inRange(float level, float lo, float hi) {
    return level >= lo && level <= hi;
  }

  /** The code of x. */
  public static int quantize(float x, float scale, int zeroPoint, int qmin, int qmax) {
    return (int) clamp(level(x, scale, zeroPoint), qmin, qmax);
  }

  static float dequantize(int code, float scale, int zeroPoint) {
    return (code - zeroPoint) * scale;
  }

  static float sign(float gamma) {
    return gamma < 0 ? -1f : 1f;
  }

  static float movingAverage(float state, float batch, float momentum) {
    return state + momentum * (batch - state);
  }

  static float weightScale(float absmax, int qmax) {
    return Math.max(absmax / qmax, Float.MIN_NORMAL);
  }

  /** What a grid makes of a scale: the next power of two, if it has no others. */
  static float restricted(float scale, QuantSpec spec) {
    if (!spec.powerOfTwo() || !Float.isFinite(scale)) {
      return scale;
    }
    float power = Float.MIN_NORMAL;
    while (power < scale && power < Math.scalb(1f, 127)) {
      power *= 2;
    }
    return power;
  }

  /** Scale and zero-point of a range. */
  record QParams(float scale, int zeroPoint) {
    static QParams of(float min, float max, QuantSpec spec) {
      int qmin = spec.qmin();
      int qmax = spec.qmax();
      float lo = min < 0 ? min : 0f;
      float hi = max > 0 ? max : 0f;
      if (spec.symmetric()) {
        float s = lo == 0 && hi == 0 ? 1f : weightScale(Math.max(-lo, hi), qmax);
        return new QParams(restricted(s, spec), 0);
      }
      if (lo == hi) {
        return new QParams(1f, Math.max(qmin, Math.min(qmax, 0)));
      }
      float s = (hi - lo) / ((float) qmax - (float) qmin);
      s = restricted(s < Float.MIN_NORMAL ? Float.MIN_NORMAL : s, spec);
      return new QParams(s, (int) clamp(qmin - rint(lo / s), qmin, qmax));
    }
  }

  // ---- batch norm

  static float standardDeviation(double var, float epsilon) {
    return (float) Math.sqrt(var + (double) epsilon);
  }

  static float inverseStd(double var, float epsilon) {
    return (float) (1.0 / Math.sqrt(var + (double) epsilon));
  }

  /** rows * S2 - S1^2, exact, converted once. */
  static double centeredSquares(long rows, long sum, BigInteger sumSquares) {
    BigInteger s1 = BigInteger.valueOf(sum);
    return BigInteger.valueOf(rows).multiply(sumSquares).subtract(s1.multiply(s1)).doubleValue();
  }

  private static float roundUpToFloat(double v) {
    float f = (float) v;
    return (double) f < v ? Math.nextUp(f) : f;
  }

  /** The smallest normal out scale for which the bias stays within 2^30. */
  static float smallestOutScale(double bias) {
    float least = roundUpToFloat(Math.abs(bias) / BIAS_LIMIT);
    return least > Float.MIN_NORMAL ? least : Float.MIN_NORMAL;
  }

  /** The smallest normal weight scale that gives at least this out scale. */
  static float smallestWeightScale(float xScale, float outScale) {
    float s = outScale / xScale;
    s = s > Float.MIN_NORMAL ? s : Float.MIN_NORMAL;
    while (xScale * s < outScale) {
      s = Math.nextUp(s);
    }
    while (s > Float.MIN_NORMAL && xScale * Math.nextDown(s) >= outScale) {
      s = Math.nextDown(s);
    }
    return s;
  }

  static int quantizeBias(double bias, float outScale) {
    double q = Math.rint(bias / (double) outScale);
    return Double.isNaN(q) ? 0 : (int) Math.max(-BIAS_LIMIT, Math.min(BIAS_LIMIT, q));
  }
}
