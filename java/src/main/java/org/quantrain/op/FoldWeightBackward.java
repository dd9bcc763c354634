package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.TensorSpec;

/**
 * Gradient of {@link FoldWeight}. Inputs w, gradient of the folded weights, gradient of the real
 * bias [K], and with batch norm gamma, mean, variance; outputs dw, dbias, and with batch norm
 * dgamma, dbeta.
 */
public record FoldWeightBackward(QuantSpec spec, boolean hasBatchNorm, float epsilon)
    implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    int count = hasBatchNorm ? 6 : 3;
    Expect.count(in, count, count);
    Expect.is("gradient", in.get(1), in.get(0));
    TensorSpec k = TensorSpec.f32(in.get(0).shape().dim(0));
    return hasBatchNorm ? List.of(in.get(0), k, k, k) : List.of(in.get(0), k);
  }
}
