package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.TensorSpec;

/**
 * Scale of an accumulator of two computed operands, a scale * b scale in float32. Inputs [1] and
 * [1]; output [channels], all equal.
 */
public record ProductScale(int channels) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 2, 2);
    Expect.vectors(in, 0, 2, DType.F32, 1);
    return List.of(TensorSpec.f32(channels));
  }
}
