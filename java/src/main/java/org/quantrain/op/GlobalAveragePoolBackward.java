package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/**
 * Gradient of {@link GlobalAveragePool}: dy / (H * W) everywhere. Input dy [N,C,1,1]; output of
 * shape x.
 */
public record GlobalAveragePoolBackward(Shape x) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 1, 1);
    Expect.is("dy", in.get(0), TensorSpec.f32(x.dim(0), x.dim(1), 1, 1));
    return List.of(new TensorSpec(DType.F32, x));
  }
}
