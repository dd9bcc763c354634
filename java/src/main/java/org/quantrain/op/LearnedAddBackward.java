package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.TensorSpec;

/**
 * {@link LearnedAccBackward} of what codes stand for, or the sum of two tensors of codes. Inputs a,
 * its scale [1] and zero-point [1], dy (float32, like a), scale [1], zero-point [1], then
 * optionally b, its scale and zero-point; outputs as there.
 *
 * @param upper of the ReLU
 */
public record LearnedAddBackward(QuantSpec spec, float gradientScale, boolean relu, float upper)
    implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 6, 9);
    Expect.codes("a", in.get(0));
    Expect.vectors(in, 1, 2, DType.F32, 1);
    Expect.vectors(in, 2, 3, DType.S32, 1);
    Expect.is("dy", in.get(3), in.get(0).as(DType.F32));
    LearnedGrid.expectOperands(spec, in.get(3), in.subList(0, 6), 4);
    if (in.size() > 6) {
      Expect.count(in, 9, 9);
      Expect.is("b", in.get(6), in.get(0));
      Expect.vectors(in, 7, 8, DType.F32, 1);
      Expect.vectors(in, 8, 9, DType.S32, 1);
    }
    return List.of(in.get(3), in.get(4));
  }

  @Override
  public boolean isOptional(int output) {
    return output == 0;
  }
}
