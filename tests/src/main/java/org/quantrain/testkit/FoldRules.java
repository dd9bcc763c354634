package org.quantrain.testkit;

import static org.quantrain.testkit.Arithmetic.inverseStd;
import static org.quantrain.testkit.Arithmetic.sign;
import static org.quantrain.testkit.Arithmetic.standardDeviation;
import static org.quantrain.testkit.Oracle.TINY;
import static org.quantrain.testkit.Oracle.U;

import org.quantrain.op.ConvBnCorrect;
import org.quantrain.op.ConvBnCorrectBackward;
import org.quantrain.op.ConvBnFold;
import org.quantrain.op.ConvBnFoldBackward;
import org.quantrain.op.FoldWeight;
import org.quantrain.op.FoldWeightBackward;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.testkit.Expected.Bits;
import org.quantrain.testkit.Expected.Near;

/** Batch norm folded into weights: the deployed form, and the fold with correction. */
final class FoldRules {
  private FoldRules() {}

  static void register() {
    Oracle.rule(FoldWeight.class, FoldRules::foldWeight);
    Oracle.rule(FoldWeightBackward.class, FoldRules::foldWeightBackward);
    Oracle.rule(ConvBnFold.class, FoldRules::fold);
    Oracle.rule(ConvBnFoldBackward.class, FoldRules::foldBackward);
    Oracle.rule(ConvBnCorrect.class, FoldRules::correct);
    Oracle.rule(ConvBnCorrectBackward.class, FoldRules::correctBackward);
  }

  private static Expected foldWeight(FoldWeight op, Oracle.Call call) {
    QuantSpec spec = op.spec();
    float[] w = call.floats(0);
    int channels = call.in(0).shape().dim(0);
    int inner = w.length / channels;
    float sx = call.scalar(1);
    float[] gain = new float[channels];
    double[] bias = new double[channels];
    float[] least = new float[channels];
    for (int c = 0; c < channels; c++) {
      gain[c] = 1;
      bias[c] = op.hasBias() ? call.floats(2)[c] : 0;
      if (op.hasBatchNorm()) {
        int g = FoldWeight.GAMMA;
        gain[c] = call.floats(g)[c] * inverseStd(call.floats(g + 3)[c], op.epsilon());
        bias[c] =
            (double) call.floats(g + 1)[c] + -(double) call.floats(g + 2)[c] * (double) gain[c];
      }
      least[c] = Arithmetic.smallestWeightScale(sx, Arithmetic.smallestOutScale(bias[c]));
    }
    int[] codes = new int[w.length];
    float[] scale = new float[channels];
    if (spec.perChannel()) {
      for (int c = 0; c < channels; c++) {
        float sign = op.hasBatchNorm() ? sign(call.floats(FoldWeight.GAMMA)[c]) : 1;
        float unfolded =
            op.rule().isLearned()
                ? call.floats(op.learnedInput())[c]
                : Arithmetic.weightScale(
                    QuantizeRules.absmax(w, c * inner, (c + 1) * inner), spec.qmax());
        scale[c] = unfolded * Math.abs(gain[c]);
        boolean raised = scale[c] < least[c];
        scale[c] = raised ? least[c] : scale[c];
        for (int i = c * inner; i < (c + 1) * inner; i++) {
          codes[i] =
              raised
                  ? code(w[i] * (sign * Math.abs(gain[c])), scale[c], spec)
                  : code(w[i] * sign, unfolded, spec);
        }
      }
    } else {
      float absmax = 0;
      float most = Float.MIN_NORMAL;
      for (int c = 0; c < channels; c++) {
        absmax =
            Math.max(
                absmax, QuantizeRules.absmax(w, c * inner, (c + 1) * inner) * Math.abs(gain[c]));
        most = Math.max(most, least[c]);
      }
      float shared =
          Arithmetic.restricted(
              Math.max(Arithmetic.weightScale(absmax, spec.qmax()), most), spec);
      for (int c = 0; c < channels; c++) {
        scale[c] = shared;
        for (int i = c * inner; i < (c + 1) * inner; i++) {
          codes[i] = code(w[i] * gain[c], shared, spec);
        }
      }
    }
    float[] outScale = new float[channels];
    int[] integerBias = new int[channels];
    for (int c = 0; c < channels; c++) {
      outScale[c] = sx * scale[c];
      integerBias[c] = Arithmetic.quantizeBias(bias[c], outScale[c]);
    }
    return Expected.bits(
        Tensors.codes(DType.S8, call.in(0).shape(), codes),
        Tensors.vector(scale),
        Tensors.vector(outScale),
        Tensors.vector(integerBias));
  }

