package org.quantrain.testkit;

import static org.quantrain.testkit.Oracle.TINY;
import static org.quantrain.testkit.Oracle.U;

import java.util.List;
import org.quantrain.op.Binary;
import org.quantrain.op.PRelu;
import org.quantrain.op.PReluBackward;
import org.quantrain.op.ToFloat;
import org.quantrain.op.Unary;
import org.quantrain.op.UnaryBackward;
import org.quantrain.op.Where;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.TensorSpec;
import org.quantrain.testkit.Expected.Bits;
import org.quantrain.testkit.Expected.Near;

/**
 * Functions of one, two and three operands. What float arithmetic says is exact; what is a
 * polynomial in the kernels is near the function in double.
 */
final class ElementwiseRules {
  private ElementwiseRules() {}

  static void register() {
    Oracle.rule(Unary.class, ElementwiseRules::unary);
    Oracle.rule(UnaryBackward.class, ElementwiseRules::unaryBackward);
    Oracle.rule(Binary.class, ElementwiseRules::binary);
    Oracle.rule(Where.class, (op, call) -> where(call));
    Oracle.rule(ToFloat.class, (op, call) -> toFloat(call));
    Oracle.rule(PRelu.class, (op, call) -> pRelu(call));
    Oracle.rule(PReluBackward.class, (op, call) -> pReluBackward(call));
  }

  private static boolean isArithmetic(Unary.Kind kind, float alpha) {
    return switch (kind) {
      case AFFINE, ABS, SQRT, RECIPROCAL, HARD_SIGMOID, HARD_SWISH, LEAKY_RELU, CLIP -> true;
      case POW -> alpha == 2;
      default -> false;
    };
  }

  private static float arithmetic(Unary.Kind kind, float alpha, float beta, float x) {
    return switch (kind) {
      case AFFINE -> alpha * x + beta;
      case ABS -> Math.abs(x);
      case SQRT -> (float) Math.sqrt(x);
      case RECIPROCAL -> 1 / x;
      case POW -> x * x;
      case HARD_SIGMOID -> clip(alpha * x + beta, 0, 1);
      case HARD_SWISH -> Math.max(x, -Float.MAX_VALUE) * clip(x * (1 / 6f) + 0.5f, 0, 1);
      case LEAKY_RELU -> x > 0 ? x : alpha * x;
      case CLIP -> clip(x, alpha, beta);
      default -> throw new IllegalArgumentException(kind + " is no plain arithmetic");
    };
  }

  private static float clip(float x, float low, float high) {
    float y = x < low ? low : x;
    return y > high ? high : y;
  }

  private static float derivative(Unary.Kind kind, float alpha, float beta, float x) {
    return switch (kind) {
      case AFFINE -> alpha;
      case ABS -> x > 0 ? 1 : x < 0 ? -1 : 0;
      case SQRT -> 0.5f / (float) Math.sqrt(x);
      case RECIPROCAL -> -((1 / x) * (1 / x));
      case POW -> 2 * x;
      case HARD_SIGMOID -> alpha * x + beta > 0 && alpha * x + beta < 1 ? alpha : 0;
      case HARD_SWISH -> x <= -3 ? 0 : x >= 3 ? 1 : x * (1 / 3f) + 0.5f;
      case LEAKY_RELU -> x > 0 ? 1 : alpha;
      case CLIP -> x > alpha && x < beta ? 1 : 0;
      default -> throw new IllegalArgumentException(kind + " is no plain arithmetic");
    };
  }

  /**
   * How far f(x) may be off: units in the last place, which are 2 u of it, as NUMERICS.md states
   * them; for GELU, whose factor cancels, u of x.
   */
  private static double bound(Unary.Kind kind, double x, double y) {
    double ulp = 2 * U * Math.abs(y);
    return 2 * TINY
        + switch (kind) {
          case EXP, LOG -> ulp;
          case POW -> 0.51 * ulp;
          case TANH, ERF -> 2 * ulp;
          case SIGMOID, SOFTPLUS, ELU -> 3 * ulp;
          case SILU -> 4 * ulp;
          case GELU -> 4 * U * Math.abs(x);
          case GELU_TANH -> 6 * U * Math.abs(x);
          default -> 0;
        };
  }

  /** How far f'(x) may be off; the terms of the derivatives of GELU and SiLU cancel. */
  private static double derivativeBound(Unary.Kind kind, double x, double d) {
    double ulp = 2 * U * Math.abs(d);
    return switch (kind) {
      // The rounded square in the exponent.
      case ERF -> d == 0 ? 0 : (3 + x * x) * ulp;
      case GELU, GELU_TANH, SILU -> 8 * U;
      case LOG, EXP -> ulp;
      case POW -> 1.5 * ulp;
      default -> 6 * ulp;
    };
  }

  /** Beyond the floats is infinite. */
  private static double asFloat(double y) {
    return Math.abs(y) > Float.MAX_VALUE ? Math.signum(y) * Double.POSITIVE_INFINITY : y;
  }

