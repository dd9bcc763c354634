package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.TensorSpec;

/** dw = sign(gamma) * dwq. Inputs dwq [K,...], gamma [K]. */
public record QuantizeWeightBackward() implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 2, 2);
    Expect.vectors(in, 1, 2, DType.F32, in.get(0).shape().dim(0));
    return List.of(in.get(0));
  }
}
