package org.quantrain.testkit;

import static org.quantrain.testkit.Surrogate.realOfAcc;
import static org.quantrain.testkit.Surrogate.realOfCodes;

import org.quantrain.op.Add;
import org.quantrain.op.AddCodes;
import org.quantrain.op.AveragePool;
import org.quantrain.op.AveragePoolCodes;
import org.quantrain.op.AveragePoolOnGrid;
import org.quantrain.op.BatchNorm;
import org.quantrain.op.BatchNormAbsorb;
import org.quantrain.op.BatchNormStats;
import org.quantrain.op.Conv2d;
import org.quantrain.op.ConvBnCorrect;
import org.quantrain.op.ConvBnFold;
import org.quantrain.op.ConvCodes;
import org.quantrain.op.Dequantize;
import org.quantrain.op.DequantizeAcc;
import org.quantrain.op.Flatten;
import org.quantrain.op.FoldWeight;
import org.quantrain.op.GlobalAveragePool;
import org.quantrain.op.GlobalPoolSum;
import org.quantrain.op.Linear;
import org.quantrain.op.LinearCodes;
import org.quantrain.op.MatMul;
import org.quantrain.op.MatMulCodes;
import org.quantrain.op.MaxPool;
import org.quantrain.op.PoolWindow;
import org.quantrain.op.Quantize;
import org.quantrain.op.QuantizeWeight;
import org.quantrain.op.Relu;
import org.quantrain.op.Requantize;
import org.quantrain.op.RequantizeCodes;
import org.quantrain.op.RequantizeFixed;
import org.quantrain.op.SoftmaxCrossEntropy;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.Shape;
import org.quantrain.testkit.Surrogate.Step;

/**
 * What each operation with a gradient does to real numbers. An operation without a rule yields
 * none.
 */
final class SurrogateRules {
  private SurrogateRules() {}

  static void register() {
    Surrogate.rule(Conv2d.class, (op, s) -> one(conv(op, s)));
    Surrogate.rule(Linear.class, (op, s) -> one(linear(s)));
    Surrogate.rule(Add.class, (op, s) -> one(plus(s.real(0), s.real(1))));
    Surrogate.rule(Relu.class, (op, s) -> one(relu(op, s)));
    Surrogate.rule(BatchNorm.class, (op, s) -> one(batchNorm(op, s)));
    Surrogate.rule(MaxPool.class, (op, s) -> one(maxPool(op.window(), s)));
    Surrogate.rule(
        AveragePool.class,
        (op, s) ->
            one(RealProducts.averagePool(op.window(), op.countPadding(), s.inShape(0), s.real(0))));
    Surrogate.rule(GlobalAveragePool.class, (op, s) -> one(globalMean(s)));
    Surrogate.rule(Flatten.class, (op, s) -> one(s.real(0)));
    Surrogate.rule(SoftmaxCrossEntropy.class, (op, s) -> one(crossEntropy(op, s)));

    Surrogate.rule(Quantize.class, (op, s) -> one(requantized(s, s.real(0), s.in(1), s.in(2))));
    Surrogate.rule(
        RequantizeCodes.class, (op, s) -> one(requantized(s, s.real(0), s.in(3), s.in(4))));
    Surrogate.rule(
        AddCodes.class,
        (op, s) -> one(requantized(s, plus(s.real(0), s.real(3)), s.in(6), s.in(7))));
    Surrogate.rule(
        AveragePoolCodes.class,
        (op, s) -> {
          Shape x = s.inShape(0);
          double[] mean = RealProducts.averagePool(op.window(), op.countPadding(), x, s.real(0));
          return one(requantized(s, mean, s.in(3), s.in(4)));
        });
    Surrogate.rule(
        AveragePoolOnGrid.class,
        // Its own rounding is left out: it knows no scale to express it in.
        (op, s) -> one(RealProducts.averagePool(op.window(), false, s.inShape(0), s.real(0))));
    Surrogate.rule(Dequantize.class, (op, s) -> one(s.real(0)));
    Surrogate.rule(QuantizeWeight.class, (op, s) -> one(quantizeWeight(s)));
    Surrogate.rule(
        ConvCodes.class,
        (op, s) ->
            one(
                RealProducts.conv(
                    op.geometry(), s.inShape(0), s.real(0), s.inShape(3), s.real(3))));
    Surrogate.rule(
        LinearCodes.class,
        (op, s) -> one(RealProducts.linear(s.inShape(0), s.real(0), s.inShape(3), s.real(3))));
    Surrogate.rule(
        MatMulCodes.class,
        (op, s) ->
            one(
                RowRules.matMul(
                    new MatMul(false, false),
                    s.inShape(0),
                    s.real(0),
                    s.inShape(3),
                    s.real(3),
                    s.out(0).shape())));
    Surrogate.rule(GlobalPoolSum.class, (op, s) -> one(globalMean(s)));
    Surrogate.rule(Requantize.class, (op, s) -> one(requantize(s, 1, 2)));
    Surrogate.rule(RequantizeFixed.class, (op, s) -> one(requantize(s, 2, 3)));
    Surrogate.rule(DequantizeAcc.class, (op, s) -> one(dequantizeAcc(s)));
    Surrogate.rule(BatchNormAbsorb.class, SurrogateRules::absorb);
    Surrogate.rule(FoldWeight.class, SurrogateRules::foldWeight);
    Surrogate.rule(ConvBnFold.class, (op, s) -> one(fold(op, s)));
    Surrogate.rule(BatchNormStats.class, SurrogateRules::stats);
    Surrogate.rule(ConvBnCorrect.class, SurrogateRules::correct);
  }

