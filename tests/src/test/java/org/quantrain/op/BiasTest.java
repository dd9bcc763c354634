package org.quantrain.op;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.quantrain.quant.Target;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.Shape;
import org.quantrain.testkit.Tensors;

/** The int32 bias of the deployed form. */
class BiasTest {
  private static final QuantSpec SPEC = Target.ORT.weight(8, true);

  /** Weights whose scale is 1 in every channel, so that the bias is in units of x's scale. */
  private static HostTensor unitWeights(int channels) {
    return HostTensor.filled(Shape.of(channels, 3), 127);
  }

  @Test
  void theExportedBiasRoundsToNearestEvenAndNeverTruncates() {
    float[] units = {0, 0.5f, 1.5f, 2.5f, 2.75f, -0.5f, -1.5f, -2.5f, -2.75f, 1e6f + 0.5f, -7.49f};
    int[] expected = {0, 0, 2, 2, 3, 0, -2, -2, -3, 1000000, -7};
    float[] bias = new float[units.length];
    for (int i = 0; i < bias.length; i++) {
      bias[i] = 0.25f * units[i];
    }
    OneOp.Result r =
        OneOp.run(
            new FoldWeight(SPEC, true, false, 0),
            unitWeights(bias.length),
            Tensors.vector(0.25f),
            Tensors.vector(bias));
    assertArrayEquals(expected, r.output(3).ints());
  }

  @Test
  void theExportedBiasIsBetaMinusTheScaledMean() {
    // gamma / sqrt(var + epsilon) = 0.5, so that the bias is 3 - 0.5 * 7 = -0.5 at scale 0.25 *
    // 0.5.
    float epsilon = 1e-5f;
    OneOp.Result r =
        OneOp.run(
            new FoldWeight(SPEC, false, true, epsilon),
            unitWeights(2),
            Tensors.vector(0.25f),
            Tensors.vector(1f, -1f),
            Tensors.vector(3f, 3f),
            Tensors.vector(7f, 7f),
            Tensors.vector(4 - epsilon, 4 - epsilon));
    assertArrayEquals(new float[] {0.125f, 0.125f}, r.output(2).floats());
    // The second gamma is negative: 3 + 0.5 * 7.
    assertArrayEquals(new int[] {-4, 52}, r.output(3).ints());
  }

  @Test
  void aBiasOutOfRangeRaisesTheScaleUntilItFits() {
    float beta = 1e4f;
    OneOp.Result r =
        OneOp.run(
            new FoldWeight(SPEC, false, true, 1e-5f),
            unitWeights(1),
            Tensors.vector(0.25f),
            Tensors.vector(1e-30f),
            Tensors.vector(beta),
            Tensors.vector(0f),
            Tensors.vector(1f));
    int bias = r.output(3).ints()[0];
    float scale = r.output(2).floats()[0];
    assertTrue(Math.abs(bias) <= 1 << 30, "bias " + bias);
    assertEquals(beta, bias * (double) scale, 0.5 * scale);
    assertArrayEquals(new int[] {0, 0, 0}, r.output(0).codes());
  }
}
