package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.tensor.TensorSpec;

/** dx = 0 < y < upper ? dy : 0. Inputs y, dy. */
public record ReluBackward(float upper) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 2, 2);
    Expect.is("dy", in.get(1), in.get(0));
    return List.of(in.get(0));
  }
}
