package org.quantrain.testkit;

import static org.quantrain.testkit.Arithmetic.clamp;
import static org.quantrain.testkit.Arithmetic.inRange;
import static org.quantrain.testkit.Arithmetic.rint;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.util.Arrays;
import org.quantrain.op.AccRange;
import org.quantrain.op.AccStats;
import org.quantrain.op.DequantizeAcc;
import org.quantrain.op.FixedMultiplier;
import org.quantrain.op.Multiplier;
import org.quantrain.op.PoolMultiplier;
import org.quantrain.op.ProductScale;
import org.quantrain.op.Requantization;
import org.quantrain.op.Requantize;
import org.quantrain.op.RequantizeFixed;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;

/** What happens to int32 accumulators: all exact. */
final class AccumulatorRules {
  private static final BigInteger WORD = BigInteger.ONE.shiftLeft(64);

  private AccumulatorRules() {}

  static void register() {
    Oracle.rule(AccStats.class, (op, call) -> stats(call.in(0)));
    Oracle.rule(AccRange.class, AccumulatorRules::accRange);
    Oracle.rule(Multiplier.class, AccumulatorRules::multiplier);
    Oracle.rule(PoolMultiplier.class, AccumulatorRules::poolMultiplier);
    Oracle.rule(ProductScale.class, AccumulatorRules::productScale);
    Oracle.rule(Requantize.class, AccumulatorRules::requantize);
    Oracle.rule(FixedMultiplier.class, AccumulatorRules::fixedMultiplier);
    Oracle.rule(RequantizeFixed.class, AccumulatorRules::requantizeFixed);
    Oracle.rule(DequantizeAcc.class, AccumulatorRules::dequantizeAcc);
  }

  static Expected stats(HostTensor tensor) {
    int[] acc = tensor.ints();
    int channels = tensor.shape().dim(1);
    long[] sum = new long[channels];
    BigInteger[] squares = new BigInteger[channels];
    Arrays.fill(squares, BigInteger.ZERO);
    int[] min = EdgeValues.all(channels, Integer.MAX_VALUE);
    int[] max = EdgeValues.all(channels, Integer.MIN_VALUE);
    for (int i = 0; i < acc.length; i++) {
      int c = i % channels;
      sum[c] += acc[i];
      squares[c] = squares[c].add(BigInteger.valueOf((long) acc[i] * acc[i]));
      min[c] = Math.min(min[c], acc[i]);
      max[c] = Math.max(max[c], acc[i]);
    }
    long[] words = new long[2 * channels];
    for (int c = 0; c < channels; c++) {
      words[2 * c] = squares[c].longValue();
      words[2 * c + 1] = squares[c].divide(WORD).longValue();
    }
    return Expected.bits(
        Tensors.s64(Shape.of(channels), sum),
        Tensors.s64(Shape.of(channels, 2), words),
        Tensors.vector(min),
        Tensors.vector(max));
  }

  /** The sum of squares of channel c from its two words. */
  static BigInteger sumSquares(long[] words, int c) {
    BigInteger low = BigInteger.valueOf(words[2 * c]);
    return BigInteger.valueOf(words[2 * c + 1])
        .multiply(WORD)
        .add(low.signum() < 0 ? low.add(WORD) : low);
  }

  private static Expected accRange(AccRange op, Oracle.Call call) {
    float[] scale = call.floats(2);
    int[] bias = call.ints(3);
    float least = Float.POSITIVE_INFINITY;
    float most = Float.NEGATIVE_INFINITY;
    for (int c = 0; c < scale.length; c++) {
      int keep = call.has(4) ? call.ints(4)[c] : 1;
      least = Math.min(least, (float) (keep * call.ints(0)[c] + bias[c]) * scale[c]);
      most = Math.max(most, (float) (keep * call.ints(1)[c] + bias[c]) * scale[c]);
    }
    float floor = op.relu() ? 0f : Float.NEGATIVE_INFINITY;
    return Expected.bits(
        Tensors.vector(clamp(least, floor, op.upper()) + 0f),
        Tensors.vector(clamp(most, floor, op.upper()) + 0f));
  }

  private static Expected multiplier(Multiplier op, Oracle.Call call) {
    float[] m = call.floats(0);
    for (int c = 0; c < m.length; c++) {
      m[c] = m[c] / call.scalar(1);
    }
    return Expected.bits(Tensors.vector(m));
  }

  private static Expected poolMultiplier(PoolMultiplier op, Oracle.Call call) {
    float[] m = new float[op.channels()];
    Arrays.fill(m, call.scalar(0) / (call.scalar(1) * (float) op.count()));
    return Expected.bits(Tensors.vector(m));
  }

  private static Expected productScale(ProductScale op, Oracle.Call call) {
    float[] scale = new float[op.channels()];
    Arrays.fill(scale, call.scalar(0) * call.scalar(1));
    return Expected.bits(Tensors.vector(scale));
  }

