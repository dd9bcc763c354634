package org.quantrain.kernel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Random;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.FloatPointer;
import org.bytedeco.javacpp.IntPointer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_add_codes_args;
import org.quantrain.internal.bind.qt_concat_codes_args;
import org.quantrain.internal.bind.qt_mul_codes_args;
import org.quantrain.internal.bind.qt_pack_codes_args;
import org.quantrain.internal.bind.qt_unpack_codes_args;

/** Add, multiply, concatenate and pack codes, against plain Java. */
class CodesTest {
  private static final int PAIRS = 1 << 16;

  /** Element i of two tensors that hold every pair of codes. */
  private static byte[] codes(boolean upper) {
    byte[] codes = new byte[PAIRS];
    for (int i = 0; i < PAIRS; i++) {
      codes[i] = (byte) (upper ? i / 256 : i);
    }
    return codes;
  }

  private static float clamp(float v, float lo, float hi) {
    float low = v > lo ? v : lo;
    return low < hi ? low : hi;
  }

  /**
   * The last row: sb * 205 is 2^-21 (1 + 2^-30), so that a fused sum rounded to double and then to
   * float is wrong.
   */
  @ParameterizedTest
  @CsvSource({
    "0.0173,3,0.05,117,0.031,11",
    "0.25,128,0.5,128,0.5,128",
    "1,0,1e-30,0,1e-30,0",
    "0.5,17,2.32603492e-9,0,1,0"
  })
  void addRoundsOnceOnEveryInstructionSet(float sa, int za, float sb, int zb, float sy, int zy) {
    float ratioA = sa / sy;
    float ratioB = sb / sy;
    float fix = zy - Math.fma(ratioA, (float) za, ratioB * zb);
    // The others give the bits of this one, which has no fused instruction.
    try (Kernels kernels = Kernels.open("baseline");
        qt_add_codes_args args = new qt_add_codes_args();
        BytePointer a = Kernels.bytes(codes(false));
        BytePointer b = Kernels.bytes(codes(true));
        BytePointer y = new BytePointer((long) PAIRS);
        FloatPointer aScale = Kernels.floats(sa);
        FloatPointer bScale = Kernels.floats(sb);
        FloatPointer yScale = Kernels.floats(sy);
        IntPointer aZero = Kernels.ints(za);
        IntPointer bZero = Kernels.ints(zb);
        IntPointer yZero = Kernels.ints(zy)) {
      args.a(a).b(b).y(y).mask(null).n(PAIRS).qmin(0).qmax(255).relu(0);
      args.a_scale(aScale).a_zero_point(aZero).b_scale(bScale).b_zero_point(bZero);
      args.y_scale(yScale).y_zero_point(yZero).code_type(QuantrainNative.QT_U8);
      kernels.run(QuantrainNative::qt_add_codes, args);
      byte[] actual = Kernels.get(y, PAIRS);
      for (int i = 0; i < PAIRS; i++) {
        float level = Math.fma((float) (i % 256), ratioA, Math.fma((float) (i / 256), ratioB, fix));
        assertEquals((byte) Math.rint(clamp(level, 0, 255)), actual[i], "pair " + i);
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"0.0173,3,0.05,-7,0.031,11", "0.5,0,0.25,0,0.5,1", "1,5,1,-5,1e-38,0"})
  void mulRoundsProductAndSumApart(float sa, int za, float sb, int zb, float sy, int zy) {
    try (Kernels kernels = Kernels.open(null);
        qt_mul_codes_args args = new qt_mul_codes_args();
        BytePointer a = Kernels.bytes(codes(false));
        BytePointer b = Kernels.bytes(codes(true));
        BytePointer y = new BytePointer((long) PAIRS);
        BytePointer mask = new BytePointer((long) PAIRS / 8);
        FloatPointer aScale = Kernels.floats(sa);
        FloatPointer bScale = Kernels.floats(sb);
        FloatPointer yScale = Kernels.floats(sy);
        IntPointer aZero = Kernels.ints(za);
        IntPointer bZero = Kernels.ints(zb);
        IntPointer yZero = Kernels.ints(zy)) {
      args.a(a).b(b).y(y).mask(mask).n(PAIRS).qmin(-128).qmax(127);
      args.a_scale(aScale).a_zero_point(aZero).b_scale(bScale).b_zero_point(bZero);
      args.y_scale(yScale).y_zero_point(yZero).code_type(QuantrainNative.QT_S8);
      kernels.run(QuantrainNative::qt_mul_codes, args);
      byte[] actual = Kernels.get(y, PAIRS);
      byte[] actualMask = Kernels.get(mask, PAIRS / 8);
      float multiplier = sa * sb / sy;
      for (int i = 0; i < PAIRS; i++) {
        float product = (float) (((byte) i - za) * ((byte) (i / 256) - zb)) * multiplier;
        float level = product + zy;
        assertEquals((byte) Math.rint(clamp(level, -128, 127)), actual[i], "pair " + i);
        assertEquals(level >= -128 && level <= 127, Kernels.bit(actualMask, i), "pair " + i);
      }
    }
  }

  @Test
  void concatenatedInputsShareOneGrid() {
    int outer = 40;
    int[] widths = {3, 64, 1, 190};
    float[] scales = {0.25f, 0.1f, 0.5f, 0.033f};
    int[] zeros = {3, 128, 0, 250};
    int all = 258;
    float sy = 0.1f;
    int zy = -20;
    byte[] y;
    byte[][] inputs = new byte[widths.length][];
    try (Kernels kernels = Kernels.open(null);
        BytePointer to = new BytePointer((long) outer * all);
        FloatPointer yScale = Kernels.floats(sy);
        IntPointer yZero = Kernels.ints(zy)) {
      int offset = 0;
      for (int k = 0; k < widths.length; k++) {
        inputs[k] = new byte[outer * widths[k]];
        new Random(k).nextBytes(inputs[k]);
        try (qt_concat_codes_args args = new qt_concat_codes_args();
            BytePointer x = Kernels.bytes(inputs[k]);
            FloatPointer xScale = Kernels.floats(scales[k]);
            IntPointer xZero = Kernels.ints(zeros[k])) {
          args.x(x).x_scale(xScale).x_zero_point(xZero).y_scale(yScale).y_zero_point(yZero);
          args.y(to).mask(null).outer(outer).width(widths[k]).y_width(all).offset(offset);
          args.qmin(-127).qmax(127);
          args.code_type(QuantrainNative.QT_U8).y_code_type(QuantrainNative.QT_S8);
          kernels.run(QuantrainNative::qt_concat_codes, args);
        }
        offset += widths[k];
      }
      y = Kernels.get(to, outer * all);
    }
    for (int row = 0; row < outer; row++) {
      int at = row * all;
      for (int k = 0; k < widths.length; k++) {
        for (int i = 0; i < widths[k]; i++, at++) {
          float x = scales[k] * (Byte.toUnsignedInt(inputs[k][row * widths[k] + i]) - zeros[k]);
          float level = (float) Math.rint(x / sy) + zy;
          assertEquals((byte) clamp(level, -127, 127), y[at], "row " + row + ", input " + k);
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 4, 5, 6, 7, 8})
  void packedCodesLieBitByBitAndComeBack(int bits) {
    for (int n : new int[] {1, 7, 8, 9, 1021, 70_001}) {
      byte[] codes = new byte[n];
      new Random(n).nextBytes(codes);
      int bytes = (n * bits + 7) / 8;
      byte[] expected = new byte[bytes];
      for (int i = 0; i < n * bits; i++) {
        expected[i / 8] |= (byte) ((codes[i / bits] >> i % bits & 1) << i % 8);
      }
      try (Kernels kernels = Kernels.open(null);
          qt_pack_codes_args pack = new qt_pack_codes_args();
          qt_unpack_codes_args unpack = new qt_unpack_codes_args();
          BytePointer from = Kernels.bytes(codes);
          BytePointer packed = new BytePointer((long) bytes);
          BytePointer back = new BytePointer((long) n)) {
        pack.codes(from).packed(packed).n(n).bits(bits);
        kernels.run(QuantrainNative::qt_pack_codes, pack);
        assertArrayEquals(expected, Kernels.get(packed, bytes));
        unpack.packed(packed).codes(back).n(n).bits(bits);
        for (boolean signed : new boolean[] {false, true}) {
          unpack.code_type(signed ? QuantrainNative.QT_S8 : QuantrainNative.QT_U8);
          kernels.run(QuantrainNative::qt_unpack_codes, unpack);
          byte[] actual = Kernels.get(back, n);
          for (int i = 0; i < n; i++) {
            int shifted = codes[i] << (32 - bits);
            int code = signed ? shifted >> (32 - bits) : shifted >>> (32 - bits);
            assertEquals((byte) code, actual[i], "code " + i);
          }
        }
      }
    }
  }

  @Test
  void fourBitsAreTheOnnxFormat() {
    // ONNX int4: the first of a pair is the low nibble; an odd end is padded with 0.
    byte[] packed = new byte[2];
    try (Kernels kernels = Kernels.open(null);
        qt_pack_codes_args args = new qt_pack_codes_args();
        BytePointer codes = Kernels.bytes(new byte[] {-8, 7, -1});
        BytePointer to = new BytePointer(2L)) {
      args.codes(codes).packed(to).n(3).bits(4);
      kernels.run(QuantrainNative::qt_pack_codes, args);
      to.get(packed);
    }
    assertArrayEquals(new byte[] {0x78, 0x0f}, packed);
  }
}
