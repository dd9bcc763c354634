package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.TensorSpec;

/** Gradient of {@link BatchNormStats}. Inputs x, mean, var, dmean, dsigma; output dx. */
public record BatchNormStatsBackward(float epsilon) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 5, 5);
    Expect.vectors(in, 1, 5, DType.F32, Expect.channels(in.get(0)));
    return List.of(in.get(0));
  }
}