  private static int code(float w, float scale, QuantSpec spec) {
    return Arithmetic.quantize(w, scale, 0, spec.qmin(), spec.qmax());
  }

  private static Expected foldWeightBackward(FoldWeightBackward op, Oracle.Call call) {
    QuantSpec spec = op.spec();
    float[] w = call.floats(0);
    float[] d = call.floats(1);
    float[] dbias = call.floats(2);
    int channels = dbias.length;
    int inner = w.length / channels;
    float[] dw = d.clone();
    float[] dConvBias = dbias.clone();
    if (!op.hasBatchNorm()) {
      return Expected.bits(HostTensor.of(call.in(0).shape(), dw), Tensors.vector(dConvBias));
    }
    double[] dgamma = new double[channels];
    double[] bound = new double[channels];
    for (int c = 0; c < channels; c++) {
      float gamma = call.floats(3)[c];
      float inv = inverseStd(call.floats(5)[c], op.epsilon());
      float gain = gamma * inv;
      float scale =
          op.learned()
              ? call.floats(6)[c]
              : Arithmetic.weightScale(
                  QuantizeRules.absmax(w, c * inner, (c + 1) * inner), spec.qmax());
      double sum = 0;
      double magnitude = 0;
      for (int i = c * inner; i < (c + 1) * inner; i++) {
        dw[i] = d[i] * gain;
        double what =
            spec.perChannel() ? sign(gamma) * scale * code(w[i] * sign(gamma), scale, spec) : w[i];
        sum += d[i] * what;
        magnitude += Math.abs(d[i] * what);
      }
      double shift = -call.floats(4)[c] * (double) dbias[c];
      dConvBias[c] = dbias[c] * gain;
      dgamma[c] = inv * (sum + shift);
      // Rounded: the de-quantized weight, its product, the result; the sum itself is in double.
      bound[c] = 4 * U * inv * (magnitude + Math.abs(shift)) + TINY;
    }
    return Expected.of(
        new Bits(HostTensor.of(call.in(0).shape(), dw)),
        new Bits(Tensors.vector(dConvBias)),
        new Near(dgamma, bound),
        new Bits(Tensors.vector(dbias)));
  }

  private static Expected fold(ConvBnFold op, Oracle.Call call) {
    float[] w = call.floats(0);
    float[] gamma = call.floats(1);
    float[] var = call.floats(2);
    int inner = w.length / gamma.length;
    for (int i = 0; i < w.length; i++) {
      int c = i / inner;
      w[i] = w[i] * (gamma[c] * inverseStd(var[c], op.epsilon()));
    }
    return Expected.bits(HostTensor.of(call.in(0).shape(), w), Tensors.vector(var));
  }

  private static Expected foldBackward(ConvBnFoldBackward op, Oracle.Call call) {
    float[] w = call.floats(0);
    float[] d = call.floats(1);
    float[] gamma = call.floats(2);
    float[] var = call.floats(3);
    int inner = w.length / gamma.length;
    float[] dw = new float[w.length];
    double[] dgamma = new double[gamma.length];
    double[] bound = new double[gamma.length];
    for (int i = 0; i < w.length; i++) {
      int c = i / inner;
      float inv = inverseStd(var[c], op.epsilon());
      dw[i] = d[i] * (gamma[c] * inv);
      dgamma[c] += (double) d[i] * w[i] * inv;
      bound[c] += (inner + 3) * U * Math.abs((double) d[i] * w[i] * inv) + TINY;
    }
    return Expected.of(new Bits(HostTensor.of(call.in(0).shape(), dw)), new Near(dgamma, bound));
  }

