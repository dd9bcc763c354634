package org.quantrain.op;

import java.util.List;
import java.util.Set;
import org.quantrain.graph.Op;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.TensorSpec;

/**
 * Moves running statistics by those of a batch that several processes share: r += momentum * (batch
 * - r), the variance unbiased over all its rows. Inputs x [N,C,...], whose rows are counted only,
 * mean [C], biased variance [C]; STATE running mean, running variance. No outputs.
 *
 * @param processes each with as many rows
 */
public record MoveBatchNorm(float momentum, int processes) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 5, 5);
    Expect.dtype("x", in.get(0), DType.F32);
    Expect.vectors(in, 1, 5, DType.F32, Expect.channels(in.get(0)));
    return List.of();
  }

  @Override
  public Set<Integer> updates() {
    return Set.of(3, 4);
  }
}
