package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.TensorSpec;

/** Requantization multiplier out scale / y scale. Inputs out scale [C], y scale [1]; output [C]. */
public record Multiplier() implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 2, 2);
    Expect.dtype("out scale", in.get(0), DType.F32);
    Expect.vectors(in, 1, 2, DType.F32, 1);
    return List.of(in.get(0));
  }
}
