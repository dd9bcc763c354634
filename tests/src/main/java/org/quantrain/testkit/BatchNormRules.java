package org.quantrain.testkit;

import static org.quantrain.testkit.Arithmetic.inverseStd;
import static org.quantrain.testkit.Arithmetic.movingAverage;
import static org.quantrain.testkit.Arithmetic.sign;
import static org.quantrain.testkit.Arithmetic.standardDeviation;
import static org.quantrain.testkit.Oracle.TINY;
import static org.quantrain.testkit.Oracle.U;

import java.util.Map;
import org.quantrain.op.BatchNorm;
import org.quantrain.op.BatchNormAbsorb;
import org.quantrain.op.BatchNormAbsorbBackward;
import org.quantrain.op.BatchNormBackward;
import org.quantrain.op.BatchNormStats;
import org.quantrain.op.BatchNormStatsBackward;
import org.quantrain.op.ChannelMoments;
import org.quantrain.op.Compute;
import org.quantrain.op.GradientPart;
import org.quantrain.op.MoveBatchNorm;
import org.quantrain.tensor.HostTensor;
import org.quantrain.testkit.Expected.Bits;
import org.quantrain.testkit.Expected.Near;

/**
 * Batch norm in float and absorbed into integer accumulators. Memory is [rows, channels].
 * Statistics of floats and the sums of gradients are near; what is elementwise on top of them, and
 * everything that comes from integer statistics, is exact.
 */
final class BatchNormRules {
  private BatchNormRules() {}

  static void register() {
    Oracle.rule(BatchNorm.class, BatchNormRules::batchNorm);
    Oracle.rule(BatchNormStats.class, BatchNormRules::stats);
    Oracle.rule(ChannelMoments.class, BatchNormRules::channelMoments);
    Oracle.rule(MoveBatchNorm.class, BatchNormRules::move);
    Oracle.rule(BatchNormStatsBackward.class, BatchNormRules::statsBackward);
    Oracle.rule(BatchNormBackward.class, BatchNormRules::backward);
    Oracle.rule(BatchNormAbsorb.class, BatchNormRules::absorb);
    Oracle.rule(BatchNormAbsorbBackward.class, BatchNormRules::absorbBackward);
  }

  private record Moments(Near mean, Near var) {}

  /**
   * Mean and biased variance. The variance is the mean of (x - m)^2 with the float mean m: an error
   * e of m moves every (x - m) by e, but their mean square only by e^2 + 2 e * u-sized terms, which
   * the square of the mean's bound and the terms' roundings (two for x - m squared, one each for
   * the square, the sum's, the division) cover.
   */
  private static Moments moments(float[] x, int channels) {
    int rows = x.length / channels;
    double[] mean = new double[channels];
    double[] meanBound = new double[channels];
    double[] var = new double[channels];
    double[] varBound = new double[channels];
    for (int c = 0; c < channels; c++) {
      double sum = 0;
      double magnitude = 0;
      for (int i = c; i < x.length; i += channels) {
        sum += x[i];
        magnitude += Math.abs(x[i]);
      }
      mean[c] = sum / rows;
      meanBound[c] = (rows + 2) * U * magnitude / rows + TINY;
      double squares = 0;
      double cross = 0;
      for (int i = c; i < x.length; i += channels) {
        squares += (x[i] - mean[c]) * (x[i] - mean[c]);
        cross += Math.abs(x[i] - mean[c]);
      }
      var[c] = squares / rows;
      varBound[c] =
          (rows + 5) * U * var[c]
              + meanBound[c] * meanBound[c]
              + 4 * U * meanBound[c] * cross / rows
              + TINY;
    }
    return new Moments(new Near(mean, meanBound), new Near(var, varBound));
  }

  /** Running statistics from the batch's as they were computed. */
  private static Map<Integer, Expected.Result> running(
      Oracle.Call call,
      int mean,
      int var,
      float[] batchMean,
      float[] batchVar,
      int rows,
      float momentum) {
    float[] runningMean = call.floats(mean);
    float[] runningVar = call.floats(var);
    for (int c = 0; c < batchMean.length; c++) {
      float n = rows;
      float unbiased = rows > 1 ? batchVar[c] * (n / (n - 1f)) : batchVar[c];
      runningMean[c] = movingAverage(runningMean[c], batchMean[c], momentum);
      runningVar[c] = movingAverage(runningVar[c], unbiased, momentum);
    }
    return Map.of(
        mean, new Bits(Tensors.vector(runningMean)), var, new Bits(Tensors.vector(runningVar)));
  }

