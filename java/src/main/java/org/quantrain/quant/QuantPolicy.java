package org.quantrain.quant;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;
import org.quantrain.tensor.QuantSpec;

/**
 * Which value gets which grid. WxAy: weights x bits, activations y bits; the first and last layer,
 * the network input and both operands of an add have 8 bits unless an override says otherwise;
 * logits stay float, or have 8 bits where the target computes no float.
 *
 * @param firstAndLastBits bits of the weights and the input activation of the first and last layer
 * @param overrides the first whose pattern matches a layer's whole name wins
 */
public record QuantPolicy(
    Target target,
    int weightBits,
    int activationBits,
    int firstAndLastBits,
    boolean perChannelWeights,
    Quantizer quantizer,
    List<Override> overrides) {

  /** Bits of the layers whose name matches; 0 keeps what the policy says. */
  public record Override(Pattern layer, int weightBits, int activationBits) {}

  /**
   * Bits of an operand of an add, of the network input, of logits that are codes, and of what an
   * operation that stays float reads.
   */
  public static final int ADD_BITS = 8;

  public QuantPolicy {
    overrides = List.copyOf(overrides);
    target.weight(weightBits, perChannelWeights);
    target.activation(activationBits);
    target.weight(firstAndLastBits, perChannelWeights);
    target.requireQuantizer(quantizer);
    if (quantizer.weights().isLearned() && !perChannelWeights) {
      throw new IllegalArgumentException(
          "quantizer " + quantizer.id() + " learns weight scales per channel, not per tensor");
    }
    for (Override o : overrides) {
      if (o.weightBits() != 0) {
        target.weight(o.weightBits(), perChannelWeights);
      }
      if (o.activationBits() != 0) {
        target.activation(o.activationBits());
      }
    }
  }

  /** W8A8, per-channel weights where the target has them, {@link Quantizer#EMA}. */
  public static QuantPolicy forTarget(Target target) {
    return new QuantPolicy(target, 8, 8, 8, target.scalesPerChannel(), Quantizer.EMA, List.of());
  }

  public QuantPolicy weights(int bits) {
    return new QuantPolicy(
        target, bits, activationBits, firstAndLastBits, perChannelWeights, quantizer, overrides);
  }

  public QuantPolicy activations(int bits) {
    return new QuantPolicy(
        target, weightBits, bits, firstAndLastBits, perChannelWeights, quantizer, overrides);
  }

  public QuantPolicy firstAndLast(int bits) {
    return new QuantPolicy(
        target, weightBits, activationBits, bits, perChannelWeights, quantizer, overrides);
  }

  public QuantPolicy perTensorWeights() {
    return new QuantPolicy(
        target, weightBits, activationBits, firstAndLastBits, false, quantizer, overrides);
  }

  public QuantPolicy quantizer(Quantizer other) {
    return new QuantPolicy(
        target, weightBits, activationBits, firstAndLastBits, perChannelWeights, other, overrides);
  }

  /** Adds an override for the layers whose whole name matches a regular expression. */
  public QuantPolicy override(String layer, int weightBits, int activationBits) {
    List<Override> more = new ArrayList<>(overrides);
    more.add(new Override(Pattern.compile(layer), weightBits, activationBits));
    return new QuantPolicy(
        target,
        this.weightBits,
        this.activationBits,
        firstAndLastBits,
        perChannelWeights,
        quantizer,
        more);
  }

  /** Grid of a layer's weights. */
  public QuantSpec weightSpec(String layer, boolean firstOrLast) {
    int bits = firstOrLast ? firstAndLastBits : weightBits;
    for (Override o : overrides) {
      if (o.layer().matcher(layer).matches()) {
        bits = o.weightBits() == 0 ? bits : o.weightBits();
        break;
      }
    }
    return target.weight(bits, perChannelWeights);
  }

  /** Bits of a layer's input. */
  public int inputBits(String layer, boolean firstOrLast) {
    int bits = firstOrLast ? firstAndLastBits : activationBits;
    for (Override o : overrides) {
      if (o.layer().matcher(layer).matches()) {
        return o.activationBits() == 0 ? bits : o.activationBits();
      }
    }
    return bits;
  }

  @java.lang.Override
  public String toString() {
    return "W"
        + weightBits
        + "A"
        + activationBits
        + " for "
        + target.id()
        + (quantizer == Quantizer.EMA ? "" : " by " + quantizer.id());
  }
}
