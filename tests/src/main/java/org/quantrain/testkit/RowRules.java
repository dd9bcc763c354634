package org.quantrain.testkit;

import static org.quantrain.testkit.Oracle.TINY;
import static org.quantrain.testkit.Oracle.U;

import java.util.Arrays;
import org.quantrain.op.ConvTranspose2d;
import org.quantrain.op.LayerNorm;
import org.quantrain.op.LayerNormBackward;
import org.quantrain.op.MatMul;
import org.quantrain.op.Reduce;
import org.quantrain.op.Softmax;
import org.quantrain.op.SoftmaxBackward;
import org.quantrain.op.SumTo;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;
import org.quantrain.testkit.Expected.Bits;
import org.quantrain.testkit.Expected.Near;

/** Reductions, softmax, layer norm, batched products and transposed convolution. */
final class RowRules {
  private RowRules() {}

  static void register() {
    Oracle.rule(Reduce.class, RowRules::reduce);
    Oracle.rule(SumTo.class, RowRules::sumTo);
    Oracle.rule(Softmax.class, RowRules::softmax);
    Oracle.rule(SoftmaxBackward.class, RowRules::softmaxBackward);
    Oracle.rule(LayerNorm.class, (op, call) -> layerNorm(op, call));
    Oracle.rule(LayerNormBackward.class, (op, call) -> layerNormBackward(call));
    Oracle.rule(MatMul.class, RowRules::matMul);
    Oracle.rule(ConvTranspose2d.class, RowRules::convTranspose);
  }

  private static Near near(TensorSpec spec, double[] logical, double[] bound) {
    return new Near(Tensors.toMemory(spec, logical), Tensors.toMemory(spec, bound));
  }

  // ---- reductions

  /** The element of the reduced tensor, its dimensions kept as 1, that element i of x goes to. */
  static int reducedTo(Reduce op, Shape x, int i) {
    int[] at = Indexing.at(x, i);
    int to = 0;
    for (int d = 0; d < at.length; d++) {
      if (!op.axes().contains(d)) {
        to = to * x.dim(d) + at[d];
      }
    }
    return to;
  }

  /** A sum in double is rounded once for each group of dimensions that lie apart. */
  private static Expected reduce(Reduce op, Oracle.Call call) {
    TensorSpec spec = MovementRules.out(op, call);
    Shape x = call.in(0).shape();
    double[] values = Tensors.logical(call.in(0));
    double[] y = new double[Math.toIntExact(spec.shape().elements())];
    double[] magnitude = new double[y.length];
    boolean sums = op.function() == Reduce.Kind.SUM || op.function() == Reduce.Kind.MEAN;
    Arrays.fill(
        y,
        sums ? 0 : op.function() == Reduce.Kind.MAX ? -Double.MAX_VALUE * 2 : Double.MAX_VALUE * 2);
    for (int i = 0; i < values.length; i++) {
      int to = reducedTo(op, x, i);
      magnitude[to] += Math.abs(values[i]);
      y[to] =
          sums
              ? y[to] + values[i]
              : op.function() == Reduce.Kind.MAX
                  ? Math.max(y[to], values[i])
                  : Math.min(y[to], values[i]);
    }
    double share = op.function() == Reduce.Kind.MEAN ? (double) y.length / values.length : 1;
    for (int i = 0; i < y.length; i++) {
      // The zero of an extreme is +0.
      y[i] = y[i] * share + 0.0;
      magnitude[i] = 4 * U * magnitude[i] * share + 4 * TINY;
    }
    return sums ? Expected.of(near(spec, y, magnitude)) : Expected.bits(Tensors.of(spec, y));
  }

  private static Expected sumTo(SumTo op, Oracle.Call call) {
    Shape x = call.in(0).shape();
    double[] values = Tensors.logical(call.in(0));
    double[] y = new double[Math.toIntExact(op.to().shape().elements())];
    double[] bound = new double[y.length];
    for (int i = 0; i < values.length; i++) {
      int to = Indexing.broadcast(x, i, op.to().shape());
      y[to] += values[i];
      bound[to] += 4 * U * Math.abs(values[i]) + TINY;
    }
    return Expected.of(near(op.to(), y, bound));
  }

  // ---- softmax

  /** Elements of one line along a dimension: first, distance and number. */
  private record Line(int first, int step, int n) {
    static Line of(Shape shape, int axis, int line) {
      int inner = 1;
      for (int d = axis + 1; d < shape.rank(); d++) {
        inner *= shape.dim(d);
      }
      int n = shape.dim(axis);
      return new Line(line / inner * n * inner + line % inner, inner, n);
    }

    int at(int j) {
      return first + j * step;
    }
  }

