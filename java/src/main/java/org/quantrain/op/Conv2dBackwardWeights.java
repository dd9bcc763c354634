package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/**
 * Gradient of a convolution's weights. Inputs x [N,C,H,W], dy [N,K,P,Q], both float32 or both bf16;
 * output of shape w, float32.
 */
public record Conv2dBackwardWeights(ConvGeometry geometry, Shape w) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 2, 2);
    Expect.operands(in.get(0), in.get(1));
    DType type = in.get(0).dtype();
    Expect.is("dy", in.get(1), new TensorSpec(type, geometry.output(in.get(0).shape(), w)));
    return List.of(new TensorSpec(DType.F32, w));
  }
}
