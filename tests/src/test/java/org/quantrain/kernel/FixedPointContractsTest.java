package org.quantrain.kernel;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.math.BigDecimal;
import java.math.BigInteger;
import java.math.RoundingMode;
import java.util.Random;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_add_codes_fixed_args;
import org.quantrain.internal.bind.qt_average_pool_codes_fixed_args;
import org.quantrain.internal.bind.qt_fixed_multiplier_args;
import org.quantrain.internal.bind.qt_requantize_fixed_args;

/** The fixed-point contracts against exact arithmetic on big numbers. */
class FixedPointContractsTest {
  private static Kernels kernels;

  @BeforeAll
  static void open() {
    kernels = Kernels.open(null);
  }

  @AfterAll
  static void close() {
    kernels.close();
  }

  private enum Contract {
    FIXED_DOUBLE(QuantrainNative.QT_FIXED_DOUBLE),
    FIXED_SINGLE(QuantrainNative.QT_FIXED_SINGLE),
    FIXED_RUY(QuantrainNative.QT_FIXED_RUY),
    POWER_OF_TWO_EVEN(QuantrainNative.QT_POWER_OF_TWO_EVEN),
    POWER_OF_TWO_AWAY(QuantrainNative.QT_POWER_OF_TWO_AWAY),
    POWER_OF_TWO_UP(QuantrainNative.QT_POWER_OF_TWO_UP);

    private final int code;

    Contract(int code) {
      this.code = code;
    }

    boolean hasMultiplier() {
      return this == FIXED_DOUBLE || this == FIXED_SINGLE || this == FIXED_RUY;
    }
  }

  private record Multiplier(int m, int shift) {}

  /** gemmlowp's doubling high multiplication: a nudge of the product's sign, then truncation. */
  private static int highProduct(int x, int m) {
    BigInteger product = BigInteger.valueOf(x).multiply(BigInteger.valueOf(m));
    long nudge = product.signum() >= 0 ? 1L << 30 : 1 - (1L << 30);
    return product.add(BigInteger.valueOf(nudge)).divide(BigInteger.ONE.shiftLeft(31)).intValue();
  }

  /** x / 2^n, halves as the mode says. */
  private static int quotient(long x, int n, RoundingMode mode) {
    BigDecimal power = new BigDecimal(BigInteger.ONE.shiftLeft(n));
    return BigDecimal.valueOf(x).divide(power).setScale(0, mode).intValueExact();
  }

  /** x / 2^n, halves up. */
  private static int quotientUp(long x, int n) {
    BigInteger doubled = BigInteger.valueOf(x).shiftLeft(1).add(BigInteger.ONE.shiftLeft(n));
    return doubled.shiftRight(n + 1).intValue();
  }

  private static int scaled(Contract contract, int x, Multiplier k) {
    int left = x << Math.max(k.shift, 0);
    int right = Math.max(-k.shift, 0);
    return switch (contract) {
      case FIXED_DOUBLE -> quotient(highProduct(left, k.m), right, RoundingMode.HALF_UP);
      case FIXED_RUY -> quotientUp(highProduct(left, k.m), right);
      case FIXED_SINGLE ->
          BigInteger.valueOf(x)
              .multiply(BigInteger.valueOf(k.m))
              .add(BigInteger.ONE.shiftLeft(30 - k.shift))
              .shiftRight(31 - k.shift)
              .intValue();
      case POWER_OF_TWO_EVEN -> quotient(left, right, RoundingMode.HALF_EVEN);
      case POWER_OF_TWO_AWAY -> quotient(left, right, RoundingMode.HALF_UP);
      case POWER_OF_TWO_UP -> quotientUp(left, right);
    };
  }

  private static int clamp(long v, int lo, int hi) {
    return (int) Math.max(lo, Math.min(hi, v));
  }

  private static int[] accumulators(int n, Random random) {
    int[] acc = new int[n];
    for (int i = 0; i < n; i++) {
      int odd = 2 * (random.nextInt(4096) - 2048) + 1;
      acc[i] =
          switch (random.nextInt(8)) {
            case 0 -> random.nextInt();
            case 1 -> new int[] {0, 1, -1, Integer.MIN_VALUE, Integer.MAX_VALUE}[random.nextInt(5)];
            case 2, 3, 4 -> odd << random.nextInt(20);
            default -> random.nextInt(2_000_000) - 1_000_000;
          };
    }
    return acc;
  }

