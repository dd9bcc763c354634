package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/**
 * Gradient of a convolution's weights. Inputs x [N,C,H,W], dy [N,K,P,Q] and, where x are codes,
 * their scale [1] and zero-point [1]; output of shape w. Codes give the bits that their values do.
 */
public record Conv2dBackwardWeights(ConvGeometry geometry, Shape w) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 2, 4);
    Expect.realOrCodes("x", in.get(0));
    Expect.is("dy", in.get(1), new TensorSpec(DType.F32, geometry.output(in.get(0).shape(), w)));
    if (in.get(0).dtype() == DType.F32) {
      Expect.count(in, 2, 2);
    } else {
      Expect.count(in, 4, 4);
      Expect.vectors(in, 2, 3, DType.F32, 1);
      Expect.vectors(in, 3, 4, DType.S32, 1);
    }
    return List.of(new TensorSpec(DType.F32, w));
  }
}
