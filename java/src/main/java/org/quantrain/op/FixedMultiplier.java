package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.TensorSpec;

/**
 * Requantization multiplier x scale * w scale / y scale, formed in double, as m * 2^(shift - 31)
 * with m in [2^30, 2^31), or 0. Inputs x scale [1], w scale [C], y scale [1]; outputs m [C] and
 * shift [C], int32.
 *
 * @param powerOfTwo the scales are powers of two, and the multiplier is 2^shift with m = 1
 */
public record FixedMultiplier(boolean powerOfTwo) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 3, 3);
    Expect.vectors(in, 0, 1, DType.F32, 1);
    Expect.dtype("w scale", in.get(1), DType.F32);
    Expect.vectors(in, 2, 3, DType.F32, 1);
    return List.of(in.get(1).as(DType.S32), in.get(1).as(DType.S32));
  }
}
