package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.TensorSpec;

/**
 * Gradient of {@link FoldWeight}. Inputs w, gradient of the folded weights, gradient of the real
 * bias [K], and with batch norm gamma, mean, variance, then the learned scale [K] if {@code
 * learned}; outputs dw, dbias, and with batch norm dgamma, dbeta.
 */
public record FoldWeightBackward(
    QuantSpec spec, boolean hasBatchNorm, float epsilon, boolean learned) implements Op {
  /** Of weights whose scales are not learned. */
  public FoldWeightBackward(QuantSpec spec, boolean hasBatchNorm, float epsilon) {
    this(spec, hasBatchNorm, epsilon, false);
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    int count = (hasBatchNorm ? 6 : 3) + (learned ? 1 : 0);
    Expect.count(in, count, count);
    Expect.is("gradient", in.get(1), in.get(0));
    TensorSpec k = TensorSpec.f32(in.get(0).shape().dim(0));
    return hasBatchNorm ? List.of(in.get(0), k, k, k) : List.of(in.get(0), k);
  }
}
