package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.TensorSpec;

/** x where x > 0, else slope x, with a slope for each channel. Inputs x [N,C,...], slope [C]. */
public record PRelu() implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 2, 2);
    Expect.dtype("x", in.get(0), DType.F32);
    Expect.vectors(in, 1, 2, DType.F32, Expect.channels(in.get(0)));
    return List.of(in.get(0));
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    return b.node(
            node.name() + ".dx",
            new PReluBackward(),
            node.input(0),
            outputGrads.get(0),
            node.input(1))
        .outputs();
  }
}
