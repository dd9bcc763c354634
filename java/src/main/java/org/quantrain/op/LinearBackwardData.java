package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.graph.ShapeException;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/** dx = dy w. Inputs dy [N,O], w [O,I], both float32 or both bf16; output [N,I], float32. */
public record LinearBackwardData() implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 2, 2);
    Expect.operands(in.get(0), in.get(1));
    Shape dy = in.get(0).shape();
    Shape w = in.get(1).shape();
    if (dy.rank() != 2 || w.rank() != 2 || dy.dim(1) != w.dim(0)) {
      throw new ShapeException("expected dy [N,O] and w [O,I], got " + dy + " and " + w);
    }
    return List.of(new TensorSpec(DType.F32, Shape.of(dy.dim(0), w.dim(1))));
  }
}
