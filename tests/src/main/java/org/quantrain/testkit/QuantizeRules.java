package org.quantrain.testkit;

import static org.quantrain.testkit.Arithmetic.clamp;
import static org.quantrain.testkit.Arithmetic.dequantize;
import static org.quantrain.testkit.Arithmetic.inRange;
import static org.quantrain.testkit.Arithmetic.level;
import static org.quantrain.testkit.Arithmetic.movingAverage;
import static org.quantrain.testkit.Arithmetic.rint;
import static org.quantrain.testkit.Arithmetic.sign;
import static org.quantrain.testkit.Arithmetic.weightScale;

import java.util.Map;
import org.quantrain.op.AddCodes;
import org.quantrain.op.AddCodesRange;
import org.quantrain.op.CodesToBf16;
import org.quantrain.op.Dequantize;
import org.quantrain.op.Histogram;
import org.quantrain.op.MinMax;
import org.quantrain.op.Quantize;
import org.quantrain.op.QuantizeWeight;
import org.quantrain.op.RangeRule;
import org.quantrain.op.RangeToQParams;
import org.quantrain.op.RequantizeCodes;
import org.quantrain.op.SteBackward;
import org.quantrain.op.TimesRatio;
import org.quantrain.op.TimesSign;
import org.quantrain.op.ToBf16;
import org.quantrain.op.UpdateQParams;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.Shape;
import org.quantrain.testkit.Expected.Bits;

/** Codes from reals and back, ranges, the residual add: all exact. */
final class QuantizeRules {
  private QuantizeRules() {}

  static void register() {
    Oracle.rule(Quantize.class, QuantizeRules::quantize);
    Oracle.rule(RequantizeCodes.class, QuantizeRules::requantizeCodes);
    Oracle.rule(Dequantize.class, QuantizeRules::dequantizeCodes);
    Oracle.rule(SteBackward.class, QuantizeRules::steBackward);
    Oracle.rule(QuantizeWeight.class, QuantizeRules::quantizeWeight);
    Oracle.rule(TimesSign.class, QuantizeRules::timesSign);
    Oracle.rule(CodesToBf16.class, (op, call) -> codesToBf16(call));
    Oracle.rule(ToBf16.class, (op, call) -> toBf16(call));
    Oracle.rule(TimesRatio.class, (op, call) -> timesRatio(call));
    Oracle.rule(MinMax.class, QuantizeRules::minMax);
    Oracle.rule(Histogram.class, QuantizeRules::histogram);
    Oracle.rule(UpdateQParams.class, QuantizeRules::updateQParams);
    Oracle.rule(RangeToQParams.class, QuantizeRules::rangeToQParams);
    Oracle.rule(AddCodes.class, QuantizeRules::addCodes);
    Oracle.rule(AddCodesRange.class, QuantizeRules::addCodesRange);
  }

  /** Codes and mask from levels, which have the zero-point in them. */
  private static Expected fromLevels(float[] levels, QuantSpec spec, Shape shape) {
    int[] codes = new int[levels.length];
    boolean[] mask = new boolean[levels.length];
    for (int i = 0; i < levels.length; i++) {
      codes[i] = (int) clamp(levels[i], spec.qmin(), spec.qmax());
      mask[i] = inRange(levels[i], spec.qmin(), spec.qmax());
    }
    return Expected.bits(Tensors.codes(spec.container(), shape, codes), Tensors.mask(shape, mask));
  }

  private static Expected quantize(Quantize op, Oracle.Call call) {
    float[] x = call.floats(0);
    float[] levels = new float[x.length];
    for (int i = 0; i < x.length; i++) {
      int c = i / (x.length / call.floats(1).length);
      levels[i] = level(x[i], call.floats(1)[c], call.ints(2)[c]);
    }
    return fromLevels(levels, op.spec(), call.in(0).shape());
  }

  private static Expected requantizeCodes(RequantizeCodes op, Oracle.Call call) {
    int[] codes = call.codes(0);
    float[] levels = new float[codes.length];
    for (int i = 0; i < codes.length; i++) {
      float x = dequantize(codes[i], call.scalar(1), call.integer(2));
      levels[i] = level(x, call.scalar(3), call.integer(4));
    }
    return fromLevels(levels, op.spec(), call.in(0).shape());
  }

  private static Expected dequantizeCodes(Dequantize op, Oracle.Call call) {
    int[] codes = call.codes(0);
    float[] scale = call.floats(1);
    int zero = call.has(2) ? call.integer(2) : 0;
    int inner = codes.length / scale.length;
    float[] y = new float[codes.length];
    for (int i = 0; i < y.length; i++) {
      y[i] = dequantize(codes[i], scale[i / inner], zero);
    }
    return Expected.bits(HostTensor.of(call.in(0).shape(), y));
  }

