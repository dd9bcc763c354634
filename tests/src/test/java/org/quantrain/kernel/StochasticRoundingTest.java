package org.quantrain.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.util.Arrays;
import java.util.List;
import java.util.Random;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.bytedeco.javacpp.Pointer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_context;
import org.quantrain.internal.bind.qt_stochastic_fake_quant_args;
import org.quantrain.internal.bind.qt_stochastic_quantize_args;
import org.quantrain.testkit.Bfloat16;

/**
 * Stochastic rounding is decided, bit for bit, by Philox words of seed, step, stream and element;
 * Philox itself is checked with the known answers that its authors publish with Random123.
 */
class StochasticRoundingTest {
  @ParameterizedTest
  @CsvSource({
    "00000000 00000000 00000000 00000000, 00000000 00000000, 6627e8d5 e169c58d bc57ac4c 9b00dbd8",
    "ffffffff ffffffff ffffffff ffffffff, ffffffff ffffffff, 408f276d 41c83b0e a20bc7c6 6d5451fd",
    "243f6a88 85a308d3 13198a2e 03707344, a4093822 299f31d0, d16cfe09 94fdcceb 5001e420 24126ea1"
  })
  void philoxGivesThePublishedAnswers(String counter, String key, String words) {
    assertArrayEquals(words(words), Philox.words(words(counter), words(key)));
  }

  private static int[] words(String hex) {
    return List.of(hex.trim().split(" ")).stream()
        .mapToInt(word -> Integer.parseUnsignedInt(word, 16))
        .toArray();
  }

  private record Quantizer(Layout layout, float[] scale, int[] zeroPoint, Grid grid) {
    /** The level before the clamp, in float32 as the contract says; floor and rest are exact. */
    double level(int i, float x, Draws draws) {
      float v = x / scale[layout.channel(i)];
      double down = Math.floor(v);
      double rounded = down + (draws.unit(i) < v - down ? 1 : 0);
      return rounded + zeroPoint[layout.channel(i)];
    }

    /** NaN goes to the lowest code. */
    int code(double level) {
      return level >= grid.qmin() ? (int) Math.min(grid.qmax(), level) : grid.qmin();
    }

    float real(int i, int code) {
      return (code - zeroPoint[layout.channel(i)]) * scale[layout.channel(i)];
    }
  }

  private static Quantizer quantizer(Layout layout, Grid grid, Random random) {
    float[] scale = new float[layout.channels()];
    int[] zeroPoint = new int[layout.channels()];
    for (int c = 0; c < scale.length; c++) {
      scale[c] = (0.5f + random.nextFloat()) / grid.steps();
      zeroPoint[c] = grid.zeroPoint(random);
    }
    return new Quantizer(layout, scale, zeroPoint, grid);
  }

  /** Some on the grid, where no draw may move them, and some that are no numbers. */
  private static float[] values(Quantizer q, boolean bf16, Random random) {
    float[] special = {Float.NaN, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY, 0, -0f, 1e30f};
    float[] x = new float[q.layout.elements()];
    for (int i = 0; i < x.length; i++) {
      double reach = 1.2 * q.grid.steps() * q.scale[q.layout.channel(i)];
      x[i] = (float) (reach * (2 * random.nextDouble() - 1));
      if (i % 29 == 0) {
        x[i] = special[i / 29 % special.length];
      } else if (i % 7 == 0) {
        x[i] = q.real(i, q.grid.qmin() + random.nextInt(q.grid.steps() + 1));
      }
      x[i] = bf16 ? Bfloat16.round(x[i]) : x[i];
    }
    return x;
  }

  private static final List<Draws> DRAWS =
      List.of(
          new Draws(0, 0, 0),
          new Draws(-1, 0xffffffffL, -1),
          new Draws(0xa4093822299f31d0L, 1, 3),
          // The low half of a step counts.
          new Draws(42, (7L << 32) + 9, 1));

  private static Kernels open(String isa) {
    try (qt_context context = new qt_context()) {
      QuantrainNative.qt_context_create(context, 1);
      boolean has = QuantrainNative.qt_context_force_isa(context, isa) == QuantrainNative.QT_OK;
      QuantrainNative.qt_context_destroy(context);
      assumeTrue(has, "this processor has no " + isa);
    }
    return Kernels.open(isa);
  }

