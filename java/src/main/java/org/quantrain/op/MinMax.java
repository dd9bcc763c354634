package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/**
 * Smallest and largest element. Input x, any shape; outputs min [1], max [1], number of NaN [1]
 * int64.
 */
public record MinMax() implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 1, 1);
    Expect.dtype("x", in.get(0), DType.F32);
    return List.of(TensorSpec.f32(1), TensorSpec.f32(1), new TensorSpec(DType.S64, Shape.of(1)));
  }
}
