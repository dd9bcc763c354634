package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.TensorSpec;

/**
 * Gradient of {@link BatchNormAbsorb}. Inputs dy, acc, gamma, x scale, w scale, mean, inverse
 * deviation; outputs du (in bf16 times w scale, see {@link Compute}), dgamma, dbeta.
 */
public record BatchNormAbsorbBackward(Compute gradients) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 7, 7);
    Expect.dtype("dy", in.get(0), DType.F32);
    Expect.is("acc", in.get(1), in.get(0).as(DType.S32));
    int c = Expect.channels(in.get(0));
    TensorSpec du = gradients == Compute.BF16 ? in.get(0).as(DType.BF16) : in.get(0);
    return List.of(du, TensorSpec.f32(c), TensorSpec.f32(c));
  }
}
