package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.TensorSpec;

/**
 * {@link LearnedGridBackward} by {@link ScaleRule#STEP} of what accumulators stand for, behind a
 * ReLU or none, in one pass: {@link DequantizeAcc}, {@link Relu}, the gradient, {@link
 * ReluBackward}, to the same bits. Inputs acc, out scale [C], dy (float32, like acc), scale [1],
 * zero-point [1], then optionally bias [C] and keep [C] as in DequantizeAcc; outputs the gradient
 * of the accumulators' real values and that of the scale [1].
 *
 * @param upper of the ReLU
 */
public record LearnedAccBackward(QuantSpec spec, float gradientScale, boolean relu, float upper)
    implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 5, 7);
    Expect.dtype("acc", in.get(0), DType.S32);
    int c = Expect.innermost(in.get(0));
    Expect.vectors(in, 1, 2, DType.F32, c);
    Expect.is("dy", in.get(2), in.get(0).as(DType.F32));
    LearnedGrid.expectOperands(spec, in.get(2), in.subList(0, 5), 3);
    Expect.vectors(in, 5, in.size(), DType.S32, c);
    return List.of(in.get(2), in.get(3));
  }

  @Override
  public boolean isOptional(int output) {
    return output == 0;
  }
}