  static double[] softmax(Shape shape, int axis, double[] x) {
    double[] y = new double[x.length];
    for (int l = 0; l < x.length / shape.dim(axis); l++) {
      Line line = Line.of(shape, axis, l);
      double max = Double.NEGATIVE_INFINITY;
      for (int j = 0; j < line.n; j++) {
        max = Math.max(max, x[line.at(j)]);
      }
      double sum = 0;
      for (int j = 0; j < line.n; j++) {
        sum += Math.exp(x[line.at(j)] - max);
      }
      for (int j = 0; j < line.n; j++) {
        y[line.at(j)] = Math.exp(x[line.at(j)] - max) / sum;
      }
    }
    return y;
  }

  /** exp is off by an ulp, and by u |x - max| for its rounded argument; so is the sum. */
  private static Expected softmax(Softmax op, Oracle.Call call) {
    TensorSpec spec = call.in(0).spec();
    double[] x = Tensors.logical(call.in(0));
    double[] y = softmax(spec.shape(), op.axis(), x);
    double[] bound = new double[y.length];
    double reach = 0;
    for (double v : x) {
      reach = Double.isFinite(v) ? Math.max(reach, 2 * Math.abs(v)) : reach;
    }
    for (int i = 0; i < y.length; i++) {
      bound[i] = y[i] * U * (8 + 2 * reach) + 2 * TINY;
    }
    return Expected.of(near(spec, y, bound));
  }

  private static Expected softmaxBackward(SoftmaxBackward op, Oracle.Call call) {
    TensorSpec spec = call.in(0).spec();
    double[] y = Tensors.logical(call.in(0));
    double[] dy = Tensors.logical(call.in(1));
    double[] dx = new double[y.length];
    double[] bound = new double[y.length];
    for (int l = 0; l < y.length / spec.shape().dim(op.axis()); l++) {
      Line line = Line.of(spec.shape(), op.axis(), l);
      double dot = 0;
      double magnitude = 0;
      for (int j = 0; j < line.n; j++) {
        dot += y[line.at(j)] * dy[line.at(j)];
        magnitude += Math.abs(y[line.at(j)] * dy[line.at(j)]);
      }
      for (int j = 0; j < line.n; j++) {
        int i = line.at(j);
        dx[i] = y[i] * (dy[i] - dot);
        bound[i] = Math.abs(y[i]) * 4 * U * (magnitude + Math.abs(dy[i])) + TINY;
      }
    }
    return Expected.of(near(spec, dx, bound));
  }

  // ---- layer norm

  private static Expected layerNorm(LayerNorm op, Oracle.Call call) {
    float[] x = call.floats(0);
    float[] gamma = call.floats(1);
    float[] beta = call.floats(2);
    float[] actualMean = call.actualFloats(1);
    float[] actualRstd = call.actualFloats(2);
    int n = gamma.length;
    int rows = x.length / n;
    double[] mean = new double[rows];
    double[] rstd = new double[rows];
    double[] meanBound = new double[rows];
    double[] rstdBound = new double[rows];
    float[] y = new float[x.length];
    for (int r = 0; r < rows; r++) {
      for (int j = 0; j < n; j++) {
        mean[r] += x[r * n + j] / (double) n;
      }
      double var = 0;
      for (int j = 0; j < n; j++) {
        double d = x[r * n + j] - mean[r];
        var += d * d / n;
      }
      rstd[r] = 1 / Math.sqrt(var + op.epsilon());
      meanBound[r] = 2 * U * Math.abs(mean[r]) + TINY;
      rstdBound[r] = 3 * U * rstd[r];
      for (int j = 0; j < n; j++) {
        y[r * n + j] = (x[r * n + j] - actualMean[r]) * actualRstd[r] * gamma[j] + beta[j];
      }
    }
    return Expected.of(
        new Bits(Tensors.of(call.in(0).spec(), y)),
        new Near(mean, meanBound),
        new Near(rstd, rstdBound));
  }