  private static Expected codesToBf16(Oracle.Call call) {
    int[] codes = call.codes(0);
    int zero = call.has(1) ? call.integer(1) : 0;
    float[] y = new float[codes.length];
    for (int i = 0; i < y.length; i++) {
      y[i] = codes[i] - zero;
    }
    return Expected.bits(Tensors.bf16(call.in(0).spec(), y));
  }

  /** Channels are innermost in memory. */
  private static Expected toBf16(Oracle.Call call) {
    float[] y = call.floats(0);
    if (call.has(1)) {
      float[] scale = call.floats(1);
      for (int i = 0; i < y.length; i++) {
        y[i] *= scale[i % scale.length];
      }
    }
    return Expected.bits(Tensors.bf16(call.in(0).spec(), y));
  }

  private static Expected timesRatio(Oracle.Call call) {
    float[] y = call.floats(0);
    float[] divisors = call.floats(2);
    int inner = y.length / divisors.length;
    for (int i = 0; i < y.length; i++) {
      y[i] *= call.scalar(1) / divisors[i / inner];
    }
    return Expected.bits(Tensors.of(call.in(0).spec(), y));
  }

  private static Expected steBackward(SteBackward op, Oracle.Call call) {
    float[] dy = call.floats(0);
    boolean[] mask = Tensors.bits(call.in(1));
    for (int i = 0; i < dy.length; i++) {
      dy[i] = mask[i] ? dy[i] : 0f;
    }
    return Expected.bits(HostTensor.of(call.in(0).shape(), dy));
  }

  /** Largest magnitude in [from, to); NaN does not count. */
  static float absmax(float[] w, int from, int to) {
    float most = 0;
    for (int i = from; i < to; i++) {
      most = Math.abs(w[i]) > most ? Math.abs(w[i]) : most;
    }
    return most;
  }

  private static Expected quantizeWeight(QuantizeWeight op, Oracle.Call call) {
    QuantSpec spec = op.spec();
    float[] w = call.floats(0);
    int channels = spec.perChannel() ? call.in(0).shape().dim(0) : 1;
    int inner = w.length / channels;
    int[] codes = new int[w.length];
    float[] scale = new float[channels];
    for (int c = 0; c < channels; c++) {
      float most = absmax(w, c * inner, (c + 1) * inner);
      scale[c] = Arithmetic.restricted(weightScale(most, spec.qmax()), spec);
      float sign = call.has(1) ? sign(call.floats(1)[c]) : 1;
      for (int i = c * inner; i < (c + 1) * inner; i++) {
        codes[i] = Arithmetic.quantize(sign * w[i], scale[c], 0, spec.qmin(), spec.qmax());
      }
    }
    return Expected.bits(Tensors.codes(DType.S8, call.in(0).shape(), codes), Tensors.vector(scale));
  }

  private static Expected timesSign(TimesSign op, Oracle.Call call) {
    float[] d = call.floats(0);
    float[] gamma = call.floats(1);
    int inner = d.length / gamma.length;
    for (int i = 0; i < d.length; i++) {
      d[i] = sign(gamma[i / inner]) * d[i];
    }
    return Expected.bits(HostTensor.of(call.in(0).shape(), d));
  }

  private static Expected minMax(MinMax op, Oracle.Call call) {
    float min = Float.POSITIVE_INFINITY;
    float max = Float.NEGATIVE_INFINITY;
    long nans = 0;
    for (float x : call.floats(0)) {
      nans += Float.isNaN(x) ? 1 : 0;
      min = x < min ? x : min;
      max = x > max ? x : max;
    }
    boolean none = min > max;
    // Adding +0 turns -0 into +0.
    return Expected.bits(
        Tensors.vector((none ? 0f : min) + 0f),
        Tensors.vector((none ? 0f : max) + 0f),
        Tensors.s64(Shape.of(1), new long[] {nans}));
  }