  @ParameterizedTest
  @EnumSource
  void requantizedCodesAreExact(Contract contract) {
    Random random = new Random(contract.code);
    int channels = 93;
    int rows = 700;
    int n = rows * channels;
    int[] bias = random.ints(channels, -100_000, 100_000).toArray();
    int[] m = new int[channels];
    int[] shift = new int[channels];
    for (int c = 0; c < channels; c++) {
      m[c] = c % 5 == 0 ? 1 << 30 : (1 << 30) + random.nextInt(1 << 30);
      shift[c] = c < 62 ? c - 31 : -5 - random.nextInt(10);
    }
    m[1] = Integer.MAX_VALUE;
    int[] acc = accumulators(n, random);
    for (boolean relu : new boolean[] {false, true}) {
      int zeroPoint = -7;
      try (qt_requantize_fixed_args args = new qt_requantize_fixed_args();
          IntPointer accPointer = Kernels.ints(acc);
          IntPointer biasPointer = Kernels.ints(bias);
          IntPointer multiplierPointer = Kernels.ints(m);
          IntPointer shiftPointer = Kernels.ints(shift);
          IntPointer zeroPointer = Kernels.ints(zeroPoint);
          BytePointer codes = new BytePointer((long) n);
          BytePointer mask = new BytePointer((long) (n + 7) / 8)) {
        args.acc(accPointer).bias(biasPointer).shift(shiftPointer).zero_point(zeroPointer);
        args.multiplier(contract.hasMultiplier() ? multiplierPointer : null);
        args.codes(codes).mask(mask).rows(rows).channels(channels).qmin(-100).qmax(127);
        args.contract(contract.code).relu(relu ? 1 : 0).code_type(QuantrainNative.QT_S8);
        kernels.run(QuantrainNative::qt_requantize_fixed, args);
        byte[] actual = Kernels.get(codes, n);
        byte[] actualMask = Kernels.get(mask, (n + 7) / 8);
        int lo = relu ? 0 : -100 - zeroPoint;
        int hi = 127 - zeroPoint;
        for (int i = 0; i < n; i++) {
          int c = i % channels;
          int v = scaled(contract, acc[i] + bias[c], new Multiplier(m[c], shift[c]));
          String where = acc[i] + " + " + bias[c] + ", " + m[c] + " * 2^" + shift[c];
          assertEquals(clamp(v, lo, hi) + zeroPoint, actual[i], where);
          boolean passes = v >= lo && v <= hi && (!relu || v > 0);
          assertEquals(passes, Kernels.bit(actualMask, i), where);
        }
      }
    }
  }

  /** The number of 31 bits and the power of two nearest to a real multiplier. */
  private static Multiplier multiplier(double value) {
    if (value == 0) {
      return new Multiplier(0, 0);
    }
    int shift = Math.getExponent(value) + 1;
    BigDecimal fraction = new BigDecimal(value).divide(power(shift));
    BigInteger m =
        fraction.multiply(power(31)).setScale(0, RoundingMode.HALF_UP).toBigIntegerExact();
    if (m.bitLength() > 31) {
      m = m.shiftRight(1);
      shift++;
    }
    if (shift < -31) {
      return new Multiplier(0, 0);
    }
    return shift > 30
        ? new Multiplier(Integer.MAX_VALUE, 30)
        : new Multiplier(m.intValueExact(), shift);
  }

  private static BigDecimal power(int exponent) {
    BigDecimal power = new BigDecimal(BigInteger.ONE.shiftLeft(Math.abs(exponent)));
    return exponent >= 0 ? power : BigDecimal.ONE.divide(power);
  }

  @ParameterizedTest
  @ValueSource(booleans = {false, true})
  void multipliersAreRoundedOnce(boolean floatProduct) {
    Random random = new Random(7);
    float[] edges = {
      1, 0.5f, 0.99999994f, 1e-9f, 4.6e-10f, 4.7e-10f, 1e-11f, 1e-30f, 1.4e-45f, 3e38f, 2e9f, 1e9f
    };
    float[] wScale = new float[5000];
    for (int i = 0; i < wScale.length; i++) {
      wScale[i] = i < edges.length ? edges[i] : (float) Math.exp(-20 * random.nextDouble());
    }
    for (float[] scales : new float[][] {{1, 1}, {0.0173f, 0.0311f}, {0.9f, 1e-3f}}) {
      float xScale = scales[0];
      float yScale = scales[1];
      int n = wScale.length;
      try (qt_fixed_multiplier_args args = new qt_fixed_multiplier_args();
          FloatPointer x = Kernels.floats(xScale);
          FloatPointer w = Kernels.floats(wScale);
          FloatPointer y = Kernels.floats(yScale);
          IntPointer m = new IntPointer((long) n);
          IntPointer shift = new IntPointer((long) n)) {
        args.x_scale(x).w_scale(w).y_scale(y).multiplier(m).shift(shift).channels(n);
        args.form(
            floatProduct
                ? QuantrainNative.QT_MULTIPLIER_FLOAT_PRODUCT
                : QuantrainNative.QT_MULTIPLIER_DOUBLE);
        kernels.run(QuantrainNative::qt_fixed_multiplier, args);
        int[] actualM = Kernels.get(m, n);
        int[] actualShift = Kernels.get(shift, n);
        for (int i = 0; i < n; i++) {
          double product = floatProduct ? xScale * wScale[i] : (double) xScale * wScale[i];
          Multiplier expected = multiplier(product / yScale);
          assertEquals(expected, new Multiplier(actualM[i], actualShift[i]), "w " + wScale[i]);
        }
      }
    }
  }