  private static Expected layerNormBackward(Oracle.Call call) {
    float[] x = call.floats(0);
    float[] dy = call.floats(1);
    float[] mean = call.floats(2);
    float[] rstd = call.floats(3);
    float[] gamma = call.floats(4);
    int n = gamma.length;
    double[] dx = new double[x.length];
    double[] dxBound = new double[x.length];
    double[] dgamma = new double[n];
    double[] dgammaBound = new double[n];
    double[] dbeta = new double[n];
    double[] dbetaBound = new double[n];
    for (int r = 0; r < mean.length; r++) {
      double[] g = new double[n];
      double[] xHat = new double[n];
      double meanG = 0;
      double meanGXHat = 0;
      double sizeG = 0;
      double sizeGXHat = 0;
      for (int j = 0; j < n; j++) {
        int i = r * n + j;
        g[j] = (double) dy[i] * gamma[j];
        xHat[j] = ((double) x[i] - mean[r]) * rstd[r];
        meanG += g[j] / n;
        meanGXHat += g[j] * xHat[j] / n;
        sizeG += Math.abs(g[j]) / n;
        sizeGXHat += Math.abs(g[j] * xHat[j]) / n;
        dgamma[j] += dy[i] * xHat[j];
        dgammaBound[j] += 6 * U * Math.abs(dy[i] * xHat[j]) + TINY;
        dbeta[j] += dy[i];
        dbetaBound[j] += 2 * U * Math.abs(dy[i]);
      }
      for (int j = 0; j < n; j++) {
        dx[r * n + j] = rstd[r] * (g[j] - meanG - xHat[j] * meanGXHat);
        dxBound[r * n + j] =
            8 * U * rstd[r] * (Math.abs(g[j]) + sizeG + Math.abs(xHat[j]) * sizeGXHat) + TINY;
      }
    }
    return Expected.of(
        new Near(dx, dxBound), new Near(dgamma, dgammaBound), new Near(dbeta, dbetaBound));
  }

  // ---- products

  static double[] matMul(MatMul op, Shape as, double[] a, Shape bs, double[] b, Shape ys) {
    int rank = ys.rank();
    int m = ys.dim(rank - 2);
    int n = ys.dim(rank - 1);
    int k = as.dim(as.rank() - (op.transA() ? 2 : 1));
    Shape front = front(ys);
    double[] y = new double[Math.toIntExact(ys.elements())];
    for (int i = 0; i < front.elements(); i++) {
      int fromA = Indexing.broadcast(front, i, front(as)) * m * k;
      int fromB = Indexing.broadcast(front, i, front(bs)) * k * n;
      double[] product =
          RealProducts.product(
              m,
              n,
              k,
              Arrays.copyOfRange(a, fromA, fromA + m * k),
              op.transA(),
              Arrays.copyOfRange(b, fromB, fromB + k * n),
              op.transB());
      System.arraycopy(product, 0, y, i * m * n, m * n);
    }
    return y;
  }

  private static Shape front(Shape x) {
    return Shape.of(Arrays.copyOf(x.dims(), x.rank() - 2));
  }

  private static Expected matMul(MatMul op, Oracle.Call call) {
    TensorSpec spec = MovementRules.out(op, call);
    Shape a = call.in(0).shape();
    Shape b = call.in(1).shape();
    double[] as = Tensors.logical(call.in(0));
    double[] bs = Tensors.logical(call.in(1));
    double[] y = matMul(op, a, as, b, bs, spec.shape());
    double[] bound = matMul(op, a, magnitudes(as), b, magnitudes(bs), spec.shape());
    long terms = a.dim(a.rank() - (op.transA() ? 2 : 1));
    for (int i = 0; i < bound.length; i++) {
      bound[i] = (terms + 2) * U * bound[i] + terms * TINY;
    }
    return Expected.of(near(spec, y, bound));
  }

  private static double[] magnitudes(double[] values) {
    double[] out = values.clone();
    for (int i = 0; i < out.length; i++) {
      out[i] = Math.abs(out[i]);
    }
    return out;
  }

  /** What a convolution to x does backwards, plus the bias. */
  static double[] convTranspose(
      ConvTranspose2d op, double[] x, Shape ws, double[] w, double[] bias, Shape ys) {
    double[] y = RealProducts.convBackwardData(op.geometry(), ys, ws, w, x);
    if (bias != null) {
      RealProducts.addBias(ys, y, bias);
    }
    return y;
  }

  private static Expected convTranspose(ConvTranspose2d op, Oracle.Call call) {
    TensorSpec spec = MovementRules.out(op, call);
    Shape ws = call.in(1).shape();
    double[] x = Tensors.logical(call.in(0));
    double[] w = Tensors.logical(call.in(1));
    double[] bias = call.has(2) ? Tensors.logical(call.in(2)) : null;
    double[] y = convTranspose(op, x, ws, w, bias, spec.shape());
    double[] bound =
        convTranspose(
            op,
            magnitudes(x),
            ws,
            magnitudes(w),
            bias == null ? null : magnitudes(bias),
            spec.shape());
    long terms = ws.elements() / ws.dim(1);
    for (int i = 0; i < bound.length; i++) {
      bound[i] = (terms + 2) * U * bound[i] + terms * TINY;
    }
    return Expected.of(near(spec, y, bound));
  }
}
