package org.quantrain.integer;

import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.QuantSpec;

/**
 * Weights of a layer as a quantized file holds them.
 *
 * @param layer name of the convolution or linear layer
 * @param name name of its weights
 * @param codes S8 [K,C/groups,R,S] or [O,I]
 * @param scale F32, one for each of dimension 0
 * @param outScale F32, likewise: input scale * scale
 * @param bias S32, likewise, at the scale outScale
 */
public record IntegerWeights(
    String layer,
    String name,
    HostTensor codes,
    HostTensor scale,
    HostTensor outScale,
    HostTensor bias) {
  /** Of the narrowest grid that holds the codes. */
  public int bits() {
    return QuantSpec.signedBits(codes.codes());
  }

  /** Largest code of that grid, which is symmetric around zero. */
  public int qmax() {
    return (1 << (bits() - 1)) - 1;
  }
}
