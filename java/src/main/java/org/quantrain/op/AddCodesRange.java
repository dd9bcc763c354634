package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.tensor.TensorSpec;

/**
 * Exact range of the real sum of two code tensors after an activation. Inputs a, scale, zero-point,
 * b, scale, zero-point; outputs min [1], max [1].
 */
public record AddCodesRange(boolean relu, float upper) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 6, 6);
    Expect.codes("a", in.get(0));
    Expect.is("b", in.get(3), in.get(0));
    return List.of(TensorSpec.f32(1), TensorSpec.f32(1));
  }
}
