package org.quantrain.testkit;

import java.util.Arrays;
import java.util.function.IntUnaryOperator;
import org.quantrain.op.Binary;
import org.quantrain.op.ConvTranspose2d;
import org.quantrain.op.Expand;
import org.quantrain.op.Gather;
import org.quantrain.op.LayerNorm;
import org.quantrain.op.MatMul;
import org.quantrain.op.PRelu;
import org.quantrain.op.Pad;
import org.quantrain.op.Reduce;
import org.quantrain.op.Reshape;
import org.quantrain.op.Resize;
import org.quantrain.op.Slice;
import org.quantrain.op.Softmax;
import org.quantrain.op.SumTo;
import org.quantrain.op.Transpose;
import org.quantrain.op.Unary;
import org.quantrain.op.Where;
import org.quantrain.tensor.Shape;
import org.quantrain.testkit.Surrogate.Step;

/** What the operations of imported networks do to real numbers. */
final class TensorSurrogate {
  private TensorSurrogate() {}

  static void register() {
    Surrogate.rule(Unary.class, (op, s) -> one(unary(op, s)));
    Surrogate.rule(Binary.class, (op, s) -> one(binary(op, s)));
    Surrogate.rule(Where.class, (op, s) -> one(where(s)));
    Surrogate.rule(PRelu.class, (op, s) -> one(pRelu(s)));
    Surrogate.rule(
        Transpose.class,
        (op, s) ->
            moved(s, i -> MovementRules.permuted(op.perm(), s.inShape(0), s.out(0).shape(), i)));
    Surrogate.rule(Reshape.class, (op, s) -> one(s.real(0)));
    Surrogate.rule(
        Expand.class,
        (op, s) -> moved(s, i -> Indexing.broadcast(op.to().shape(), i, s.inShape(0))));
    Surrogate.rule(
        Slice.class, (op, s) -> moved(s, i -> MovementRules.source(op, s.inShape(0), i)));
    Surrogate.rule(
        Gather.class,
        (op, s) ->
            moved(s, i -> MovementRules.gathered(op.axis(), s.inShape(0), s.in(1).ints(), i)));
    Surrogate.rule(Pad.class, (op, s) -> one(pad(op, s)));
    Surrogate.rule(Resize.class, (op, s) -> one(resize(op, s)));
    Surrogate.rule(Reduce.class, (op, s) -> one(reduce(op, s)));
    Surrogate.rule(SumTo.class, (op, s) -> one(sumTo(op, s)));
    Surrogate.rule(
        Softmax.class, (op, s) -> one(RowRules.softmax(s.inShape(0), op.axis(), s.real(0))));
    Surrogate.rule(LayerNorm.class, (op, s) -> new double[][] {layerNorm(op, s), null, null});
    Surrogate.rule(
        MatMul.class,
        (op, s) ->
            one(
                RowRules.matMul(
                    op, s.inShape(0), s.real(0), s.inShape(1), s.real(1), s.out(0).shape())));
    Surrogate.rule(
        ConvTranspose2d.class,
        (op, s) ->
            one(
                RowRules.convTranspose(
                    op,
                    s.real(0),
                    s.inShape(1),
                    s.real(1),
                    s.has(2) ? s.real(2) : null,
                    s.out(0).shape())));
  }

  private static double[][] one(double[] y) {
    return new double[][] {y};
  }

  private static double[] result(Step s) {
    return new double[Math.toIntExact(s.out(0).shape().elements())];
  }

  /** Element i of the output is element from(i) of the first input. */
  private static double[][] moved(Step s, IntUnaryOperator from) {
    double[] y = result(s);
    for (int i = 0; i < y.length; i++) {
      y[i] = s.real(0)[from.applyAsInt(i)];
    }
    return one(y);
  }

  /** What input k is at element i of the output. */
  private static double at(Step s, int k, int i) {
    return s.real(k)[Indexing.broadcast(s.out(0).shape(), i, s.inShape(k))];
  }

  private static double[] unary(Unary op, Step s) {
    double[] y = result(s);
    for (int i = 0; i < y.length; i++) {
      y[i] = RealFunctions.value(op.function(), op.alpha(), op.beta(), s.real(0)[i]);
    }
    return y;
  }

  private static double[] binary(Binary op, Step s) {
    double[] y = result(s);
    for (int i = 0; i < y.length; i++) {
      double a = at(s, 0, i);
      double b = at(s, 1, i);
      y[i] =
          switch (op.function()) {
            case ADD -> a + b;
            case SUB -> a - b;
            case MUL -> a * b;
            case DIV -> a / b;
            case MIN -> Math.min(a, b);
            case MAX -> Math.max(a, b);
            case EQUAL -> a == b ? 1 : 0;
            case LESS -> a < b ? 1 : 0;
          };
    }
    return y;
  }

  private static double[] where(Step s) {
    double[] y = result(s);
    for (int i = 0; i < y.length; i++) {
      y[i] = at(s, 0, i) != 0 ? at(s, 1, i) : at(s, 2, i);
    }
    return y;
  }

  private static double[] pRelu(Step s) {
    Shape shape = s.inShape(0);
    double[] y = s.real(0).clone();
    for (int i = 0; i < y.length; i++) {
      int channel = Indexing.at(shape, i)[1];
      y[i] = y[i] > 0 ? y[i] : s.real(1)[channel] * y[i];
    }
    return y;
  }

  private static double[] pad(Pad op, Step s) {
    double[] y = result(s);
    Arrays.fill(y, op.value());
    for (int i = 0; i < s.real(0).length; i++) {
      y[MovementRules.padded(op, s.inShape(0), s.out(0).shape(), i)] = s.real(0)[i];
    }
    return y;
  }

  private static double[] resize(Resize op, Step s) {
    double[] y = result(s);
    MovementRules.scale(op, s.inShape(0), (o, i, weight) -> y[o] += weight * s.real(0)[i]);
    return y;
  }

  private static double[] reduce(Reduce op, Step s) {
    double[] x = s.real(0);
    double[] y = result(s);
    boolean sums = op.function() == Reduce.Kind.SUM || op.function() == Reduce.Kind.MEAN;
    double sign = op.function() == Reduce.Kind.MAX ? 1 : -1;
    Arrays.fill(y, sums ? 0 : -sign * Double.MAX_VALUE);
    for (int i = 0; i < x.length; i++) {
      int to = RowRules.reducedTo(op, s.inShape(0), i);
      double share = op.function() == Reduce.Kind.MEAN ? (double) y.length / x.length : 1;
      y[to] = sums ? y[to] + share * x[i] : sign * Math.max(sign * y[to], sign * x[i]);
    }
    return y;
  }

  private static double[] sumTo(SumTo op, Step s) {
    double[] y = result(s);
    for (int i = 0; i < s.real(0).length; i++) {
      y[Indexing.broadcast(s.inShape(0), i, op.to().shape())] += s.real(0)[i];
    }
    return y;
  }

  private static double[] layerNorm(LayerNorm op, Step s) {
    double[] x = s.real(0);
    int n = s.real(1).length;
    double[] y = new double[x.length];
    for (int row = 0; row < x.length; row += n) {
      double mean = 0;
      double var = 0;
      for (int j = 0; j < n; j++) {
        mean += x[row + j] / n;
      }
      for (int j = 0; j < n; j++) {
        var += (x[row + j] - mean) * (x[row + j] - mean) / n;
      }
      for (int j = 0; j < n; j++) {
        double xHat = (x[row + j] - mean) / Math.sqrt(var + op.epsilon());
        y[row + j] = xHat * s.real(1)[j] + s.real(2)[j];
      }
    }
    return y;
  }
}
