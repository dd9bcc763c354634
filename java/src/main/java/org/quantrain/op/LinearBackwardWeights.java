package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.graph.ShapeException;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/** dw = dy^T x. Inputs x [N,I], dy [N,O], both float32 or both bf16; output [O,I], float32. */
public record LinearBackwardWeights() implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 2, 2);
    Expect.operands(in.get(0), in.get(1));
    Shape x = in.get(0).shape();
    Shape dy = in.get(1).shape();
    if (x.rank() != 2 || dy.rank() != 2 || x.dim(0) != dy.dim(0)) {
      throw new ShapeException("expected x [N,I] and dy [N,O], got " + x + " and " + dy);
    }
    return List.of(new TensorSpec(DType.F32, Shape.of(dy.dim(1), x.dim(1))));
  }
}