  private static Expected batchNorm(BatchNorm op, Oracle.Call call) {
    float[] x = call.floats(0);
    float[] gamma = call.floats(1);
    float[] beta = call.floats(2);
    int channels = gamma.length;
    boolean train = op.mode() == BatchNorm.Mode.TRAIN;
    float[] mean = train ? call.actualFloats(1) : call.floats(3);
    float[] var = train ? call.actualFloats(2) : call.floats(4);
    float[] y = new float[x.length];
    for (int i = 0; i < x.length; i++) {
      int c = i % channels;
      y[i] = (x[i] - mean[c]) / standardDeviation(var[c], op.epsilon()) * gamma[c] + beta[c];
    }
    Bits normalized = new Bits(HostTensor.of(call.in(0).shape(), y));
    if (!train) {
      return Expected.of(normalized);
    }
    Moments m = moments(x, channels);
    return Expected.of(normalized, m.mean(), m.var())
        .updating(running(call, 3, 4, mean, var, x.length / channels, op.momentum()));
  }

  private static Expected stats(BatchNormStats op, Oracle.Call call) {
    float[] x = call.floats(0);
    int channels = call.floats(1).length;
    Moments m = moments(x, channels);
    return Expected.of(m.mean(), m.var())
        .updating(
            running(
                call,
                1,
                2,
                call.actualFloats(0),
                call.actualFloats(1),
                x.length / channels,
                op.momentum()));
  }

  private static Expected channelMoments(ChannelMoments op, Oracle.Call call) {
    Moments m = moments(call.floats(0), call.in(0).shape().dim(1));
    return Expected.of(m.mean(), m.var());
  }

  private static Expected move(MoveBatchNorm op, Oracle.Call call) {
    float[] mean = call.floats(1);
    int rows = call.floats(0).length / mean.length * op.processes();
    return Expected.of()
        .updating(running(call, 3, 4, mean, call.floats(2), rows, op.momentum()));
  }

  /** The parts of a gradient that a node computes. */
  private static Expected parts(GradientPart part, Bits dx, Near dgamma, Near dbeta) {
    return switch (part) {
      case ALL -> Expected.of(dx, dgamma, dbeta);
      case SUMS -> Expected.of(dgamma, dbeta);
      case FROM_SUMS -> Expected.of(dx);
    };
  }

  /**
   * The sums that the gradient follows from: as they were computed, or those given behind the
   * other inputs.
   *
   * @param sum 0 for dgamma, 1 for dbeta
   */
  private static float[] sums(GradientPart part, Oracle.Call call, int sum) {
    return switch (part) {
      case ALL -> call.actualFloats(1 + sum);
      case SUMS -> call.actualFloats(sum);
      case FROM_SUMS -> call.floats(call.inputs().size() - 2 + sum);
    };
  }

  private static Expected statsBackward(BatchNormStatsBackward op, Oracle.Call call) {
    float[] x = call.floats(0);
    float[] mean = call.floats(1);
    int channels = mean.length;
    float rows = x.length / channels;
    float[] dx = new float[x.length];
    for (int i = 0; i < x.length; i++) {
      int c = i % channels;
      float share = call.floats(4)[c] / (standardDeviation(call.floats(2)[c], op.epsilon()) * rows);
      dx[i] = call.floats(3)[c] / rows + (x[i] - mean[c]) * share;
    }
    return Expected.bits(HostTensor.of(call.in(0).shape(), dx));
  }

  private static Expected backward(BatchNormBackward op, Oracle.Call call) {
    float[] x = call.floats(0);
    float[] dy = call.floats(1);
    float[] mean = call.floats(2);
    float[] var = call.floats(3);
    float[] gamma = call.floats(4);
    int channels = gamma.length;
    int rows = x.length / channels;
    double[] dgamma = new double[channels];
    double[] dgammaBound = new double[channels];
    double[] dbeta = new double[channels];
    double[] dbetaBound = new double[channels];
    for (int i = 0; i < x.length; i++) {
      int c = i % channels;
      double xhat = ((double) x[i] - mean[c]) / Math.sqrt((double) var[c] + (double) op.epsilon());
      dbeta[c] += dy[i];
      dbetaBound[c] += (rows + 1) * U * Math.abs(dy[i]);
      dgamma[c] += dy[i] * xhat;
      // Rounded on the way: the difference, the deviation, the quotient, the product.
      dgammaBound[c] += (rows + 5) * U * Math.abs(dy[i] * xhat) + TINY;
    }
    float[] actualDgamma = sums(op.part(), call, 0);
    float[] actualDbeta = sums(op.part(), call, 1);
    float sumRows = rows * op.processes();
    float[] dx = new float[x.length];
    for (int i = 0; i < x.length; i++) {
      int c = i % channels;
      float inv = inverseStd(var[c], op.epsilon());
      if (op.mode() == BatchNorm.Mode.FROZEN) {
        dx[i] = dy[i] * gamma[c] * inv;
      } else {
        float xhat = (x[i] - mean[c]) / standardDeviation(var[c], op.epsilon());
        dx[i] =
            gamma[c]
                * inv
                * ((dy[i] - actualDbeta[c] / sumRows) - xhat * (actualDgamma[c] / sumRows));
      }
    }
    return parts(
        op.part(),
        new Bits(HostTensor.of(call.in(0).shape(), dx)),
        new Near(dgamma, dgammaBound),
        new Near(dbeta, dbetaBound));
  }

