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
 *
 * @param gradients operands of the gradients' products
 */
public record LinearCodes(Lowering lowering, Compute gradients) implements Op {
  public LinearCodes(Lowering lowering) {
    this(lowering, Compute.F32);
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    ConvCodes.checkCodes(in);
    return List.of(new TensorSpec(DType.S32, Linear.output(in.get(0).shape(), in.get(3).shape())));
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    CodeOperands of = CodeOperands.of(b, node, gradients, outputGrads.get(0));
    Value dx = b.add(node.name() + ".dx", new LinearBackwardData(), of.dy(), of.w());
    Value dw =
        of.gradientOfW(b, node.name() + ".dw", new LinearBackwardWeights(), of.x(), of.dy());
    return Arrays.asList(dx, null, null, dw, null);
  }
}
