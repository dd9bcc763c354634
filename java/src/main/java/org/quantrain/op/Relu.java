package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.TensorSpec;

/** min(max(x, 0), upper): ReLU with upper = infinity, ReLU6 with 6. Float32, any shape. */
public record Relu(float upper) implements Op {
  /** Plain ReLU. */
  public Relu() {
    this(Float.POSITIVE_INFINITY);
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 1, 1);
    Expect.dtype("x", in.get(0), DType.F32);
    return in;
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    return List.of(
        b.add(node.name() + ".dx", new ReluBackward(upper), node.output(), outputGrads.get(0)));
  }
}
