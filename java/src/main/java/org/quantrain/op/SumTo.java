package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.TensorSpec;

/**
 * Sum over the dimensions in which a smaller operand was broadcast, in a fixed order: the gradient
 * of broadcasting. Float32.
 *
 * @param to the operand: it broadcasts to the input's shape
 */
public record SumTo(TensorSpec to) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 1, 1);
    Expect.dtype("x", in.get(0), DType.F32);
    Expect.dtype("to", to, DType.F32);
    Expect.broadcasts(to.shape(), in.get(0).shape());
    return List.of(to);
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    TensorSpec x = node.input(0).spec();
    return List.of(b.add(node.name() + ".dx", new Expand(x), outputGrads.get(0)));
  }
}
