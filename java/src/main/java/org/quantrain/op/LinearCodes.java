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
 * acc = (x - zero-point) w^T on codes, int32. Inputs x [N,I], scale [1], zero-point [1], w [O,I],
 * scale [1] or [O]; output [N,O].
 */
public record LinearCodes(Lowering lowering) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    ConvCodes.checkCodes(in);
    return List.of(new TensorSpec(DType.S32, Linear.output(in.get(0).shape(), in.get(3).shape())));
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    Value dy = outputGrads.get(0);
    Value x =
        b.add(node.name() + ".x", new Dequantize(), node.input(0), node.input(1), node.input(2));
    Value w = b.add(node.name() + ".w", new Dequantize(), node.input(3), node.input(4));
    Value dx = b.add(node.name() + ".dx", new LinearBackwardData(), dy, w);
    Value dw = b.add(node.name() + ".dw", new LinearBackwardWeights(), x, dy);
    return Arrays.asList(dx, null, null, dw, null);
  }
}
