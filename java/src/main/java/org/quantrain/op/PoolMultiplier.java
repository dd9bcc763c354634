package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.TensorSpec;

/**
 * Requantization multiplier of a global average pool over {@code count} cells, x scale / (y scale *
 * count). Inputs x scale [1], y scale [1]; output [channels], all equal.
 */
public record PoolMultiplier(int channels, int count) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 2, 2);
    Expect.vectors(in, 0, 2, DType.F32, 1);
    return List.of(TensorSpec.f32(channels));
  }
}
