package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/**
 * Convolution. Inputs x [N,C,H,W], w [K,C/groups,R,S], both float32 or both bf16, optional bias
 * [K]; output [N,K,P,Q], float32.
 */
public record Conv2d(ConvGeometry geometry) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 2, 3);
    Expect.operands(in.get(0), in.get(1));
    Expect.channelsLast("x", in.get(0));
    Expect.channelsLast("w", in.get(1));
    Shape y = geometry.output(in.get(0).shape(), in.get(1).shape());
    Expect.vectors(in, 2, in.size(), DType.F32, y.dim(1));
    return List.of(new TensorSpec(DType.F32, y));
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    Value dy = outputGrads.get(0);
    Value x = node.input(0);
    Value w = node.input(1);
    Value g = ToBf16.beside(b, node, x, dy);
    Value dx =
        b.add(node.name() + ".dx", new Conv2dBackwardData(geometry, x.spec().shape()), g, w);
    Value dw =
        b.add(node.name() + ".dw", new Conv2dBackwardWeights(geometry, w.spec().shape()), x, g);
    return node.inputs().size() == 2
        ? List.of(dx, dw)
        : List.of(dx, dw, b.add(node.name() + ".db", new ChannelSum(), dy));
  }
}
