package org.quantrain.quant;

import java.util.function.Function;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.op.FoldWeight;
import org.quantrain.tensor.HostTensor;

/**
 * A layer's weights as export writes them: what its {@link FoldWeight} computed, proven to be what
 * a runtime will take it for.
 *
 * @param codes S8 [K,...] in memory order
 * @param scale F32 [K]
 * @param outScale F32 [K]: input scale * scale, to the bit
 * @param bias S32 [K] at the scale outScale
 * @param hasOneScale one for the whole tensor: all K are equal
 */
public record DeployedWeights(
    HostTensor codes, HostTensor scale, HostTensor outScale, HostTensor bias, boolean hasOneScale) {
  /**
   * @param fold a {@link FoldWeight}
   * @param contents of its outputs
   * @param largestInput of {@link AccumulatorBound#largestInput}
   * @throws IllegalArgumentException if a scale is none, scales contradict each other, or an
   *     accumulator could overflow
   */
  public static DeployedWeights of(
      Node fold, Function<Value, HostTensor> contents, float inputScale, int largestInput) {
    HostTensor codes = contents.apply(fold.output(0));
    HostTensor scale = contents.apply(fold.output(1));
    HostTensor outScale = contents.apply(fold.output(2));
    HostTensor bias = contents.apply(fold.output(3));
    float[] sw = scale.floats();
    float[] so = outScale.floats();
    boolean hasOneScale = !((FoldWeight) fold.op()).spec().perChannel();
    for (int k = 0; k < sw.length; k++) {
      float product = inputScale * sw[k];
      require(
          sw[k] > 0 && Float.isFinite(sw[k]) && so[k] > 0 && Float.isFinite(so[k]),
          "channel " + k + " has scale " + sw[k] + ", with the input's " + so[k]);
      require(
          sameBits(product, so[k]),
          "channel %d: expected out scale %s = %s * %s, got %s"
              .formatted(k, product, inputScale, sw[k], so[k]));
      hasOneScale &= sameBits(sw[k], sw[0]);
    }
    int overflow = AccumulatorBound.firstOverflow(codes, largestInput, bias.ints());
    require(
        overflow < 0, "the int32 accumulator of output channel " + overflow + " could overflow");
    return new DeployedWeights(codes, scale, outScale, bias, hasOneScale);
  }

  private static boolean sameBits(float a, float b) {
    return Float.floatToRawIntBits(a) == Float.floatToRawIntBits(b);
  }

  private static void require(boolean holds, String problem) {
    if (!holds) {
      throw new IllegalArgumentException(problem);
    }
  }
}
