package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.TensorSpec;

/**
 * Gradient of {@link ConvBnFold}. Inputs w, gradient of the folded weights, gamma, the variance
 * used; outputs dw, dgamma.
 */
public record ConvBnFoldBackward(float epsilon) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 4, 4);
    Expect.is("gradient", in.get(1), in.get(0));
    int k = in.get(0).shape().dim(0);
    Expect.vectors(in, 2, 4, DType.F32, k);
    return List.of(in.get(0), TensorSpec.f32(k));
  }
}