  /** Bins are found and, for every doubling of their width, added in pairs, in double precision. */
  private static Expected histogram(Histogram op, Oracle.Call call) {
    int half = op.bins() / 2;
    long[] counts = new long[op.bins()];
    call.in(1).buffer().asLongBuffer().get(counts);
    int exponent = call.integer(2);
    long nans = call.in(3).buffer().getLong();
    long infinities = call.in(4).buffer().getLong();
    double largest = 0;
    for (float x : call.floats(0)) {
      if (Float.isNaN(x)) {
        nans++;
      } else if (Float.isInfinite(x)) {
        infinities++;
      } else {
        largest = Math.max(largest, Math.abs((double) x));
      }
    }
    while (largest >= Math.scalb((double) half, exponent)) {
      long[] wider = new long[op.bins()];
      for (int i = 0; i < op.bins(); i++) {
        int distance = i >= half ? i - half : half - 1 - i;
        wider[i >= half ? half + distance / 2 : half - 1 - distance / 2] += counts[i];
      }
      counts = wider;
      exponent++;
    }
    for (float x : call.floats(0)) {
      if (Float.isFinite(x)) {
        int distance = (int) Math.floor(Math.scalb(Math.abs((double) x), -exponent));
        counts[x >= 0 ? half + distance : half - 1 - distance]++;
      }
    }
    return Expected.of()
        .updating(
            Map.of(
                1, new Bits(Tensors.s64(Shape.of(op.bins()), counts)),
                2, new Bits(Tensors.vector(exponent)),
                3, new Bits(Tensors.s64(Shape.of(1), new long[] {nans})),
                4, new Bits(Tensors.s64(Shape.of(1), new long[] {infinities}))));
  }

  private static Expected updateQParams(UpdateQParams op, Oracle.Call call) {
    boolean first = call.integer(4) == 0;
    float[] min = call.floats(0);
    float[] max = call.floats(1);
    float[] scale = new float[min.length];
    int[] zero = new int[min.length];
    QuantSpec spec = op.spec();
    for (int c = 0; c < min.length; c++) {
      if (!first && op.rule() == RangeRule.EXTREMES) {
        min[c] = Math.min(call.floats(2)[c], min[c]);
        max[c] = Math.max(call.floats(3)[c], max[c]);
      } else if (!first) {
        min[c] = movingAverage(call.floats(2)[c], min[c], call.observerMomentum());
        max[c] = movingAverage(call.floats(3)[c], max[c], call.observerMomentum());
      }
      Arithmetic.QParams q = Arithmetic.QParams.of(min[c], max[c], spec);
      scale[c] = q.scale();
      zero[c] = q.zeroPoint();
    }
    int count = call.integer(4);
    return Expected.of()
        .updating(
            Map.of(
                2, new Bits(Tensors.vector(min)),
                3, new Bits(Tensors.vector(max)),
                4, new Bits(Tensors.vector(count == Integer.MAX_VALUE ? count : count + 1)),
                5, new Bits(Tensors.vector(scale)),
                6, new Bits(Tensors.vector(zero))));
  }

  private static Expected rangeToQParams(RangeToQParams op, Oracle.Call call) {
    Arithmetic.QParams q = Arithmetic.QParams.of(call.scalar(0), call.scalar(1), op.spec());
    return Expected.bits(Tensors.vector(q.scale()), Tensors.vector(q.zeroPoint()));
  }

  private static Expected addCodes(AddCodes op, Oracle.Call call) {
    int[] a = call.codes(0);
    int[] b = call.codes(3);
    float ra = call.scalar(1) / call.scalar(6);
    float rb = call.scalar(4) / call.scalar(6);
    int zero = call.integer(7);
    float fix = zero - Math.fma(ra, (float) call.integer(2), rb * call.integer(5));
    float lo = op.relu() ? zero : op.spec().qmin();
    float hi = op.spec().qmax();
    int[] codes = new int[a.length];
    boolean[] mask = new boolean[a.length];
    for (int i = 0; i < a.length; i++) {
      float level = Math.fma((float) a[i], ra, Math.fma((float) b[i], rb, fix));
      codes[i] = (int) rint(clamp(level, lo, hi));
      mask[i] = inRange(level, lo, hi) && (!op.relu() || level > lo);
    }
    Shape shape = call.in(0).shape();
    return Expected.bits(
        Tensors.codes(op.spec().container(), shape, codes), Tensors.mask(shape, mask));
  }

  private static Expected addCodesRange(AddCodesRange op, Oracle.Call call) {
    int[] a = call.codes(0);
    int[] b = call.codes(3);
    float min = Float.POSITIVE_INFINITY;
    float max = Float.NEGATIVE_INFINITY;
    for (int i = 0; i < a.length; i++) {
      float sum =
          dequantize(a[i], call.scalar(1), call.integer(2))
              + dequantize(b[i], call.scalar(4), call.integer(5));
      min = Math.min(min, sum);
      max = Math.max(max, sum);
    }
    float lo = op.relu() ? 0f : Float.NEGATIVE_INFINITY;
    return Expected.bits(
        Tensors.vector(clamp(min, lo, op.upper()) + 0f),
        Tensors.vector(clamp(max, lo, op.upper()) + 0f));
  }
}
