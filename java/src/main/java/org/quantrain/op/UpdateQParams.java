package org.quantrain.op;

import java.util.List;
import java.util.Set;
import org.quantrain.graph.Op;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.TensorSpec;

/**
 * Moves a range by one batch and derives scale and zero-point from it. Inputs batch min [C], batch
 * max [C]; STATE range min, range max, count [1] (int32), scale, zero-point (int32), updated in
 * place. No outputs. The momentum of a moving average is a step scalar.
 */
public record UpdateQParams(QuantSpec spec, RangeRule rule) implements Op {
  /** By moving average. */
  public UpdateQParams(QuantSpec spec) {
    this(spec, RangeRule.MOVING_AVERAGE);
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 7, 7);
    int c = in.get(0).shape().dim(0);
    Expect.vectors(in, 0, 4, DType.F32, c);
    Expect.vectors(in, 4, 5, DType.S32, 1);
    Expect.vectors(in, 5, 6, DType.F32, c);
    Expect.vectors(in, 6, 7, DType.S32, c);
    return List.of();
  }

  @Override
  public Set<Integer> updates() {
    return Set.of(2, 3, 4, 5, 6);
  }
}
