package org.quantrain.testkit;

import static org.quantrain.testkit.Oracle.TINY;
import static org.quantrain.testkit.Oracle.U;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.quantrain.op.LearnedAccBackward;
import org.quantrain.op.LearnedAddBackward;
import org.quantrain.op.LearnedGrid;
import org.quantrain.op.LearnedGridBackward;
import org.quantrain.op.LearnedQParams;
import org.quantrain.op.MseRange;
import org.quantrain.op.ScaleRule;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.Shape;
import org.quantrain.testkit.Expected.Bits;
import org.quantrain.testkit.Expected.Near;
import org.quantrain.testkit.Expected.Result;

/** Learned quantizers: scales, zero-points and straight-through gradients exact, sums bounded. */
final class LearnedRules {
  /** Elements whose errors are summed one after the other. */
  private static final int PART = 4096;

  private LearnedRules() {}

  static void register() {
    Oracle.rule(LearnedQParams.class, LearnedRules::qparams);
    Oracle.rule(LearnedGrid.class, (op, call) -> Expected.bits(call.in(0)));
    Oracle.rule(LearnedGridBackward.class, LearnedRules::backward);
    Oracle.rule(LearnedAccBackward.class, LearnedRules::accBackward);
    Oracle.rule(LearnedAddBackward.class, LearnedRules::addBackward);
    Oracle.rule(MseRange.class, LearnedRules::mseRange);
  }

  private static float scaleOf(float x) {
    float s = x > Float.MIN_NORMAL ? x : Float.MIN_NORMAL;
    return Math.min(s, Float.MAX_VALUE);
  }

  private static Expected qparams(LearnedQParams op, Oracle.Call call) {
    QuantSpec spec = op.spec();
    float[] first = call.floats(0);
    float[] scale = new float[first.length];
    int[] zero = new int[first.length];
    float[] lower = new float[first.length];
    float[] upper = new float[first.length];
    int steps = spec.signed() ? spec.qmax() : spec.qmax() - spec.qmin();
    for (int c = 0; c < first.length; c++) {
      switch (op.rule()) {
        case STEP, STEP_AND_OFFSET -> {
          scale[c] = scaleOf(Math.abs(first[c]));
          float z = op.rule() == ScaleRule.STEP ? 0 : -(call.floats(1)[c] / scale[c]);
          zero[c] = (int) Arithmetic.clamp(Arithmetic.rint(z), spec.qmin(), spec.qmax());
        }
        case CLIP, SOFT_CLIP -> {
          scale[c] = scaleOf(first[c] / steps);
          zero[c] = spec.signed() ? 0 : spec.qmin();
        }
        default -> {
          scale[c] = scaleOf((call.floats(1)[c] - first[c]) / (spec.qmax() - spec.qmin()));
          float z = spec.qmin() - Arithmetic.rint(first[c] / scale[c]);
          zero[c] = (int) Arithmetic.clamp(z, spec.qmin(), spec.qmax());
        }
      }
      lower[c] = Arithmetic.dequantize(spec.qmin(), scale[c], zero[c]);
      upper[c] = Arithmetic.dequantize(spec.qmax(), scale[c], zero[c]);
    }
    List<HostTensor> out = new ArrayList<>(List.of(Tensors.vector(scale), Tensors.vector(zero)));
    if (op.rule() == ScaleRule.STEP_AND_OFFSET) {
      float[] offset = new float[first.length];
      for (int c = 0; c < first.length; c++) {
        offset[c] = Arithmetic.dequantize(0, scale[c], zero[c]);
      }
      out.add(Tensors.vector(offset));
    }
    if (op.rule() == ScaleRule.SOFT_CLIP || op.rule() == ScaleRule.SOFT_RANGE) {
      out.addAll(List.of(Tensors.vector(lower), Tensors.vector(upper)));
    }
    return Expected.bits(out.toArray(HostTensor[]::new));
  }

  /** A sum over one channel in any order, with what its terms were rounded by. */
  private static final class Sum {
    private double value;
    private double magnitude;
    private double error;
    private int terms;

    void add(double term, double off) {
      value += term;
      magnitude += Math.abs(term);
      error += off;
      terms++;
    }

    static Near of(Sum[] sums, double[] factor) {
      double[] values = new double[sums.length];
      double[] bounds = new double[sums.length];
      for (int c = 0; c < sums.length; c++) {
        Sum s = sums[c];
        values[c] = factor[c] * s.value;
        bounds[c] = Math.abs(factor[c]) * ((s.terms + 3) * U * s.magnitude + 1.01 * s.error) + TINY;
      }
      return new Near(values, bounds);
    }
  }

  private static Sum[] sums(int channels) {
    Sum[] sums = new Sum[channels];
    for (int c = 0; c < channels; c++) {
      sums[c] = new Sum();
    }
    return sums;
  }

  private static double[] all(int n, double value) {
    double[] a = new double[n];
    Arrays.fill(a, value);
    return a;
  }

