package org.quantrain.op;

import java.util.Arrays;
import java.util.List;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.TensorSpec;

/**
 * Weights with batch norm folded by the running variance as it stood before this batch: w * gamma /
 * sqrt(var + epsilon). Inputs w [K,...], gamma [K], running variance [K]; outputs the folded
 * weights and a copy of the variance used, which the correction and the gradient need after the
 * running one has moved.
 */
public record ConvBnFold(float epsilon) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 3, 3);
    Expect.dtype("w", in.get(0), DType.F32);
    int k = in.get(0).shape().dim(0);
    Expect.vectors(in, 1, 3, DType.F32, k);
    return List.of(in.get(0), TensorSpec.f32(k));
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    Node grad =
        b.node(
            node.name() + ".dw",
            new ConvBnFoldBackward(epsilon),
            node.input(0),
            outputGrads.get(0),
            node.input(1),
            node.output(1));
    return Arrays.asList(grad.output(0), grad.output(1), null);
  }
}