  /** Adds every pair of codes; element i has the codes i % 256 and i / 256, less 128. */
  private static byte[] addAllPairs(int contract, float sa, int za, float sb, int zb, float sy) {
    int n = 1 << 16;
    byte[] a = new byte[n];
    byte[] b = new byte[n];
    for (int i = 0; i < n; i++) {
      a[i] = (byte) (i % 256 - 128);
      b[i] = (byte) (i / 256 - 128);
    }
    try (qt_add_codes_fixed_args args = new qt_add_codes_fixed_args();
        BytePointer aPointer = Kernels.bytes(a);
        BytePointer bPointer = Kernels.bytes(b);
        BytePointer y = new BytePointer((long) n);
        FloatPointer aScale = Kernels.floats(sa);
        FloatPointer bScale = Kernels.floats(sb);
        FloatPointer yScale = Kernels.floats(sy);
        IntPointer aZero = Kernels.ints(za);
        IntPointer bZero = Kernels.ints(zb);
        IntPointer yZero = Kernels.ints(5)) {
      args.a(aPointer).b(bPointer).y(y).n(n).contract(contract).mask(null).relu(0);
      args.a_scale(aScale).a_zero_point(aZero).b_scale(bScale).b_zero_point(bZero);
      args.y_scale(yScale).y_zero_point(yZero).qmin(-128).qmax(127);
      args.code_type(QuantrainNative.QT_S8);
      kernels.run(QuantrainNative::qt_add_codes_fixed, args);
      return Kernels.get(y, n);
    }
  }

  @ParameterizedTest
  @CsvSource({"0.0173,3,0.05,-7,0.031", "0.5,0,0.25,0,0.5", "1e-4,-128,1,127,0.9", "1,1,1,1,0.003"})
  void tfliteAddIsExact(float sa, int za, float sb, int zb, float sy) {
    byte[] actual = addAllPairs(QuantrainNative.QT_ADD_TFLITE, sa, za, sb, zb, sy);
    double twice = 2.0 * Math.max(sa, sb);
    Multiplier ka = multiplier(sa / twice);
    Multiplier kb = multiplier(sb / twice);
    Multiplier ky = multiplier(twice / (Math.scalb(1.0, 20) * sy));
    for (int i = 0; i < actual.length; i++) {
      int a = (i % 256 - 128 - za) << 20;
      int b = (i / 256 - 128 - zb) << 20;
      int sum = scaled(Contract.FIXED_DOUBLE, a, ka) + scaled(Contract.FIXED_DOUBLE, b, kb);
      assertEquals(
          clamp(scaled(Contract.FIXED_DOUBLE, sum, ky) + 5L, -128, 127), actual[i], "pair " + i);
    }
  }

  @ParameterizedTest
  @CsvSource({"0.0173,3,0.05,-7,0.031", "0.5,0,0.25,0,0.5", "0.001,-128,1,127,1", "1,1,1,1,0.004"})
  void xnnpackAddIsExact(float sa, int za, float sb, int zb, float sy) {
    byte[] actual = addAllPairs(QuantrainNative.QT_ADD_XNNPACK, sa, za, sb, zb, sy);
    float ratioA = sa / sy;
    float ratioB = sb / sy;
    int h = 20 - Math.getExponent(Math.max(ratioA, ratioB));
    long ma = (long) Math.rint(Math.scalb((double) ratioA, h));
    long mb = (long) Math.rint(Math.scalb((double) ratioB, h));
    for (int i = 0; i < actual.length; i++) {
      long sum = ma * (i % 256 - 128 - za) + mb * (i / 256 - 128 - zb);
      assertEquals(clamp(((sum + (1L << (h - 1))) >> h) + 5, -128, 127), actual[i], "pair " + i);
    }
  }

  @Test
  void integerAverageRoundsHalvesAwayFromZero() {
    // One channel, windows of 3 x 2 over 5 x 5 with padding at the top: counts of 2, 4 and 6.
    int images = 500;
    int size = 5;
    byte[] x = new byte[images * size * size];
    new Random(3).nextBytes(x);
    int p = 4;
    int q = 4;
    int n = images * p * q;
    try (qt_average_pool_codes_fixed_args args = new qt_average_pool_codes_fixed_args();
        BytePointer from = Kernels.bytes(x);
        BytePointer y = new BytePointer((long) n)) {
      args.x(from).y(y).mask(null).qmin(-90).qmax(127).code_type(QuantrainNative.QT_S8);
      args.window().n(images).h(size).w(size).c(1).p(p).q(q);
      args.window().kernel_h(3).kernel_w(2).stride_h(1).stride_w(1).pad_top(2).pad_left(0);
      kernels.run(QuantrainNative::qt_average_pool_codes_fixed, args);
      byte[] actual = Kernels.get(y, n);
      for (int i = 0; i < n; i++) {
        int row = i / q % p;
        int sum = 0;
        int count = 0;
        for (int h = Math.max(0, row - 2); h <= row; h++) {
          for (int w = i % q; w < i % q + 2; w++) {
            sum += x[(i / (p * q) * size + h) * size + w];
            count++;
          }
        }
        int nudged = sum > 0 ? sum + count / 2 : sum - count / 2;
        assertEquals(clamp(nudged / count, -90, 127), actual[i], sum + " / " + count);
      }
    }
  }
}