  private static Expected requantize(Requantize op, Oracle.Call call) {
    int[] acc = call.ints(0);
    float[] multiplier = call.floats(1);
    int channels = multiplier.length;
    int zero = call.integer(2);
    int[] bias = call.has(3) ? call.ints(3) : new int[channels];
    int[] keep = call.has(4) ? call.ints(4) : EdgeValues.all(channels, 1);
    float lo = op.spec().qmin() - zero;
    lo = op.relu() ? Math.max(lo, 0f) : lo;
    float hi = op.spec().qmax() - zero;
    int[] codes = new int[acc.length];
    boolean[] mask = new boolean[acc.length];
    for (int i = 0; i < acc.length; i++) {
      int c = i % channels;
      int sum = keep[c] * acc[i] + bias[c];
      float level = (float) sum * multiplier[c];
      codes[i] = (int) rint(clamp(level, lo, hi)) + zero;
      mask[i] = inRange(level, lo, hi) && (!op.relu() || sum > 0);
    }
    Shape shape = call.in(0).shape();
    return Expected.bits(
        Tensors.codes(op.spec().container(), shape, codes), Tensors.mask(shape, mask));
  }

  /** The 31 bits nearest to a real multiplier in a float's range, and its power of two. */
  private static Expected fixedMultiplier(FixedMultiplier op, Oracle.Call call) {
    float[] w = call.floats(1);
    int[] m = new int[w.length];
    int[] shift = new int[w.length];
    for (int c = 0; c < w.length; c++) {
      double real = (double) call.scalar(0) * w[c] / call.scalar(2);
      if (op.powerOfTwo()) {
        m[c] = 1;
        shift[c] = Math.max(-31, Math.min(30, Math.getExponent(real)));
        continue;
      }
      shift[c] = Math.getExponent(real) + 1;
      long bits = (long) Math.floor(Math.scalb(real, 31 - shift[c]) + 0.5);
      m[c] = (int) (bits >> (bits >> 31));
      shift[c] += (int) (bits >> 31);
    }
    return Expected.bits(Tensors.vector(m), Tensors.vector(shift));
  }

  /** x * m * 2^(shift - 31) for shift <= 0. */
  private static int scaled(Requantization rule, int x, int m, int shift) {
    if (rule == Requantization.POWER_OF_TWO_EVEN) {
      return quotient(BigInteger.valueOf(x), -shift, RoundingMode.HALF_EVEN);
    }
    if (rule == Requantization.FIXED_SINGLE) {
      return quotient(BigInteger.valueOf((long) x * m), 31 - shift, RoundingMode.FLOOR);
    }
    int high = quotient(BigInteger.valueOf((long) x * m), 31, RoundingMode.FLOOR);
    RoundingMode mode =
        rule == Requantization.FIXED_RUY ? RoundingMode.FLOOR : RoundingMode.HALF_UP;
    return quotient(BigInteger.valueOf(high), -shift, mode);
  }

  /** x / 2^n; halves up for the mode FLOOR, as they say for the others. */
  private static int quotient(BigInteger x, int n, RoundingMode mode) {
    BigDecimal exact = new BigDecimal(x).divide(new BigDecimal(BigInteger.ONE.shiftLeft(n)));
    BigDecimal half = mode == RoundingMode.FLOOR ? new BigDecimal("0.5") : BigDecimal.ZERO;
    return exact.add(half).setScale(0, mode).intValueExact();
  }

  private static Expected requantizeFixed(RequantizeFixed op, Oracle.Call call) {
    int[] acc = call.ints(0);
    int[] m = call.ints(1);
    int[] shift = call.ints(2);
    int zero = call.integer(3);
    int[] bias = call.has(4) ? call.ints(4) : new int[m.length];
    int lo = op.spec().qmin() - zero;
    lo = op.relu() ? Math.max(lo, 0) : lo;
    int hi = op.spec().qmax() - zero;
    int[] codes = new int[acc.length];
    boolean[] mask = new boolean[acc.length];
    for (int i = 0; i < acc.length; i++) {
      int c = i % m.length;
      int level = scaled(op.rule(), acc[i] + bias[c], m[c], shift[c]);
      codes[i] = Math.max(lo, Math.min(hi, level)) + zero;
      mask[i] = level >= lo && level <= hi && (!op.relu() || level > 0);
    }
    Shape shape = call.in(0).shape();
    return Expected.bits(
        Tensors.codes(op.spec().container(), shape, codes), Tensors.mask(shape, mask));
  }

  private static Expected dequantizeAcc(DequantizeAcc op, Oracle.Call call) {
    int[] acc = call.ints(0);
    float[] scale = call.floats(1);
    int[] bias = call.has(2) ? call.ints(2) : new int[scale.length];
    int[] keep = call.has(3) ? call.ints(3) : EdgeValues.all(scale.length, 1);
    float[] y = new float[acc.length];
    for (int i = 0; i < y.length; i++) {
      int c = i % scale.length;
      y[i] = (float) (keep[c] * acc[i] + bias[c]) * scale[c];
    }
    return Expected.bits(HostTensor.of(call.in(0).shape(), y));
  }
}
