package org.quantrain.op;

import java.util.List;
import java.util.Set;
import org.quantrain.graph.Op;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.TensorSpec;

/**
 * A state that each process moved by its own values becomes the mean over all of them. STATE x,
 * float32, updated in place. No outputs.
 */
public record AverageState() implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 1, 1);
    Expect.dtype("x", in.get(0), DType.F32);
    return List.of();
  }

  @Override
  public Set<Integer> updates() {
    return Set.of(0);
  }
}