  private static double[][] one(double[] y) {
    return new double[][] {y};
  }

  private static double[] plus(double[] a, double[] b) {
    double[] y = a.clone();
    for (int i = 0; i < y.length; i++) {
      y[i] += b[i];
    }
    return y;
  }

  /** Dimension 1 of element i in logical order. */
  private static int channel(Shape shape, int i) {
    return (int) (i / (shape.elementsPerSample() / shape.dim(1)) % shape.dim(1));
  }

  // ---- float

  private static double[] conv(Conv2d op, Step s) {
    Shape x = s.inShape(0);
    Shape w = s.inShape(1);
    double[] y = RealProducts.conv(op.geometry(), x, s.real(0), w, s.real(1));
    if (s.has(2)) {
      RealProducts.addBias(op.geometry().output(x, w), y, s.real(2));
    }
    return y;
  }

  private static double[] linear(Step s) {
    Shape x = s.inShape(0);
    Shape w = s.inShape(1);
    double[] y = RealProducts.linear(x, s.real(0), w, s.real(1));
    if (s.has(2)) {
      RealProducts.addBias(Shape.of(x.dim(0), w.dim(0)), y, s.real(2));
    }
    return y;
  }

  private static double[] relu(Relu op, Step s) {
    double[] at = Tensors.logical(s.out(0));
    double[] y = s.real(0).clone();
    for (int i = 0; i < y.length; i++) {
      y[i] = at[i] > 0 && at[i] < op.upper() ? y[i] : at[i];
    }
    return y;
  }

  /** Mean and biased variance of each channel. */
  private record Moments(double[] mean, double[] var) {
    static Moments of(Shape shape, double[] x) {
      int channels = shape.dim(1);
      double rows = x.length / channels;
      double[] mean = new double[channels];
      double[] var = new double[channels];
      for (int i = 0; i < x.length; i++) {
        mean[channel(shape, i)] += x[i] / rows;
      }
      for (int i = 0; i < x.length; i++) {
        double d = x[i] - mean[channel(shape, i)];
        var[channel(shape, i)] += d * d / rows;
      }
      return new Moments(mean, var);
    }
  }

  private static double[] batchNorm(BatchNorm op, Step s) {
    Shape shape = s.inShape(0);
    double[] x = s.real(0);
    Moments m =
        op.mode() == BatchNorm.Mode.TRAIN
            ? Moments.of(shape, x)
            : new Moments(Tensors.logical(s.in(3)), Tensors.logical(s.in(4)));
    double[] y = new double[x.length];
    for (int i = 0; i < y.length; i++) {
      int c = channel(shape, i);
      y[i] =
          (x[i] - m.mean()[c]) / Math.sqrt(m.var()[c] + op.epsilon()) * s.real(1)[c] + s.real(2)[c];
    }
    return y;
  }

  private static double[] maxPool(PoolWindow window, Step s) {
    Shape x = s.inShape(0);
    HostTensor argmax = s.out(1);
    Shape y = argmax.shape();
    int[] cells = argmax.codes();
    int[] index = Tensors.memoryIndex(y);
    double[] out = new double[cells.length];
    for (int o = 0; o < out.length; o++) {
      int cell = cells[index[o]];
      int q = o % y.dim(3);
      int p = o / y.dim(3) % y.dim(2);
      int plane = o / y.dim(3) / y.dim(2);
      int h = p * window.strideH() - window.padTop() + cell / window.kernelW();
      int v = q * window.strideW() - window.padLeft() + cell % window.kernelW();
      out[o] = s.real(0)[(plane * x.dim(2) + h) * x.dim(3) + v];
    }
    return out;
  }

