package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.TensorSpec;

/** Gradient of {@link BatchNorm}. Inputs x, dy, mean, var, gamma; outputs dx, dgamma, dbeta. */
public record BatchNormBackward(float epsilon, BatchNorm.Mode mode) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 5, 5);
    int c = Expect.channels(in.get(0));
    Expect.is("dy", in.get(1), in.get(0));
    Expect.vectors(in, 2, 5, DType.F32, c);
    return List.of(in.get(0), TensorSpec.f32(c), TensorSpec.f32(c));
  }
}
