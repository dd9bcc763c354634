package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.tensor.TensorSpec;

/**
 * Gradient of {@link Gather} with respect to its data: the sum, in the order of the indices, of
 * what was taken from each place. Inputs dy, indices.
 */
public record GatherBackward(int axis, TensorSpec data) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 2, 2);
    Expect.is("dy", in.get(0), new Gather(axis).infer(List.of(data, in.get(1))).get(0));
    return List.of(data);
  }
}
