package org.quantrain.testkit;

import static org.quantrain.testkit.Oracle.TINY;
import static org.quantrain.testkit.Oracle.U;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.BinaryOperator;
import org.quantrain.op.Conv2d;
import org.quantrain.op.Conv2dBackwardData;
import org.quantrain.op.Conv2dBackwardWeights;
import org.quantrain.op.ConvCodes;
import org.quantrain.op.ConvRequantize;
import org.quantrain.op.Linear;
import org.quantrain.op.LinearBackwardData;
import org.quantrain.op.LinearBackwardWeights;
import org.quantrain.op.LinearCodes;
import org.quantrain.op.MatMul;
import org.quantrain.op.MatMulCodes;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;
import org.quantrain.testkit.Expected.Near;

/**
 * Convolutions and matrix products: in float near, on codes exact. Both are evaluated in double
 * over logical order; integer sums stay below 2^53, so that is exact too.
 */
final class ProductRules {
  private ProductRules() {}

  static void register() {
    Oracle.rule(Conv2d.class, ProductRules::conv);
    Oracle.rule(Conv2dBackwardData.class, ProductRules::convBackwardData);
    Oracle.rule(Conv2dBackwardWeights.class, ProductRules::convBackwardWeights);
    Oracle.rule(ConvCodes.class, ProductRules::convCodes);
    Oracle.rule(ConvRequantize.class, ProductRules::convRequantize);
    Oracle.rule(Linear.class, ProductRules::linear);
    Oracle.rule(LinearBackwardData.class, ProductRules::linearBackwardData);
    Oracle.rule(LinearBackwardWeights.class, ProductRules::linearBackwardWeights);
    Oracle.rule(LinearCodes.class, ProductRules::linearCodes);
    Oracle.rule(MatMulCodes.class, ProductRules::matMulCodes);
  }

  private static double[] magnitudes(double[] values) {
    double[] out = new double[values.length];
    for (int i = 0; i < out.length; i++) {
      out[i] = Math.abs(values[i]);
    }
    return out;
  }

  /**
   * A bilinear operation: its value, and (terms + 1) u times its value on magnitudes as the bound.
   */
  private static Near near(
      Shape ys,
      double[] a,
      double[] b,
      double[] bias,
      long terms,
      BinaryOperator<double[]> product) {
    double[] y = product.apply(a, b);
    double[] magnitude = product.apply(magnitudes(a), magnitudes(b));
    if (bias != null) {
      RealProducts.addBias(ys, y, bias);
      RealProducts.addBias(ys, magnitude, magnitudes(bias));
    }
    for (int i = 0; i < magnitude.length; i++) {
      magnitude[i] = (terms + 2) * U * magnitude[i] + terms * TINY;
    }
    return new Near(Tensors.toMemory(ys, y), Tensors.toMemory(ys, magnitude));
  }

  private static double[] bias(Oracle.Call call) {
    return call.has(2) ? Tensors.logical(call.in(2)) : null;
  }

  private static Expected conv(Conv2d op, Oracle.Call call) {
    Shape xs = call.in(0).shape();
    Shape ws = call.in(1).shape();
    return Expected.of(
        near(
            op.geometry().output(xs, ws),
            Tensors.logical(call.in(0)),
            Tensors.logical(call.in(1)),
            bias(call),
            ws.elementsPerSample(),
            (x, w) -> RealProducts.conv(op.geometry(), xs, x, ws, w)));
  }

  private static Expected convBackwardData(Conv2dBackwardData op, Oracle.Call call) {
    Shape ws = call.in(1).shape();
    long terms = ws.elements() / ws.dim(1);
    return Expected.of(
        near(
            op.x(),
            Tensors.logical(call.in(0)),
            Tensors.logical(call.in(1)),
            null,
            terms,
            (dy, w) -> RealProducts.convBackwardData(op.geometry(), op.x(), ws, w, dy)));
  }

  private static Expected convBackwardWeights(Conv2dBackwardWeights op, Oracle.Call call) {
    Shape xs = call.in(0).shape();
    Shape ys = call.in(1).shape();
    long terms = ys.elements() / ys.dim(1);
    return Expected.of(
        near(
            op.w(),
            call.has(2) ? values(call) : Tensors.logical(call.in(0)),
            Tensors.logical(call.in(1)),
            null,
            terms,
            (x, dy) -> RealProducts.convBackwardWeights(op.geometry(), xs, x, op.w(), dy)));
  }

