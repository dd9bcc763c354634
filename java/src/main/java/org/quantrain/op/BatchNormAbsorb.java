package org.quantrain.op;

import java.util.Arrays;
import java.util.List;
import java.util.Set;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.TensorSpec;

/**
 * Batch norm over the batch, absorbed into the accumulator's scale and int32 bias. Inputs acc, sum,
 * sum of squares (of {@link AccStats}), gamma, beta, x scale [1], w scale [K] (of the codes of
 * sign(gamma) * w), running mean and variance (STATE, moved). Outputs acc itself (now standing for
 * the normalized value), out scale, bias, keep, mean, 1 / sqrt(var + epsilon).
 *
 * @param gradients type of the gradient of the accumulator
 * @param processes that share the batch, each with as many rows; the sums are those of all
 */
public record BatchNormAbsorb(float epsilon, float momentum, Compute gradients, int processes)
    implements Op {
  public BatchNormAbsorb(float epsilon, float momentum, Compute gradients) {
    this(epsilon, momentum, gradients, 1);
  }

  public BatchNormAbsorb(float epsilon, float momentum) {
    this(epsilon, momentum, Compute.F32);
  }

  /** Over the rows of so many processes. */
  public BatchNormAbsorb sharedBy(int others) {
    return new BatchNormAbsorb(epsilon, momentum, gradients, others);
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 9, 9);
    Expect.dtype("acc", in.get(0), DType.S32);
    int c = Expect.channels(in.get(0));
    Expect.vectors(in, 3, 5, DType.F32, c);
    Expect.vectors(in, 5, 6, DType.F32, 1);
    Expect.vectors(in, 6, 9, DType.F32, c);
    return List.of(
        in.get(0),
        TensorSpec.f32(c),
        TensorSpec.s32(c),
        TensorSpec.s32(c),
        TensorSpec.f32(c),
        TensorSpec.f32(c));
  }

  @Override
  public Set<Integer> updates() {
    return Set.of(7, 8);
  }

  @Override
  public int aliasOf(int output) {
    return output == 0 ? 0 : -1;
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    Node grad =
        b.node(
            node.name() + ".dx",
            new BatchNormAbsorbBackward(gradients),
            outputGrads.get(0),
            node.input(0),
            node.input(3),
            node.input(5),
            node.input(6),
            node.output(4),
            node.output(5));
    return Arrays.asList(
        grad.output(0), null, null, grad.output(1), grad.output(2), null, null, null, null);
  }
}