  private static Expected correct(ConvBnCorrect op, Oracle.Call call) {
    int channels = call.floats(1).length;
    float[] outScale = new float[channels];
    int[] bias = new int[channels];
    for (int c = 0; c < channels; c++) {
      float sigmaBatch = standardDeviation(call.floats(2)[c], op.epsilon());
      float sigmaRunning = standardDeviation(call.floats(3)[c], op.epsilon());
      float s = call.scalar(6) * call.scalar(7) * (sigmaRunning / sigmaBatch);
      outScale[c] = s < Float.MIN_NORMAL ? Float.MIN_NORMAL : s;
      double real =
          (double) call.floats(5)[c]
              - (double) call.floats(4)[c] * (double) call.floats(1)[c] / (double) sigmaBatch;
      bias[c] = Arithmetic.quantizeBias(real, outScale[c]);
    }
    return Expected.bits(call.in(0), Tensors.vector(outScale), Tensors.vector(bias));
  }

  private static Expected correctBackward(ConvBnCorrectBackward op, Oracle.Call call) {
    float[] dy = call.floats(0);
    int[] acc = call.ints(1);
    float[] mean = call.floats(2);
    float[] gamma = call.floats(5);
    int channels = mean.length;
    int rows = dy.length / channels;
    double unit = (double) call.scalar(6) * (double) call.scalar(7);
    double[] sumD = new double[channels];
    double[] sumDBound = new double[channels];
    double[] sumDo = new double[channels];
    double[] magnitudeDo = new double[channels];
    float[] dOut = new float[dy.length];
    for (int i = 0; i < dy.length; i++) {
      int c = i % channels;
      dOut[i] =
          dy[i]
              * (standardDeviation(call.floats(4)[c], op.epsilon())
                  / standardDeviation(call.floats(3)[c], op.epsilon()));
      sumD[c] += dy[i];
      sumDBound[c] += (rows + 1) * U * Math.abs(dy[i]);
      sumDo[c] += dy[i] * (acc[i] * unit);
      magnitudeDo[c] += Math.abs(dy[i] * (acc[i] * unit));
    }
    double[] dgamma = new double[channels];
    double[] dmean = new double[channels];
    double[] dsigma = new double[channels];
    double[] dgammaBound = new double[channels];
    double[] dmeanBound = new double[channels];
    double[] dsigmaBound = new double[channels];
    for (int c = 0; c < channels; c++) {
      double batch = Math.sqrt((double) call.floats(3)[c] + (double) op.epsilon());
      double running = Math.sqrt((double) call.floats(4)[c] + (double) op.epsilon());
      dgamma[c] = -sumD[c] * mean[c] / batch;
      dmean[c] = -sumD[c] * gamma[c] / batch;
      dsigma[c] = (sumD[c] * gamma[c] * mean[c] - sumDo[c] * running) / (batch * batch);
      // A few roundings of the product on top of the bound of the sum.
      double d = sumDBound[c] + 4 * U * Math.abs(sumD[c]);
      dgammaBound[c] = d * Math.abs(mean[c]) / batch + TINY;
      dmeanBound[c] = d * Math.abs(gamma[c]) / batch + TINY;
      dsigmaBound[c] =
          (d * Math.abs(gamma[c] * mean[c]) * 2 + (rows + 12) * U * magnitudeDo[c] * running)
                  / (batch * batch)
              + TINY;
    }
    return Expected.of(
        new Bits(HostTensor.of(call.in(0).shape(), dOut)),
        new Near(dgamma, dgammaBound),
        new Near(sumD, sumDBound),
        new Near(dmean, dmeanBound),
        new Near(dsigma, dsigmaBound));
  }
}
