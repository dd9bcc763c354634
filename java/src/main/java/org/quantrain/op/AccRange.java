package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.TensorSpec;

/**
 * Exact range of out scale * (keep * acc + bias) after an activation, from the accumulator's
 * extrema. Inputs min [C], max [C] int32, out scale [C], bias [C], optional keep [C]; outputs min
 * [1], max [1].
 */
public record AccRange(boolean relu, float upper) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 4, 5);
    int c = in.get(0).shape().dim(0);
    Expect.vectors(in, 0, 2, DType.S32, c);
    Expect.vectors(in, 2, 3, DType.F32, c);
    Expect.vectors(in, 3, in.size(), DType.S32, c);
    return List.of(TensorSpec.f32(1), TensorSpec.f32(1));
  }
}
