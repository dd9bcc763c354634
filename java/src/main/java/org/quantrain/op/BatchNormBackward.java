package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.TensorSpec;

/**
 * Gradient of {@link BatchNorm}. Inputs x, dy, mean, var, gamma; outputs dx, dgamma, dbeta. SUMS
 * has no dx; FROM_SUMS has dgamma and dbeta as further inputs and dx alone as output.
 *
 * @param processes that share the batch, each with as many rows
 */
public record BatchNormBackward(
    float epsilon, BatchNorm.Mode mode, GradientPart part, int processes) implements Op {
  public BatchNormBackward(float epsilon, BatchNorm.Mode mode) {
    this(epsilon, mode, GradientPart.ALL, 1);
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    int inputs = part == GradientPart.FROM_SUMS ? 7 : 5;
    Expect.count(in, inputs, inputs);
    int c = Expect.channels(in.get(0));
    Expect.is("dy", in.get(1), in.get(0));
    Expect.vectors(in, 2, inputs, DType.F32, c);
    return part.outputs(in.get(0), TensorSpec.f32(c));
  }
}
