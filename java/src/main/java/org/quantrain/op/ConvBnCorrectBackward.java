package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.TensorSpec;

/**
 * Gradient of {@link ConvBnCorrect}. Inputs dy, acc, batch mean, batch variance, variance of the
 * fold, gamma, x scale, w scale; outputs gradient of the convolution, dgamma, dbeta, dmean, dsigma.
 */
public record ConvBnCorrectBackward(float epsilon) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 8, 8);
    Expect.dtype("dy", in.get(0), DType.F32);
    Expect.is("acc", in.get(1), in.get(0).as(DType.S32));
    TensorSpec c = TensorSpec.f32(Expect.channels(in.get(0)));
    return List.of(in.get(0), c, c, c, c);
  }
}
