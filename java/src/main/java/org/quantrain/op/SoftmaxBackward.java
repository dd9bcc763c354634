package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.TensorSpec;

/** dx = y (dy - sum(y dy)) of {@link Softmax}. Inputs y, dy. */
public record SoftmaxBackward(int axis) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 2, 2);
    Expect.dtype("y", in.get(0), DType.F32);
    Expect.is("dy", in.get(1), in.get(0));
    Expect.axis(axis, in.get(0).shape());
    return List.of(in.get(0));
  }
}
