package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/** Inverse of {@link Flatten}: [N,C*H*W] to [N,C,H,W], float32. */
public record Unflatten(Shape x) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 1, 1);
    Expect.is("dy", in.get(0), TensorSpec.f32(x.dim(0), x.dim(1) * x.dim(2) * x.dim(3)));
    return List.of(new TensorSpec(DType.F32, x));
  }
}
