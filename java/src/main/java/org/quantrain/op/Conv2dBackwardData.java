package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/**
 * Gradient of a convolution's input. Inputs dy [N,K,P,Q], w [K,C/groups,R,S], both float32 or both
 * bf16; output of shape x, float32.
 */
public record Conv2dBackwardData(ConvGeometry geometry, Shape x) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 2, 2);
    Expect.operands(in.get(0), in.get(1));
    DType type = in.get(0).dtype();
    Expect.is("dy", in.get(0), new TensorSpec(type, geometry.output(x, in.get(1).shape())));
    return List.of(new TensorSpec(DType.F32, x));
  }
}
