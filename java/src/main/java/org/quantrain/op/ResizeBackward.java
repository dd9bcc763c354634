package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/** Gradient of {@link Resize}: dy [N,C,height,width] to [N,C,H,W], sums in a fixed order. */
public record ResizeBackward(Resize resize, Shape x) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 1, 1);
    TensorSpec dx = new TensorSpec(DType.F32, x);
    Expect.is("dy", in.get(0), resize.infer(List.of(dx)).get(0));
    return List.of(dx);
  }
}
