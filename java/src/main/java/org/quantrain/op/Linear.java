package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.ShapeException;
import org.quantrain.graph.Value;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/**
 * y = x w^T + bias. Inputs x [N,I], w [O,I], both float32 or both bf16, optional bias [O]; output
 * [N,O], float32.
 */
public record Linear() implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 2, 3);
    Expect.operands(in.get(0), in.get(1));
    Shape y = output(in.get(0).shape(), in.get(1).shape());
    Expect.vectors(in, 2, in.size(), DType.F32, y.dim(1));
    return List.of(new TensorSpec(DType.F32, y));
  }

  static Shape output(Shape x, Shape w) {
    if (x.rank() != 2 || w.rank() != 2 || x.dim(1) != w.dim(1)) {
      throw new ShapeException("expected x [N,I] and w [O,I], got " + x + " and " + w);
    }
    return Shape.of(x.dim(0), w.dim(0));
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    Value dy = outputGrads.get(0);
    Value g = ToBf16.beside(b, node, node.input(0), dy);
    Value dx = b.add(node.name() + ".dx", new LinearBackwardData(), g, node.input(1));
    Value dw = b.add(node.name() + ".dw", new LinearBackwardWeights(), node.input(0), g);
    return node.inputs().size() == 2
        ? List.of(dx, dw)
        : List.of(dx, dw, b.add(node.name() + ".db", new ChannelSum(), dy));
  }
}
