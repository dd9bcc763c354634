package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/**
 * Exact integer statistics of an accumulator per channel. Input acc [N,C,...]; outputs sum [C]
 * int64, sum of squares [C,2] int64 (128 bits, low half first), min [C], max [C] int32.
 */
public record AccStats() implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 1, 1);
    Expect.dtype("acc", in.get(0), DType.S32);
    int c = Expect.channels(in.get(0));
    return List.of(
        new TensorSpec(DType.S64, Shape.of(c)),
        new TensorSpec(DType.S64, Shape.of(c, 2)),
        TensorSpec.s32(c),
        TensorSpec.s32(c));
  }
}
