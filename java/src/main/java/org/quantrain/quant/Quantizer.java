package org.quantrain.quant;

import java.util.Arrays;
import java.util.Locale;
import java.util.stream.Collectors;
import org.quantrain.op.ScaleRule;

/** How the scales of a network are found. */
public enum Quantizer {
  /** Weights by their largest magnitude, activations by moving averages of minimum and maximum. */
  EMA(ScaleRule.OBSERVED, ScaleRule.OBSERVED, ScaleRule.OBSERVED),
  /** Learned scales of weights and activations; zero-points stay as calibrated. */
  LSQ(ScaleRule.STEP, ScaleRule.STEP, ScaleRule.STEP),
  /**
   * As LSQ, with learned zero-points. A value that cannot be negative keeps 0: no other zero-point
   * of an unsigned grid serves it.
   */
  LSQ_PLUS(ScaleRule.STEP, ScaleRule.STEP_AND_OFFSET, ScaleRule.STEP),
  /**
   * A learned clip, with weight decay, of activations that cannot be negative; other activations
   * and the weights as with EMA.
   */
  PACT(ScaleRule.OBSERVED, ScaleRule.OBSERVED, ScaleRule.CLIP),
  /** Learned ranges with the gradient of a soft staircase, of weights and activations. */
  DSQ(ScaleRule.SOFT_CLIP, ScaleRule.SOFT_RANGE, ScaleRule.SOFT_CLIP);

  private final ScaleRule weights;
  private final ScaleRule signed;
  private final ScaleRule nonNegative;

  Quantizer(ScaleRule weights, ScaleRule signed, ScaleRule nonNegative) {
    this.weights = weights;
    this.signed = signed;
    this.nonNegative = nonNegative;
  }

  /** The name users write. */
  public String id() {
    return name().toLowerCase(Locale.ROOT).replace("_plus", "+");
  }

  /**
   * @throws IllegalArgumentException naming the quantizers there are
   */
  public static Quantizer of(String id) {
    return Arrays.stream(values())
        .filter(q -> q.id().equals(id))
        .findFirst()
        .orElseThrow(
            () ->
                new IllegalArgumentException(
                    "unknown quantizer '"
                        + id
                        + "'; quantizers are: "
                        + Arrays.stream(values())
                            .map(Quantizer::id)
                            .collect(Collectors.joining(", "))));
  }

  public ScaleRule weights() {
    return weights;
  }

  /**
   * @param nonNegative the activation cannot be negative
   */
  public ScaleRule activations(boolean nonNegative) {
    return nonNegative ? this.nonNegative : signed;
  }
}