  private static Expected backward(LearnedGridBackward op, Oracle.Call call) {
    return switch (op.rule()) {
      case STEP, STEP_AND_OFFSET -> stepBackward(op, call);
      case CLIP -> clipBackward(call);
      default -> softBackward(op, call);
    };
  }

  private static Expected stepBackward(LearnedGridBackward op, Oracle.Call call) {
    QuantSpec spec = op.spec();
    boolean offset = op.rule() == ScaleRule.STEP_AND_OFFSET;
    float[] x = call.floats(0);
    float[] dy = call.floats(1);
    float[] scale = call.floats(2);
    int inner = x.length / scale.length;
    float[] dx = new float[x.length];
    Sum[] steps = sums(scale.length);
    Sum[] offsets = sums(scale.length);
    for (int i = 0; i < x.length; i++) {
      int c = i / inner;
      int from = offset ? 0 : call.ints(3)[c];
      float v = (offset ? x[i] - call.floats(4)[c] : x[i]) / scale[c];
      float level = Arithmetic.rint(v) + from;
      if (Arithmetic.inRange(level, spec.qmin(), spec.qmax())) {
        dx[i] = dy[i];
        steps[c].add(dy[i] * (Arithmetic.rint(v) - v), TINY);
      } else if (!Float.isNaN(level)) {
        int end = level < spec.qmin() ? spec.qmin() : spec.qmax();
        steps[c].add(dy[i] * (float) (end - from), 0);
        offsets[c].add(dy[i], 0);
      }
    }
    double[] factor = all(scale.length, op.gradientScale());
    List<Result> out =
        new ArrayList<>(
            List.of(new Bits(HostTensor.of(call.in(0).shape(), dx)), Sum.of(steps, factor)));
    if (offset) {
      out.add(Sum.of(offsets, factor));
    }
    return Expected.of(out.toArray(Result[]::new));
  }

  private static Expected accBackward(LearnedAccBackward op, Oracle.Call call) {
    int[] acc = call.ints(0);
    float[] outScale = call.floats(1);
    int[] bias = call.has(5) ? call.ints(5) : new int[outScale.length];
    int[] keep = call.has(6) ? call.ints(6) : EdgeValues.all(outScale.length, 1);
    float[] real = new float[acc.length];
    for (int i = 0; i < real.length; i++) {
      int c = i % outScale.length;
      real[i] = (float) (keep[c] * acc[i] + bias[c]) * outScale[c];
    }
    LearnedGridBackward gradient =
        new LearnedGridBackward(op.spec(), ScaleRule.STEP, op.gradientScale());
    return behindRelu(gradient, op.relu(), op.upper(), real, call, 2);
  }

  private static Expected addBackward(LearnedAddBackward op, Oracle.Call call) {
    int[] a = call.codes(0);
    float[] real = new float[a.length];
    for (int i = 0; i < real.length; i++) {
      real[i] = Arithmetic.dequantize(a[i], call.scalar(1), call.ints(2)[0]);
      if (call.has(6)) {
        real[i] += Arithmetic.dequantize(call.codes(6)[i], call.scalar(7), call.ints(8)[0]);
      }
    }
    LearnedGridBackward gradient =
        new LearnedGridBackward(op.spec(), ScaleRule.STEP, op.gradientScale());
    return behindRelu(gradient, op.relu(), op.upper(), real, call, 3);
  }

  /** The gradient by the step, with what it passes back only where a ReLU has a slope. */
  private static Expected behindRelu(
      LearnedGridBackward gradient,
      boolean relu,
      float upper,
      float[] real,
      Oracle.Call call,
      int dy) {
    Shape shape = call.in(dy).shape();
    float[] x = real.clone();
    for (int i = 0; relu && i < x.length; i++) {
      x[i] = Math.min(Math.max(real[i], 0), upper);
    }
    List<HostTensor> in = new ArrayList<>(List.of(HostTensor.of(shape, x)));
    in.addAll(call.inputs().subList(dy, dy + 3));
    Expected whole =
        stepBackward(gradient, new Oracle.Call(in, call.actual(), call.observerMomentum()));
    float[] dx = ((Bits) whole.outputs().get(0)).tensor().floats().clone();
    for (int i = 0; relu && i < x.length; i++) {
      dx[i] = x[i] > 0 && x[i] < upper ? dx[i] : 0;
    }
    return Expected.of(new Bits(HostTensor.of(shape, dx)), whole.outputs().get(1));
  }

  private static Expected clipBackward(Oracle.Call call) {
    float[] x = call.floats(0);
    float[] dy = call.floats(1);
    float clip = call.scalar(4);
    float[] dx = new float[x.length];
    Sum[] sum = sums(1);
    for (int i = 0; i < x.length; i++) {
      dx[i] = x[i] >= 0 && x[i] < clip ? dy[i] : 0;
      sum[0].add(x[i] >= clip ? dy[i] : 0, 0);
    }
    return Expected.of(
        new Bits(HostTensor.of(call.in(0).shape(), dx)), Sum.of(sum, new double[] {1}));
  }

