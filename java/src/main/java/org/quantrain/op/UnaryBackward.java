package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.TensorSpec;

/** dx = f'(x) dy of {@link Unary}. Inputs x, dy. */
public record UnaryBackward(Unary.Kind function, float alpha, float beta) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 2, 2);
    Expect.dtype("x", in.get(0), DType.F32);
    Expect.is("dy", in.get(1), in.get(0));
    return List.of(in.get(0));
  }
}
