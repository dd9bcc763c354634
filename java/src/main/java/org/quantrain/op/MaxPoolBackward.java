package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/** Gradient of {@link MaxPool}. Inputs dy, argmax; output of shape x. */
public record MaxPoolBackward(PoolWindow window, Shape x) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 2, 2);
    Expect.is("dy", in.get(0), new TensorSpec(DType.F32, window.output(x)));
    Expect.is("argmax", in.get(1), in.get(0).as(DType.U8));
    return List.of(new TensorSpec(DType.F32, x));
  }
}
