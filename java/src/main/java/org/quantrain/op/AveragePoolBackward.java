package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/** Gradient of {@link AveragePool}. Input dy; output of shape x. */
public record AveragePoolBackward(PoolWindow window, boolean countPadding, Shape x) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 1, 1);
    Expect.is("dy", in.get(0), new TensorSpec(DType.F32, window.output(x)));
    return List.of(new TensorSpec(DType.F32, x));
  }
}
