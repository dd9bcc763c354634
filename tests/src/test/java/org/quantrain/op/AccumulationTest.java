package org.quantrain.op;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Arrays;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.testkit.Tensors;

/** Sums of products of codes where float32 has no more room. */
class AccumulationTest {
  private static final HostTensor ONE = Tensors.vector(1f);

  /**
   * 4096 products of 64 * 64 make 2^24; one product of 1 more is the first integer that no float
   * holds.
   */
  private static int[] pastTwoToThe24(int n, int large, int small) {
    int[] codes = new int[n];
    Arrays.fill(codes, 0, n - 1, large);
    codes[n - 1] = small;
    return codes;
  }

  @ParameterizedTest
  @EnumSource
  void aLinearLayerIsExactPastTwoToThe24(Lowering lowering) {
    int k = 4097;
    HostTensor x = Tensors.codes(DType.U8, Shape.of(1, k), pastTwoToThe24(k, 64, 1));
    HostTensor w = Tensors.codes(DType.S8, Shape.of(1, k), pastTwoToThe24(k, 64, 1));
    HostTensor negative = Tensors.codes(DType.S8, Shape.of(1, k), pastTwoToThe24(k, -64, -1));
    LinearCodes op = new LinearCodes(lowering);
    HostTensor zero = Tensors.vector(0);
    int[] sum = OneOp.run(op, x, ONE, zero, w, ONE).output(0).ints();
    assertArrayEquals(new int[] {(1 << 24) + 1}, sum);
    int[] minus = OneOp.run(op, x, ONE, zero, negative, ONE).output(0).ints();
    assertArrayEquals(new int[] {-(1 << 24) - 1}, minus);
  }

  @ParameterizedTest
  @EnumSource
  void aConvolutionIsExactPastTwoToThe24(Lowering lowering) {
    // One pixel of 3x3x456 = 4104 products: 4096 of 64 * 64, one of 1, the others 0.
    int c = 456;
    int[] x = new int[9 * c];
    Arrays.fill(x, 0, 4096, 64);
    x[4096] = 1;
    int[] sum =
        OneOp.run(
                new ConvCodes(ConvGeometry.of(1, 0), lowering),
                Tensors.codes(DType.U8, Shape.of(1, c, 3, 3), x),
                ONE,
                Tensors.vector(0),
                Tensors.codes(DType.S8, Shape.of(1, c, 3, 3), x),
                ONE)
            .output(0)
            .ints();
    assertArrayEquals(new int[] {(1 << 24) + 1}, sum);
  }

  @ParameterizedTest
  @EnumSource
  void theLargestEightBitSumsDoNotSaturate(Lowering lowering) {
    int k = 20000;
    int[] x = new int[k];
    int[] w = new int[k];
    Arrays.fill(x, 255);
    Arrays.fill(w, 127);
    int[] sum =
        OneOp.run(
                new LinearCodes(lowering),
                Tensors.codes(DType.U8, Shape.of(1, k), x),
                ONE,
                Tensors.vector(0),
                Tensors.codes(DType.S8, Shape.of(1, k), w),
                ONE)
            .output(0)
            .ints();
    assertEquals(255 * 127 * k, sum[0]);
  }
}
