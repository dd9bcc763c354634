package org.quantrain.op;

import java.util.List;
import org.quantrain.tensor.QuantSpec;

/** Where a quantizer's scale and zero-point come from, and how gradients pass it. */
public enum ScaleRule {
  /** From the weights' largest magnitude or an observer; straight-through inside the grid. */
  OBSERVED(),
  /**
   * The scale is a parameter, the zero-point stays as calibrated (LSQ, Esser et al. 2020,
   * arXiv:1902.08153).
   */
  STEP("learned_scale"),
  /**
   * The scale and the real number of code 0 are parameters; the zero-point is that number in steps,
   * rounded (LSQ+, Bhalgat et al. 2020, arXiv:2004.09576).
   */
  STEP_AND_OFFSET("learned_scale", "learned_offset"),
  /** The range is [0, clip] (PACT, Choi et al. 2018, arXiv:1805.06085). */
  CLIP("clip"),
  /**
   * The range is [0, clip], on a symmetric grid [-clip, clip]; the gradient is that of a soft
   * staircase (DSQ, Gong et al. 2019, arXiv:1908.05033).
   */
  SOFT_CLIP("clip", "softness"),
  /** The range is [lower, upper]; the gradient as with {@link #SOFT_CLIP}. */
  SOFT_RANGE("lower", "upper", "softness");

  private final List<String> learned;

  ScaleRule(String... learned) {
    this.learned = List.of(learned);
  }

  /** Names of the parameters; each has as many elements as the quantizer has scales. */
  public List<String> learned() {
    return learned;
  }

  public boolean isLearned() {
    return this != OBSERVED;
  }

  /** The scale itself is learned and carries a gradient. */
  boolean learnsStep() {
    return this == STEP || this == STEP_AND_OFFSET;
  }

  boolean isSoft() {
    return this == SOFT_CLIP || this == SOFT_RANGE;
  }

  /**
   * Values besides scale and zero-point that the gradient needs: the offset; the clip; or ends and
   * softness.
   */
  int operands() {
    return this == STEP ? 0 : isSoft() ? 3 : 1;
  }

  /** Values, the scale among them, that get a gradient. */
  int gradients() {
    return learnsStep() ? learned.size() : operands();
  }

  /**
   * Factor of a learned step's gradient, which balances it with that of the weights: 1 / sqrt(N *
   * Q) with N the values of one image, or the weights of one scale, and Q the steps from 0, or from
   * the lowest code of an affine grid, to the highest (LSQ, section 2.2).
   */
  public float gradientScale(long values, QuantSpec spec) {
    int steps = spec.symmetric() ? spec.qmax() : spec.qmax() - spec.qmin();
    return learnsStep() ? (float) (1 / Math.sqrt((double) values * steps)) : 1;
  }
}
