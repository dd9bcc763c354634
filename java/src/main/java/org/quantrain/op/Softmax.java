package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.TensorSpec;

/**
 * exp(x - max) / sum over one dimension; float32, any order in memory, which stays.
 *
 * @param axis not the batch
 */
public record Softmax(int axis) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 1, 1);
    Expect.dtype("x", in.get(0), DType.F32);
    Expect.axis(axis, in.get(0).shape());
    return in;
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    return List.of(
        b.add(node.name() + ".dx", new SoftmaxBackward(axis), node.output(), outputGrads.get(0)));
  }
}
