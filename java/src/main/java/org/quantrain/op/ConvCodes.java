package org.quantrain.op;

import java.util.Arrays;
import java.util.List;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.ShapeException;
import org.quantrain.graph.Value;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.TensorSpec;

/**
 * Convolution of codes: acc = sum (x - zero-point) * w, int32. Inputs x codes [N,C,H,W], its scale
 * [1] and zero-point [1], w codes [K,C/groups,R,S], their scale [1] or [K]; output [N,K,P,Q]. The
 * scales matter to the gradient alone.
 *
 * @param gradients operands of the gradients' products
 */
public record ConvCodes(ConvGeometry geometry, Lowering lowering, Compute gradients) implements Op {
  public ConvCodes(ConvGeometry geometry, Lowering lowering) {
    this(geometry, lowering, Compute.F32);
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    checkCodes(in);
    return List.of(
        new TensorSpec(DType.S32, geometry.output(in.get(0).shape(), in.get(3).shape())));
  }

  /** Checks (x, scale, zero-point, w, scale), the inputs of every product of codes. */
  static void checkCodes(List<TensorSpec> in) {
    Expect.count(in, 5, 5);
    Expect.codes("x", in.get(0));
    Expect.vectors(in, 1, 2, DType.F32, 1);
    Expect.vectors(in, 2, 3, DType.S32, 1);
    Expect.dtype("w", in.get(3), DType.S8);
    int scales = in.get(4).shape().dim(0);
    if (scales != 1 && scales != in.get(3).shape().dim(0)) {
      throw new ShapeException("weight scale: expected [1] or [K], got " + in.get(4));
    }
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    CodeOperands of = CodeOperands.of(b, node, gradients, outputGrads.get(0));
    Conv2dBackwardData ofX = new Conv2dBackwardData(geometry, of.x().spec().shape());
    Conv2dBackwardWeights ofW = new Conv2dBackwardWeights(geometry, of.w().spec().shape());
    Value dx = b.add(node.name() + ".dx", ofX, of.dy(), of.w());
    String name = node.name() + ".dw";
    // In float32 the codes themselves are read, a quarter of the bytes.
    Value dw =
        gradients == Compute.F32
            ? b.add(name, ofW, node.input(0), of.dy(), node.input(1), node.input(2))
            : of.gradientOfW(b, name, ofW, of.x(), of.dy());
    return Arrays.asList(dx, null, null, dw, null);
  }
}
