package org.quantrain.op;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.util.Random;
import org.junit.jupiter.api.Test;
import org.quantrain.quant.Target;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.Shape;
import org.quantrain.testkit.EdgeValues;
import org.quantrain.testkit.Tensors;

/** Symmetric weight codes. */
class WeightGridTest {
  private static final QuantSpec PER_CHANNEL = Target.ORT.weight(8, true);

  @Test
  void eightBitSymmetricCodesNeverReach128() {
    // Among random magnitudes are many whose division by their own scale rounds up past 127.
    int channels = 4096;
    Random random = new Random(1);
    float[] w = new float[channels * 2];
    for (int c = 0; c < channels; c++) {
      float magnitude = Float.intBitsToFloat(random.nextInt(0x7f000000));
      w[2 * c] = magnitude;
      w[2 * c + 1] = -magnitude;
    }
    HostTensor weights = HostTensor.of(Shape.of(channels, 2), w);
    for (QuantSpec spec :
        new QuantSpec[] {PER_CHANNEL, new QuantSpec(8, true, false, true, true)}) {
      int[] codes = OneOp.run(new QuantizeWeight(spec), weights).output(0).codes();
      float[] scale = OneOp.run(new QuantizeWeight(spec), weights).output(1).floats();
      for (int c = 0; c < channels; c++) {
        // Denormal magnitudes are below the smallest scale.
        int expected = scale[c] > Float.MIN_NORMAL ? 127 : Math.round(w[2 * c] / scale[c]);
        assertEquals(expected, codes[2 * c], "of " + w[2 * c]);
        assertEquals(-expected, codes[2 * c + 1], "of " + w[2 * c + 1]);
      }
    }
  }

  @Test
  void eightBitSymmetricCodesOfLearnedScalesNeverReach128() {
    HostTensor w = HostTensor.of(Shape.of(2, 4), 1, -1, 3e38f, -3e38f, 128, -128, 127.6f, -127.6f);
    HostTensor scale = Tensors.vector(1e-3f, 1f);
    HostTensor zero = Tensors.vector(0, 0);
    int[] expected = {127, -127, 127, -127, 127, -127, 127, -127};
    HostTensor x = Tensors.vector(0.02f);
    FoldWeight fold = new FoldWeight(PER_CHANNEL, false, false, 0, ScaleRule.STEP, 1);
    assertArrayEquals(
        expected, OneOp.run(new Quantize(PER_CHANNEL), w, scale, zero).output(0).codes());
    assertArrayEquals(expected, OneOp.run(fold, w, x, scale, zero).output(0).codes());
  }

  @Test
  void aChannelOfOneSignKeepsZeroAtCodeZero() {
    HostTensor w = HostTensor.of(Shape.of(2, 4), 0, 1, 2, 2.54f, 0, -1, -2, -2.54f);
    OneOp.Result r = OneOp.run(new QuantizeWeight(PER_CHANNEL), w);
    assertArrayEquals(new float[] {2.54f / 127, 2.54f / 127}, r.output(1).floats());
    assertArrayEquals(new int[] {0, 50, 100, 127, 0, -50, -100, -127}, r.output(0).codes());
  }

  @Test
  void everyChannelUsesItsOwnMagnitude() {
    HostTensor w = HostTensor.of(Shape.of(3, 2), 1, -0.5f, 100, 1, 1e-6f, -1e-6f);
    int[] codes = OneOp.run(new QuantizeWeight(PER_CHANNEL), w).output(0).codes();
    assertArrayEquals(new int[] {127, -64, 127, 1, 127, -127}, codes);
  }

  @Test
  void theSignOfGammaGoesIntoTheCodesAndZeroCountsAsPositive() {
    HostTensor w = HostTensor.of(Shape.of(4, 2), 1f, -1f, -1f, 1f, 1f, -1f, 1f, -1f);
    HostTensor gamma = Tensors.vector(2f, -2f, 0f, -0f);
    OneOp.Result r = OneOp.run(new QuantizeWeight(PER_CHANNEL), w, gamma);
    assertArrayEquals(new int[] {127, -127, 127, -127, 127, -127, 127, -127}, r.output(0).codes());
  }

  @Test
  void trainingDeploysTheCodesItTrained() {
    int channels = 24;
    HostTensor w =
        HostTensor.of(Shape.of(channels, 3, 3, 3), EdgeValues.ordinary(channels * 27, 5));
    HostTensor gamma = Tensors.vector(EdgeValues.ordinary(channels, 6));
    HostTensor beta = Tensors.vector(EdgeValues.ordinary(channels, 7));
    HostTensor mean = Tensors.vector(EdgeValues.ordinary(channels, 8));
    HostTensor var = Tensors.vector(EdgeValues.between(channels, 9, 0.1f, 3));
    OneOp.Result trained = OneOp.run(new QuantizeWeight(PER_CHANNEL), w, gamma);
    OneOp.Result deployed =
        OneOp.run(
            new FoldWeight(PER_CHANNEL, false, true, 1e-5f),
            w,
            Tensors.vector(0.02f),
            gamma,
            beta,
            mean,
            var);
    assertArrayEquals(trained.output(0).codes(), deployed.output(0).codes());
  }
}
