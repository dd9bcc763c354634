package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.TensorSpec;

/**
 * A range that nothing is remembered of to the scale and zero-point of a grid. Inputs min [1], max
 * [1]; outputs scale [1], zero-point [1] int32. The range is widened to contain 0.
 */
public record RangeToQParams(QuantSpec spec) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 2, 2);
    Expect.vectors(in, 0, 2, DType.F32, 1);
    return List.of(TensorSpec.f32(1), TensorSpec.s32(1));
  }
}
