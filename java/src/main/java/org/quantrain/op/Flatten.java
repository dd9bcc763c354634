package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/** [N,C,H,W] to [N,C*H*W] in logical (C,H,W) order; float32 or codes. */
public record Flatten() implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 1, 1);
    Expect.rank("x", in.get(0), 4);
    Expect.channelsLast("x", in.get(0));
    Shape x = in.get(0).shape();
    return List.of(
        new TensorSpec(in.get(0).dtype(), Shape.of(x.dim(0), x.dim(1) * x.dim(2) * x.dim(3))));
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    Shape x = node.input(0).spec().shape();
    return List.of(b.add(node.name() + ".dx", new Unflatten(x), outputGrads.get(0)));
  }
}