  /** Each instruction set draws as many words at once as its vectors hold. */
  @ParameterizedTest
  @ValueSource(strings = {"baseline", "avx2", "avx512"})
  void codesAndMasksFollowTheDraws(String isa) {
    Random random = new Random(1);
    List<Layout> layouts =
        List.of(
            Layout.tensor(10_007), new Layout(1, 5, 211), new Layout(203, 7, 1), Layout.tensor(3));
    try (Kernels kernels = open(isa)) {
      for (Grid grid : List.of(Grid.U2, Grid.S4.narrow(), Grid.U8, Grid.S8)) {
        for (Layout layout : layouts) {
          for (Draws draws : DRAWS) {
            Quantizer quantizer = quantizer(layout, grid, random);
            compare(kernels, quantizer, draws, false, random);
            compare(kernels, quantizer, draws, true, random);
          }
        }
      }
    }
  }

  private static void compare(
      Kernels kernels, Quantizer q, Draws draws, boolean bf16, Random random) {
    float[] x = values(q, bf16, random);
    int n = x.length;
    byte[] codes;
    byte[] mask;
    byte[] realMask;
    float[] y;
    try (KernelMemory memory = new KernelMemory(kernels, bf16)) {
      Pointer input = memory.real(x);
      FloatPointer scale = memory.floats(q.scale);
      IntPointer zeroPoint = memory.ints(q.zeroPoint);
      BytePointer to = memory.bytes(n);
      BytePointer bits = memory.bytes((n + 7) / 8);
      qt_stochastic_quantize_args args = new qt_stochastic_quantize_args();
      args.x(input).scale(scale).zero_point(zeroPoint).codes(to).mask(bits);
      args.outer(q.layout.outer()).channels(q.layout.channels()).inner(q.layout.inner());
      args.qmin(q.grid.qmin()).qmax(q.grid.qmax()).element_type(memory.elementType());
      args.code_type(q.grid.qmin() < 0 ? QuantrainNative.QT_S8 : QuantrainNative.QT_U8);
      draws.into(args.draws(), memory);
      memory.run(QuantrainNative::qt_stochastic_quantize, args);
      codes = Kernels.get(to, n);
      mask = Kernels.get(bits, (n + 7) / 8);

      Pointer real = memory.real(new float[n]);
      qt_stochastic_fake_quant_args fake = new qt_stochastic_fake_quant_args();
      fake.x(input).scale(scale).zero_point(zeroPoint).y(real).mask(bits);
      fake.outer(q.layout.outer()).channels(q.layout.channels()).inner(q.layout.inner());
      fake.qmin(q.grid.qmin()).qmax(q.grid.qmax()).element_type(memory.elementType());
      draws.into(fake.draws(), memory);
      memory.run(QuantrainNative::qt_stochastic_fake_quant, fake);
      y = memory.real(real, n);
      realMask = Kernels.get(bits, (n + 7) / 8);
    }
    for (int i = 0; i < n; i++) {
      double level = q.level(i, x[i], draws);
      int code = q.code(level);
      String where = q.layout + ", " + draws + ", x[" + i + "] = " + x[i];
      assertEquals((byte) code, codes[i], where);
      assertEquals(bf16 ? Bfloat16.round(q.real(i, code)) : q.real(i, code), y[i], where);
      boolean inside = level >= q.grid.qmin() && level <= q.grid.qmax();
      assertEquals(inside, Kernels.bit(mask, i), where);
    }
    assertArrayEquals(mask, realMask);
  }

  /** 40,000 draws: the mean is off by at most 1/2 / 200, five times which never happens. */
  @Test
  void theMeanOverStepsIsTheNumber() {
    int n = 1000;
    int steps = 40;
    float part = 0.3f;
    float[] x = new float[n];
    Arrays.fill(x, 2 + part);
    long sum = 0;
    try (Kernels kernels = Kernels.open(null);
        KernelMemory memory = new KernelMemory(kernels, false)) {
      BytePointer codes = memory.bytes(n);
      for (int step = 0; step < steps; step++) {
        qt_stochastic_quantize_args args = new qt_stochastic_quantize_args();
        args.x(memory.real(x)).scale(memory.floats(1)).zero_point(memory.ints(0)).codes(codes);
        args.outer(1).channels(1).inner(n).qmin(-128).qmax(127);
        args.code_type(QuantrainNative.QT_S8).element_type(memory.elementType());
        new Draws(5, step, 0).into(args.draws(), memory);
        memory.run(QuantrainNative::qt_stochastic_quantize, args);
        for (byte code : Kernels.get(codes, n)) {
          assertTrue(code == 2 || code == 3);
          sum += code;
        }
      }
    }
    double draws = (double) n * steps;
    assertEquals(2 + part, sum / draws, 5 * 0.5 / Math.sqrt(draws));
  }
}