  private static double[] globalMean(Step s) {
    Shape x = s.inShape(0);
    int cells = x.dim(2) * x.dim(3);
    double[] y = new double[x.dim(0) * x.dim(1)];
    for (int i = 0; i < s.real(0).length; i++) {
      y[i / cells] += s.real(0)[i] / cells;
    }
    return y;
  }

  private static double[] crossEntropy(SoftmaxCrossEntropy op, Step s) {
    int[] labels = s.in(1).ints();
    int classes = s.inShape(0).dim(1);
    double[] x = s.real(0);
    double total = 0;
    int counted = 0;
    for (int r = 0; r < labels.length; r++) {
      if (labels[r] < 0) {
        continue;
      }
      counted++;
      double max = Double.NEGATIVE_INFINITY;
      for (int j = 0; j < classes; j++) {
        max = Math.max(max, x[r * classes + j]);
      }
      double sum = 0;
      for (int j = 0; j < classes; j++) {
        sum += Math.exp(x[r * classes + j] - max);
      }
      for (int j = 0; j < classes; j++) {
        double target =
            op.smoothing() / (double) classes + (j == labels[r] ? 1.0 - op.smoothing() : 0);
        total -= target * (x[r * classes + j] - max - Math.log(sum));
      }
    }
    return new double[] {total / counted};
  }

  // ---- codes

  /** Codes output 0 of a grid, mask output 1. */
  private static double[] requantized(
      Step s, double[] exact, HostTensor scale, HostTensor zeroPoint) {
    double[] actual = realOfCodes(s.out(0), scale.floats(), zeroPoint.ints()[0]);
    return s.rounded(exact, actual, s.mask(1));
  }

  private static double[] quantizeWeight(Step s) {
    Shape shape = s.inShape(0);
    double[] w = s.real(0).clone();
    if (s.has(1)) {
      float[] gamma = s.in(1).floats();
      int inner = w.length / shape.dim(0);
      for (int i = 0; i < w.length; i++) {
        w[i] *= Arithmetic.sign(gamma[i / inner]);
      }
    }
    return s.rounded(w, realOfCodes(s.out(0), s.out(1).floats(), 0), null);
  }

  /**
   * An accumulator's real value; the bias, where it stands for a real number of its own, comes on
   * top.
   */
  private static double[] withBias(Step s, int bias) {
    double[] y = s.real(0).clone();
    if (s.has(bias)) {
      RealProducts.addBias(s.inShape(0), y, s.real(bias));
    }
    return y;
  }

  /**
   * The scale of the codes is not among the inputs but among those of the multiplier; 1 where there
   * is no such node.
   */
  /**
   * @param yScale input of the node of the multipliers
   * @param zeroPoint input of the node; the bias comes after it
   */
  private static double[] requantize(Step s, int yScale, int zeroPoint) {
    float[] scale = s.producer(1).map(m -> s.at(m.input(yScale)).floats()).orElse(new float[] {1});
    double[] actual = realOfCodes(s.out(0), scale, s.integer(zeroPoint));
    return s.rounded(withBias(s, zeroPoint + 1), actual, s.mask(1));
  }

  private static double[] dequantizeAcc(Step s) {
    double[] exact = withBias(s, 2);
    return s.rounded(exact, Tensors.logical(s.out(0)), null);
  }

  // ---- batch norm on accumulators

  private static double[] floatsToDoubles(HostTensor t) {
    return Tensors.doubles(t.floats());
  }

  /**
   * Output 0 stands for the normalized value with its bias in it, so the bias adds nothing of its
   * own.
   */
  private static double[][] absorb(BatchNormAbsorb op, Step s) {
    Shape shape = s.inShape(0);
    double[] u = s.real(0);
    Moments m = Moments.of(shape, u);
    double[] y = new double[u.length];
    for (int i = 0; i < y.length; i++) {
      int c = channel(shape, i);
      double sign = Arithmetic.sign(s.in(3).floats()[c]);
      y[i] =
          sign * s.real(3)[c] * (u[i] - m.mean()[c]) / Math.sqrt(m.var()[c] + op.epsilon())
              + s.real(4)[c];
    }
    double[] actual =
        realOfAcc(s.in(0), floatsToDoubles(s.out(1)), s.out(2).ints(), s.out(3).ints());
    return new double[][] {s.rounded(y, actual, null), null, new double[shape.dim(1)]};
  }

