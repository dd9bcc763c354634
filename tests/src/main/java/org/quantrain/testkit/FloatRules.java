package org.quantrain.testkit;

import static org.quantrain.testkit.Oracle.U;

import org.quantrain.op.Add;
import org.quantrain.op.ChannelSum;
import org.quantrain.op.Flatten;
import org.quantrain.op.Relu;
import org.quantrain.op.ReluBackward;
import org.quantrain.op.SoftmaxCrossEntropy;
import org.quantrain.op.Unflatten;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;
import org.quantrain.testkit.Expected.Bits;
import org.quantrain.testkit.Expected.Near;

/**
 * Elementwise float layers and the moves between layouts, exact; the channel sum and the loss,
 * near.
 */
final class FloatRules {
  private FloatRules() {}

  static void register() {
    Oracle.rule(Add.class, FloatRules::add);
    Oracle.rule(Relu.class, FloatRules::relu);
    Oracle.rule(ReluBackward.class, FloatRules::reluBackward);
    Oracle.rule(ChannelSum.class, FloatRules::channelSum);
    Oracle.rule(Flatten.class, (op, call) -> flatten(call));
    Oracle.rule(Unflatten.class, FloatRules::unflatten);
    Oracle.rule(SoftmaxCrossEntropy.class, FloatRules::crossEntropy);
  }

  private static Expected add(Add op, Oracle.Call call) {
    float[] y = call.floats(0);
    float[] b = call.floats(1);
    for (int i = 0; i < y.length; i++) {
      y[i] += b[i];
    }
    return Expected.bits(HostTensor.of(call.in(0).shape(), y));
  }

  private static Expected relu(Relu op, Oracle.Call call) {
    float[] y = call.floats(0);
    for (int i = 0; i < y.length; i++) {
      // NaN fails both comparisons and stays; -0 becomes +0.
      y[i] = y[i] <= 0 ? 0f : y[i] > op.upper() ? op.upper() : y[i];
    }
    return Expected.bits(HostTensor.of(call.in(0).shape(), y));
  }

  private static Expected reluBackward(ReluBackward op, Oracle.Call call) {
    float[] y = call.floats(0);
    float[] dx = call.floats(1);
    for (int i = 0; i < dx.length; i++) {
      dx[i] = y[i] > 0 && y[i] < op.upper() ? dx[i] : 0f;
    }
    return Expected.bits(HostTensor.of(call.in(1).shape(), dx));
  }

  private static Expected channelSum(ChannelSum op, Oracle.Call call) {
    float[] x = call.floats(0);
    int channels = call.in(0).shape().dim(1);
    int rows = x.length / channels;
    double[] sum = new double[channels];
    double[] bound = new double[channels];
    for (int i = 0; i < x.length; i++) {
      sum[i % channels] += x[i];
      bound[i % channels] += rows * U * Math.abs(x[i]);
    }
    return Expected.of(new Near(sum, bound));
  }

  private static Expected flatten(Oracle.Call call) {
    HostTensor x = call.in(0);
    Shape s = x.shape();
    int bytes = (int) (x.spec().bytes() / s.elements());
    int[] index = Tensors.memoryIndex(s);
    byte[] from = x.bytes();
    byte[] to = new byte[from.length];
    for (int i = 0; i < index.length; i++) {
      System.arraycopy(from, index[i] * bytes, to, i * bytes, bytes);
    }
    Shape flat = Shape.of(s.dim(0), s.dim(1) * s.dim(2) * s.dim(3));
    return Expected.bits(HostTensor.ofBytes(new TensorSpec(x.spec().dtype(), flat), to));
  }

  private static Expected unflatten(Unflatten op, Oracle.Call call) {
    float[] dy = call.floats(0);
    int[] index = Tensors.memoryIndex(op.x());
    float[] dx = new float[dy.length];
    for (int i = 0; i < dx.length; i++) {
      dx[index[i]] = dy[i];
    }
    return Expected.bits(HostTensor.of(op.x(), dx));
  }

  /**
   * With t the largest |logit - max| of a row and C classes: each exp is off by an ulp of its own
   * and by u t for its rounded argument; their sum, and so the logarithm, by (C + 2) u + u t; the
   * rest of a row's loss is a handful of roundings of numbers of size t + log C, and C more of the
   * smoothing's sum.
   */
  private static Expected crossEntropy(SoftmaxCrossEntropy op, Oracle.Call call) {
    float[] logits = call.floats(0);
    int[] labels = call.ints(1);
    int classes = call.in(0).shape().dim(1);
    int counted = 0;
    for (int label : labels) {
      counted += label >= 0 ? 1 : 0;
    }
    double total = 0;
    double bound = 0;
    int correct = 0;
    double[] gradient = new double[logits.length];
    double[] gradientBound = new double[logits.length];
    for (int r = 0; r < labels.length; r++) {
      if (labels[r] < 0) {
        continue;
      }
      int at = r * classes;
      float max = Float.NEGATIVE_INFINITY;
      int first = -1;
      boolean finite = true;
      for (int j = 0; j < classes; j++) {
        finite &= Float.isFinite(logits[at + j]);
        if (logits[at + j] > max) {
          max = logits[at + j];
          first = j;
        }
      }
      double sum = 0;
      double shifted = 0;
      double t = 0;
      for (int j = 0; j < classes; j++) {
        double d = (double) logits[at + j] - max;
        sum += Math.exp(d);
        shifted += d;
        t = Math.max(t, Double.isFinite(d) ? Math.abs(d) : 0);
      }
      double s = op.smoothing();
      double loss =
          Math.log(sum)
              - ((1 - s) * ((double) logits[at + labels[r]] - max) + s / classes * shifted);
      total += finite ? loss : Double.NaN;
      bound += U * (classes + 8 + 8 * t + 4 * Math.log(sum) + s * classes * t);
      correct += finite && first == labels[r] ? 1 : 0;
      for (int j = 0; j < classes; j++) {
        double p = Math.exp((double) logits[at + j] - max) / sum;
        double target = s / classes + (j == labels[r] ? 1 - s : 0);
        gradient[at + j] = (p - target) / counted;
        gradientBound[at + j] =
            U * (p * (classes + 8 + 2 * t) + 6 * (p + target)) / counted + Float.MIN_NORMAL;
      }
    }
    double loss = counted > 0 ? total / counted : 0;
    double lossBound = counted > 0 ? (bound + (counted + 1) * U * Math.abs(total)) / counted : 0;
    return Expected.of(
        new Near(new double[] {loss}, new double[] {lossBound}),
        new Bits(Tensors.vector(correct)),
        new Near(gradient, gradientBound));
  }
}