  private static Expected absorb(BatchNormAbsorb op, Oracle.Call call) {
    long[] sum = Tensors.longs(call.in(1));
    long[] words = Tensors.longs(call.in(2));
    float[] gamma = call.floats(3);
    float[] beta = call.floats(4);
    float sx = call.scalar(5);
    float[] sw = call.floats(6);
    float[] runningMean = call.floats(7);
    float[] runningVar = call.floats(8);
    int channels = gamma.length;
    long rows = call.in(0).shape().elements() / channels * op.processes();
    float[] outScale = new float[channels];
    int[] bias = new int[channels];
    int[] keep = new int[channels];
    float[] mean = new float[channels];
    float[] inv = new float[channels];
    for (int c = 0; c < channels; c++) {
      double unit = (double) sx * (double) sw[c];
      double squares =
          Arithmetic.centeredSquares(rows, sum[c], AccumulatorRules.sumSquares(words, c))
              * (unit * unit);
      double mu = unit * ((double) sum[c] / (double) rows);
      double var = squares / ((double) rows * (double) rows);
      double unbiased = rows > 1 ? squares / ((double) rows * (rows - 1.0)) : var;
      inv[c] = inverseStd(var, op.epsilon());
      mean[c] = (float) mu;
      float gain = Math.abs(gamma[c]) * inv[c];
      double real = (double) beta[c] + -mu * (double) gain;
      float least = Arithmetic.smallestOutScale(real);
      float scale = sx * (sw[c] * gain);
      keep[c] = scale < least ? 0 : 1;
      outScale[c] = keep[c] == 0 ? least : scale;
      bias[c] = Arithmetic.quantizeBias(real, outScale[c]);
      runningMean[c] = movingAverage(runningMean[c], sign(gamma[c]) * (float) mu, op.momentum());
      runningVar[c] = movingAverage(runningVar[c], (float) unbiased, op.momentum());
    }
    return Expected.bits(
            call.in(0),
            Tensors.vector(outScale),
            Tensors.vector(bias),
            Tensors.vector(keep),
            Tensors.vector(mean),
            Tensors.vector(inv))
        .updating(
            Map.of(
                7, new Bits(Tensors.vector(runningMean)), 8, new Bits(Tensors.vector(runningVar))));
  }

  private static Expected absorbBackward(BatchNormAbsorbBackward op, Oracle.Call call) {
    float[] dy = call.floats(0);
    int[] acc = call.ints(1);
    float[] gamma = call.floats(2);
    float sx = call.scalar(3);
    float[] sw = call.floats(4);
    float[] mean = call.floats(5);
    float[] inv = call.floats(6);
    int channels = gamma.length;
    int rows = dy.length / channels;
    double[] dgamma = new double[channels];
    double[] dgammaBound = new double[channels];
    double[] dbeta = new double[channels];
    double[] dbetaBound = new double[channels];
    for (int i = 0; i < dy.length; i++) {
      int c = i % channels;
      double u = acc[i] * ((double) sx * (double) sw[c]);
      double xhat = (u - mean[c]) * inv[c];
      dbeta[c] += dy[i];
      dbetaBound[c] += (rows + 1) * U * Math.abs(dy[i]);
      dgamma[c] += sign(gamma[c]) * dy[i] * xhat;
      // The unit, the accumulator as a float and their product are rounded before the mean is taken
      // off.
      dgammaBound[c] +=
          (rows + 4) * U * Math.abs(dy[i] * xhat) + 3 * U * Math.abs(dy[i] * u * inv[c]) + TINY;
    }
    float[] actualDgamma = sums(op.part(), call, 0);
    float[] actualDbeta = sums(op.part(), call, 1);
    float sumRows = rows * op.processes();
    boolean narrow = op.gradients() == Compute.BF16;
    float[] du = new float[dy.length];
    for (int i = 0; i < dy.length; i++) {
      int c = i % channels;
      float xhat = ((float) acc[i] * (sx * sw[c]) - mean[c]) * inv[c];
      float sumDx = sign(gamma[c]) * actualDgamma[c];
      float gain = Math.abs(gamma[c]) * inv[c];
      du[i] =
          (narrow ? gain * sw[c] : gain)
              * ((dy[i] - actualDbeta[c] / sumRows) - xhat * (sumDx / sumRows));
    }
    HostTensor wide = HostTensor.of(call.in(0).shape(), du);
    return parts(
        op.part(),
        new Bits(narrow ? Tensors.bf16(wide) : wide),
        new Near(dgamma, dgammaBound),
        new Near(dbeta, dbetaBound));
  }
}