  private static Expected unary(Unary op, Oracle.Call call) {
    float[] x = call.floats(0);
    if (isArithmetic(op.function(), op.alpha())) {
      float[] y = new float[x.length];
      for (int i = 0; i < y.length; i++) {
        y[i] = arithmetic(op.function(), op.alpha(), op.beta(), x[i]);
      }
      return Expected.bits(Tensors.of(call.in(0).spec(), y));
    }
    double[] y = new double[x.length];
    double[] bound = new double[x.length];
    for (int i = 0; i < y.length; i++) {
      double value = RealFunctions.value(op.function(), op.alpha(), op.beta(), x[i]);
      y[i] = Float.isNaN(x[i]) ? Double.NaN : asFloat(value);
      bound[i] = bound(op.function(), x[i], y[i]);
    }
    return Expected.of(new Near(y, bound));
  }

  private static Expected unaryBackward(UnaryBackward op, Oracle.Call call) {
    float[] x = call.floats(0);
    float[] dy = call.floats(1);
    if (isArithmetic(op.function(), op.alpha()) || op.function() == Unary.Kind.LOG) {
      float[] dx = new float[x.length];
      for (int i = 0; i < dx.length; i++) {
        float d =
            op.function() == Unary.Kind.LOG
                ? 1 / x[i]
                : derivative(op.function(), op.alpha(), op.beta(), x[i]);
        dx[i] = Float.isNaN(x[i]) ? x[i] : dy[i] * d;
      }
      return Expected.bits(Tensors.of(call.in(0).spec(), dx));
    }
    double[] dx = new double[x.length];
    double[] bound = new double[x.length];
    for (int i = 0; i < dx.length; i++) {
      double d = asFloat(RealFunctions.derivative(op.function(), op.alpha(), op.beta(), x[i]));
      dx[i] = Float.isNaN(x[i]) ? Double.NaN : asFloat(dy[i] * d);
      double off = derivativeBound(op.function(), x[i], d) + 2 * TINY;
      bound[i] = Math.abs(dy[i]) * off + U * Math.abs(dx[i]) + TINY;
    }
    return Expected.of(new Near(dx, bound));
  }

  private static Expected binary(Binary op, Oracle.Call call) {
    TensorSpec spec = op.infer(List.of(call.in(0).spec(), call.in(1).spec())).get(0);
    double[] a = Tensors.logical(call.in(0));
    double[] b = Tensors.logical(call.in(1));
    double[] y = new double[Math.toIntExact(spec.shape().elements())];
    for (int i = 0; i < y.length; i++) {
      y[i] =
          apply(
              op.function(),
              (float) a[Indexing.broadcast(spec.shape(), i, call.in(0).shape())],
              (float) b[Indexing.broadcast(spec.shape(), i, call.in(1).shape())]);
    }
    return Expected.bits(Tensors.of(spec, y));
  }

  private static float apply(Binary.Kind kind, float a, float b) {
    boolean number = !Float.isNaN(a) && !Float.isNaN(b);
    return switch (kind) {
      case ADD -> a + b;
      case SUB -> a - b;
      case MUL -> a * b;
      case DIV -> a / b;
      case MIN -> !number ? Float.NaN : a < b ? a : b;
      case MAX -> !number ? Float.NaN : a > b ? a : b;
      case EQUAL -> a == b ? 1 : 0;
      case LESS -> a < b ? 1 : 0;
    };
  }

  private static Expected where(Oracle.Call call) {
    TensorSpec spec =
        new Where().infer(call.inputs().stream().map(HostTensor::spec).toList()).get(0);
    double[] condition = Tensors.logical(call.in(0));
    double[] a = Tensors.logical(call.in(1));
    double[] b = Tensors.logical(call.in(2));
    double[] y = new double[Math.toIntExact(spec.shape().elements())];
    for (int i = 0; i < y.length; i++) {
      boolean first = condition[Indexing.broadcast(spec.shape(), i, call.in(0).shape())] != 0;
      y[i] =
          first
              ? a[Indexing.broadcast(spec.shape(), i, call.in(1).shape())]
              : b[Indexing.broadcast(spec.shape(), i, call.in(2).shape())];
    }
    return Expected.bits(Tensors.of(spec, y));
  }

  private static Expected toFloat(Oracle.Call call) {
    int[] x = call.ints(0);
    float[] y = new float[x.length];
    for (int i = 0; i < y.length; i++) {
      y[i] = x[i];
    }
    return Expected.bits(Tensors.of(call.in(0).spec().as(DType.F32), y));
  }

  private static Expected pRelu(Oracle.Call call) {
    float[] y = call.floats(0);
    float[] slope = call.floats(1);
    for (int i = 0; i < y.length; i++) {
      y[i] = y[i] > 0 ? y[i] : slope[i % slope.length] * y[i];
    }
    return Expected.bits(Tensors.of(call.in(0).spec(), y));
  }

  private static Expected pReluBackward(Oracle.Call call) {
    float[] x = call.floats(0);
    float[] dx = call.floats(1);
    float[] slope = call.floats(2);
    double[] dslope = new double[slope.length];
    double[] bound = new double[slope.length];
    int rows = x.length / slope.length;
    for (int i = 0; i < x.length; i++) {
      int c = i % slope.length;
      double term = x[i] > 0 ? 0 : (double) dx[i] * x[i];
      dslope[c] += term;
      bound[c] += (rows + 2) * U * Math.abs(term) + TINY;
      dx[i] = x[i] > 0 ? dx[i] : slope[c] * dx[i];
    }
    return Expected.of(new Bits(Tensors.of(call.in(0).spec(), dx)), new Near(dslope, bound));
  }
}
