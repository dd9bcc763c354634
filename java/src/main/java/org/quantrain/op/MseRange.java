package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.TensorSpec;

/**
 * The range that the grid of least squared error covers: where learned scales start. Input x, any
 * shape; outputs min [C], max [C], with one scale for each of dimension 0 per channel.
 */
public record MseRange(QuantSpec spec) implements Op {
  /** Scales that are tried, equally spaced up to that of the full range. */
  public static final int CANDIDATES = 100;

  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 1, 1);
    Expect.dtype("x", in.get(0), DType.F32);
    TensorSpec c = TensorSpec.f32(spec.perChannel() ? in.get(0).shape().dim(0) : 1);
    return List.of(c, c);
  }
}
