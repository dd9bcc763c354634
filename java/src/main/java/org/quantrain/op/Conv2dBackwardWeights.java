package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/**
 * Gradient of a convolution's weights. Inputs x [N,C,H,W], dy [N,K,P,Q], both float32 or both bf16,
 * or x codes, dy float32 and the codes' scale [1] and zero-point [1]; output of shape w, float32.
 * Codes give the bits that their values do.
 */
public record Conv2dBackwardWeights(ConvGeometry geometry, Shape w) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    boolean codes = in.get(0).dtype().isCodes();
    Expect.count(in, codes ? 4 : 2, codes ? 4 : 2);
    if (codes) {
      Expect.vectors(in, 2, 3, DType.F32, 1);
      Expect.vectors(in, 3, 4, DType.S32, 1);
    } else {
      Expect.operands(in.get(0), in.get(1));
    }
    DType type = codes ? DType.F32 : in.get(0).dtype();
    Expect.is("dy", in.get(1), new TensorSpec(type, geometry.output(in.get(0).shape(), w)));
    return List.of(new TensorSpec(DType.F32, w));
  }
}
