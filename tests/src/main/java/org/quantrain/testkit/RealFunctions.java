package org.quantrain.testkit;

import org.quantrain.op.Unary;

/** Functions of {@link Unary} and their derivatives over real numbers in double precision. */
final class RealFunctions {
  private static final double GELU_CUBIC = 0.044715;

  private RealFunctions() {}

  static double value(Unary.Kind kind, double alpha, double beta, double x) {
    return switch (kind) {
      case AFFINE -> alpha * x + beta;
      case ABS -> Math.abs(x);
      case EXP -> Math.exp(x);
      case LOG -> Math.log(x);
      case SQRT -> Math.sqrt(x);
      case RECIPROCAL -> 1 / x;
      case POW -> Math.pow(x, alpha);
      case SIGMOID -> sigmoid(x);
      case TANH -> Math.tanh(x);
      case ERF -> erf(x);
      case GELU -> x == Double.NEGATIVE_INFINITY ? -0.0 : x * normal(x);
      case GELU_TANH -> x == Double.NEGATIVE_INFINITY ? -0.0 : x * sigmoid(2 * geluArgument(x));
      case HARD_SIGMOID -> Math.min(Math.max(alpha * x + beta, 0), 1);
      case HARD_SWISH ->
          x == Double.NEGATIVE_INFINITY ? -0.0 : x * Math.min(Math.max(x / 6 + 0.5, 0), 1);
      case SILU -> x == Double.NEGATIVE_INFINITY ? -0.0 : x * sigmoid(x);
      case SOFTPLUS -> Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x)));
      case LEAKY_RELU -> x > 0 ? x : alpha * x;
      case ELU -> x > 0 ? x : alpha * Math.expm1(x);
      case CLIP -> Math.min(Math.max(x, alpha), beta);
    };
  }

  static double derivative(Unary.Kind kind, double alpha, double beta, double x) {
    return switch (kind) {
      case AFFINE -> alpha;
      case ABS -> Math.signum(x);
      case EXP -> Math.exp(x);
      case LOG -> 1 / x;
      case SQRT -> 0.5 / Math.sqrt(x);
      case RECIPROCAL -> -1 / (x * x);
      case POW -> alpha == 0 ? 0 : alpha * Math.pow(x, alpha - 1);
      case SIGMOID -> sigmoid(x) * sigmoid(-x);
      case TANH -> 4 * sigmoid(2 * x) * sigmoid(-2 * x);
      case ERF -> 2 / Math.sqrt(Math.PI) * Math.exp(-x * x);
      case GELU ->
          Math.abs(x) > 40
              ? (x > 0 ? 1 : 0)
              : normal(x) + x * Math.exp(-0.5 * x * x) / Math.sqrt(2 * Math.PI);
      case GELU_TANH -> {
        if (Math.abs(x) > 40) {
          yield x > 0 ? 1 : 0;
        }
        double u = 2 * geluArgument(x);
        double slope = 2 * Math.sqrt(2 / Math.PI) * (1 + 3 * GELU_CUBIC * x * x);
        yield sigmoid(u) + x * sigmoid(u) * sigmoid(-u) * slope;
      }
      case HARD_SIGMOID -> alpha * x + beta > 0 && alpha * x + beta < 1 ? alpha : 0;
      case HARD_SWISH -> x <= -3 ? 0 : x >= 3 ? 1 : x / 3 + 0.5;
      case SILU -> Math.abs(x) > 1000 ? (x > 0 ? 1 : 0) : sigmoid(x) * (1 + x * sigmoid(-x));
      case SOFTPLUS -> sigmoid(x);
      case LEAKY_RELU -> x > 0 ? 1 : alpha;
      case ELU -> x > 0 ? 1 : alpha * Math.exp(x);
      case CLIP -> x > alpha && x < beta ? 1 : 0;
    };
  }

  private static double sigmoid(double x) {
    double e = Math.exp(-Math.abs(x));
    return x > 0 ? 1 / (1 + e) : e / (1 + e);
  }

  private static double geluArgument(double x) {
    return Math.sqrt(2 / Math.PI) * (x + GELU_CUBIC * x * x * x);
  }

  /** The normal distribution. */
  private static double normal(double x) {
    double t = Math.abs(x) / Math.sqrt(2);
    double tail = t < 2 ? 1 - erf(t) : complement(t);
    return x > 0 ? 1 - tail / 2 : tail / 2;
  }

  /** The error function: its series near 0, a continued fraction far from it. */
  private static double erf(double x) {
    double t = Math.abs(x);
    if (Double.isNaN(x)) {
      return x;
    }
    if (t >= 2) {
      return Math.signum(x) * (1 - complement(t));
    }
    double term = x;
    double sum = x;
    for (int n = 1; n < 60; n++) {
      term *= -x * x / n;
      sum += term / (2 * n + 1);
    }
    return 2 / Math.sqrt(Math.PI) * sum;
  }

  /** 1 - erf(x) for x >= 2. */
  private static double complement(double x) {
    double fraction = x;
    for (int n = 120; n > 0; n--) {
      fraction = x + n / 2.0 / fraction;
    }
    return Math.exp(-x * x) / Math.sqrt(Math.PI) / fraction;
  }
}
