package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.TensorSpec;

/**
 * Gradient of {@link BatchNormAbsorb}. Inputs dy, acc, gamma, x scale, w scale, mean, inverse
 * deviation; outputs du (in bf16 times w scale, see {@link Compute}), dgamma, dbeta. SUMS has no
 * du; FROM_SUMS has dgamma and dbeta as further inputs and du alone as output.
 *
 * @param processes that share the batch, each with as many rows
 */
public record BatchNormAbsorbBackward(Compute gradients, GradientPart part, int processes)
    implements Op {
  public BatchNormAbsorbBackward(Compute gradients) {
    this(gradients, GradientPart.ALL, 1);
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    int inputs = part == GradientPart.FROM_SUMS ? 9 : 7;
    Expect.count(in, inputs, inputs);
    Expect.dtype("dy", in.get(0), DType.F32);
    Expect.is("acc", in.get(1), in.get(0).as(DType.S32));
    int c = Expect.channels(in.get(0));
    TensorSpec du = gradients == Compute.BF16 ? in.get(0).as(DType.BF16) : in.get(0);
    return part.outputs(du, TensorSpec.f32(c));
  }
}