  private static double[][] foldWeight(FoldWeight op, Step s) {
    Shape shape = s.inShape(0);
    int channels = shape.dim(0);
    double[] w = s.real(0);
    int inner = w.length / channels;
    double[] gain = new double[channels];
    double[] bias = new double[channels];
    for (int c = 0; c < channels; c++) {
      gain[c] = 1;
      bias[c] = op.hasBias() ? s.real(2)[c] : 0;
      if (op.hasBatchNorm()) {
        int g = FoldWeight.GAMMA;
        gain[c] = s.real(g)[c] / Math.sqrt((double) s.in(g + 3).floats()[c] + op.epsilon());
        bias[c] = s.real(g + 1)[c] - s.in(g + 2).floats()[c] * gain[c];
      }
    }
    double[] folded = new double[w.length];
    if (op.rule().isLearned()) {
      int first = op.learnedInput();
      double[] codes = unfolded(op.spec(), s, s.in(first).floats());
      double[] grid =
          LearnedSurrogate.grid(op.spec(), op.rule(), op.gradientScale(), s, 0, first, codes);
      for (int i = 0; i < w.length; i++) {
        folded[i] = gain[i / inner] * grid[i];
      }
      return new double[][] {folded, null, null, bias};
    }
    double[] error = op.spec().perChannel() ? unfoldedError(op.spec(), s) : new double[w.length];
    for (int i = 0; i < w.length; i++) {
      folded[i] = gain[i / inner] * (w[i] + error[i]);
    }
    // Per tensor, what is rounded is the folded weight; per channel the weight was rounded before.
    double[] codes =
        op.spec().perChannel()
            ? folded
            : s.rounded(folded, realOfCodes(s.out(0), s.out(1).floats(), 0), null);
    return new double[][] {codes, null, null, bias};
  }

  /** What the codes of w, before batch norm, miss of w: a constant of the base point. */
  private static double[] unfoldedError(QuantSpec spec, Step s) {
    float[] w = s.in(0).floats();
    int channels = s.inShape(0).dim(0);
    int inner = w.length / channels;
    float[] scale = new float[channels];
    for (int c = 0; c < channels; c++) {
      float absmax = QuantizeRules.absmax(w, c * inner, (c + 1) * inner);
      scale[c] = Arithmetic.weightScale(absmax, spec.qmax());
    }
    double[] error = unfolded(spec, s, scale);
    double[] exact = Tensors.logical(s.in(0));
    for (int i = 0; i < error.length; i++) {
      error[i] -= exact[i];
    }
    return error;
  }

  /** What the codes of w by these scales, before batch norm, stand for at the base point. */
  private static double[] unfolded(QuantSpec spec, Step s, float[] scale) {
    float[] w = s.in(0).floats();
    int inner = w.length / scale.length;
    double[] real = new double[w.length];
    for (int i = 0; i < w.length; i++) {
      float step = scale[i / inner];
      real[i] = (double) step * Arithmetic.quantize(w[i], step, 0, spec.qmin(), spec.qmax());
    }
    return Tensors.toLogical(s.inShape(0), real);
  }

  private static double[] fold(ConvBnFold op, Step s) {
    float[] var = s.out(1).floats();
    double[] w = s.real(0).clone();
    int inner = w.length / var.length;
    for (int i = 0; i < w.length; i++) {
      int c = i / inner;
      w[i] *= s.real(1)[c] / Math.sqrt((double) var[c] + op.epsilon());
    }
    return w;
  }

  /** Output 1 stands for sqrt(var + epsilon), whose gradient arrives there. */
  private static double[][] stats(BatchNormStats op, Step s) {
    Moments m = Moments.of(s.inShape(0), s.real(0));
    double[] sigma = m.var().clone();
    for (int c = 0; c < sigma.length; c++) {
      sigma[c] = Math.sqrt(sigma[c] + op.epsilon());
    }
    return new double[][] {m.mean(), sigma};
  }

  private static double[][] correct(ConvBnCorrect op, Step s) {
    Shape shape = s.inShape(0);
    double[] o = s.real(0);
    float[] running = s.in(3).floats();
    double[] y = new double[o.length];
    for (int i = 0; i < y.length; i++) {
      int c = channel(shape, i);
      double sigma = s.real(2)[c];
      y[i] =
          o[i] * Math.sqrt((double) running[c] + op.epsilon()) / sigma
              + s.real(5)[c]
              - s.real(4)[c] * s.real(1)[c] / sigma;
    }
    double[] actual = realOfAcc(s.in(0), floatsToDoubles(s.out(1)), s.out(2).ints(), null);
    return new double[][] {s.rounded(y, actual, null), null, new double[shape.dim(1)]};
  }
}