  /**
   * Float32 places x on the staircase: a position of at most {@code levels} steps is rounded twice,
   * so the place within the step is off by 3 u levels, which the slope (gain * S / 2 at most, its
   * own slope at most gain times that) turns into an error. The other operations and tanh are good
   * to 8 u each.
   */
  private static Expected softBackward(LearnedGridBackward op, Oracle.Call call) {
    float[] x = call.floats(0);
    float[] dy = call.floats(1);
    float[] lower = call.floats(4);
    float[] upper = call.floats(5);
    float[] alpha = call.floats(6);
    int levels = op.spec().qmax() - op.spec().qmin();
    int inner = x.length / lower.length;
    double[] dx = new double[x.length];
    double[] bound = new double[x.length];
    Sum[] byLower = sums(lower.length);
    Sum[] byUpper = sums(lower.length);
    Sum[] byAlpha = sums(lower.length);
    for (int i = 0; i < x.length; i++) {
      int c = i / inner;
      double delta = ((double) upper[c] - lower[c]) / levels;
      double a = Math.max(0x1p-10, Math.min(1 - 0x1p-10, alpha[c]));
      double gain = Math.log(2 / a - 1);
      double half = 0.5 / (1 - a);
      double place = 4 * U * (levels + 4 + Math.abs(lower[c]) / delta);
      if (x[i] < lower[c]) {
        byLower[c].add(dy[i], 0);
      } else if (x[i] > upper[c]) {
        byUpper[c].add(dy[i], 0);
      } else {
        double position = (x[i] - (double) lower[c]) / delta;
        double step = Math.max(0, Math.min(levels - 1, Math.floor(position)));
        double rest = position - step - 0.5;
        double tanh = Math.tanh(gain * rest);
        double rise = 1 - tanh * tanh;
        double slope = half * gain * rise;
        double steep = half * gain * (2 * gain * place + 16 * U);
        double height = step + half * tanh + 0.5;
        double upTerm = (height - slope * position) / levels;
        double upOff = (place * half * gain + position * steep + 16 * U * (levels + 1)) / levels;
        dx[i] = dy[i] * slope;
        bound[i] = Math.abs(dy[i]) * steep;
        byUpper[c].add(dy[i] * upTerm, Math.abs(dy[i]) * upOff);
        byLower[c].add(dy[i] * (1 - slope - upTerm), Math.abs(dy[i]) * (upOff + steep + 16 * U));
        double tanhPart = 0.5 / ((1 - a) * (1 - a));
        double gainPart = 1 / ((1 - a) * a * (2 - a));
        byAlpha[c].add(
            delta * dy[i] * (tanhPart * tanh - gainPart * rest * rise),
            delta * Math.abs(dy[i]) * (tanhPart + gainPart) * (2 * (gain + 1) * place + 16 * U));
      }
    }
    double[] one = all(lower.length, 1);
    return Expected.of(
        new Near(dx, bound), Sum.of(byLower, one), Sum.of(byUpper, one), Sum.of(byAlpha, one));
  }

  private static Expected mseRange(MseRange op, Oracle.Call call) {
    QuantSpec spec = op.spec();
    float[] x = call.floats(0);
    int channels = spec.perChannel() ? call.in(0).shape().dim(0) : 1;
    int inner = x.length / channels;
    float[] min = new float[channels];
    float[] max = new float[channels];
    for (int c = 0; c < channels; c++) {
      float lo = 0;
      float hi = 0;
      for (int i = c * inner; i < (c + 1) * inner; i++) {
        if (Float.isFinite(x[i])) {
          lo = Math.min(lo, x[i]);
          hi = Math.max(hi, x[i]);
        }
      }
      Arithmetic.QParams range =
          Arithmetic.QParams.of(lo, hi, spec);
      int zero = range.zeroPoint();
      float best = 0;
      double least = Double.POSITIVE_INFINITY;
      for (int k = MseRange.CANDIDATES; k > 0; k--) {
        float s = range.scale() * ((float) k / MseRange.CANDIDATES);
        s = s < Float.MIN_NORMAL ? Float.MIN_NORMAL : s;
        double error = squaredError(x, c * inner, (c + 1) * inner, s, zero, spec);
        if (k == MseRange.CANDIDATES || error < least) {
          least = error;
          best = s;
        }
      }
      min[c] = Arithmetic.dequantize(spec.qmin(), best, zero);
      max[c] = Arithmetic.dequantize(spec.qmax(), best, zero);
    }
    return Expected.bits(Tensors.vector(min), Tensors.vector(max));
  }

  private static double squaredError(
      float[] x, int from, int to, float scale, int zero, QuantSpec spec) {
    double sum = 0;
    for (int part = from; part < to; part += PART) {
      double errors = 0;
      for (int i = part; i < Math.min(to, part + PART); i++) {
        if (Float.isFinite(x[i])) {
          int code = Arithmetic.quantize(x[i], scale, zero, spec.qmin(), spec.qmax());
          double e = (double) Arithmetic.dequantize(code, scale, zero) - x[i];
          errors += e * e;
        }
      }
      sum += errors;
    }
    return sum;
  }
}
