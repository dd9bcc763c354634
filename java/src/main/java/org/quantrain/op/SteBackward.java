package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.TensorSpec;

/** Straight-through gradient: dx = mask ? dy : 0. Inputs dy float32, mask. */
public record SteBackward() implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 2, 2);
    Expect.dtype("dy", in.get(0), DType.F32);
    Expect.is("mask", in.get(1), in.get(0).as(DType.MASK));
    return List.of(in.get(0));
  }
}