  /** What the codes of input 0 stand for in float, their scale and zero-point behind dy. */
  private static double[] values(Oracle.Call call) {
    double[] values = centered(call.in(0), call.integer(3));
    float scale = call.in(2).floats()[0];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) values[i] * scale;
    }
    return values;
  }

  private static Expected linear(Linear op, Oracle.Call call) {
    Shape xs = call.in(0).shape();
    Shape ws = call.in(1).shape();
    return Expected.of(
        near(
            Shape.of(xs.dim(0), ws.dim(0)),
            Tensors.logical(call.in(0)),
            Tensors.logical(call.in(1)),
            bias(call),
            xs.dim(1),
            (x, w) -> RealProducts.linear(xs, x, ws, w)));
  }

  private static Expected linearBackwardData(LinearBackwardData op, Oracle.Call call) {
    int rows = call.in(0).shape().dim(0);
    int out = call.in(0).shape().dim(1);
    int in = call.in(1).shape().dim(1);
    return Expected.of(
        near(
            Shape.of(rows, in),
            Tensors.logical(call.in(0)),
            Tensors.logical(call.in(1)),
            null,
            out,
            (dy, w) -> RealProducts.product(rows, in, out, dy, false, w, false)));
  }

  private static Expected linearBackwardWeights(LinearBackwardWeights op, Oracle.Call call) {
    int rows = call.in(0).shape().dim(0);
    int in = call.in(0).shape().dim(1);
    int out = call.in(1).shape().dim(1);
    return Expected.of(
        near(
            Shape.of(out, in),
            Tensors.logical(call.in(0)),
            Tensors.logical(call.in(1)),
            null,
            rows,
            (x, dy) -> RealProducts.product(out, in, rows, dy, true, x, false)));
  }

  /** q - z in logical order. */
  private static double[] centered(HostTensor codes, int zeroPoint) {
    int[] q = codes.codes();
    double[] values = new double[q.length];
    for (int i = 0; i < q.length; i++) {
      values[i] = q[i] - zeroPoint;
    }
    return Tensors.toLogical(codes.shape(), values);
  }

  private static Expected integers(Shape shape, double[] logical) {
    double[] memory = Tensors.toMemory(shape, logical);
    HostTensor y = HostTensor.zeros(new TensorSpec(DType.S32, shape));
    for (int i = 0; i < memory.length; i++) {
      y.buffer().putInt(4 * i, (int) memory[i]);
    }
    return Expected.bits(y);
  }

  private static Expected convCodes(ConvCodes op, Oracle.Call call) {
    Shape xs = call.in(0).shape();
    Shape ws = call.in(3).shape();
    double[] x = centered(call.in(0), call.integer(2));
    double[] y = RealProducts.conv(op.geometry(), xs, x, ws, centered(call.in(3), 0));
    return integers(op.geometry().output(xs, ws), y);
  }

  private static Expected convRequantize(ConvRequantize op, Oracle.Call call) {
    int conv = ConvRequantize.CONV_INPUTS;
    List<HostTensor> in = new ArrayList<>(call.inputs());
    in.set(conv - 1, only(convCodes(op.conv(), call)));
    Oracle.Call requantize =
        new Oracle.Call(in.subList(conv - 1, in.size()), List.of(), call.observerMomentum());
    return Expected.bits(only(Oracle.expect(op.requantize(), requantize)));
  }

  private static HostTensor only(Expected exact) {
    return ((Expected.Bits) exact.outputs().get(0)).tensor();
  }

  private static Expected linearCodes(LinearCodes op, Oracle.Call call) {
    Shape xs = call.in(0).shape();
    Shape ws = call.in(3).shape();
    double[] x = centered(call.in(0), call.integer(2));
    return integers(
        Shape.of(xs.dim(0), ws.dim(0)), RealProducts.linear(xs, x, ws, centered(call.in(3), 0)));
  }

  /** Row-major: the order in memory is the logical one. */
  private static Expected matMulCodes(MatMulCodes op, Oracle.Call call) {
    TensorSpec y = MovementRules.out(op, call);
    double[] product =
        RowRules.matMul(
            new MatMul(false, false),
            call.in(0).shape(),
            less(call.in(0), call.integer(2)),
            call.in(3).shape(),
            less(call.in(3), call.integer(5)),
            y.shape());
    HostTensor acc = HostTensor.zeros(y);
    for (int i = 0; i < product.length; i++) {
      acc.buffer().putInt(4 * i, (int) product[i]);
    }
    return Expected.bits(acc);
  }

  private static double[] less(HostTensor codes, int zeroPoint) {
    return Arrays.stream(codes.codes()).mapToDouble(q -> q - zeroPoint).toArray();
  }
}
