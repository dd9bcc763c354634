package org.quantrain.op;

import java.util.Collections;
import java.util.List;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.ShapeException;
import org.quantrain.graph.Value;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.TensorSpec;

/**
 * y = scale * x, rounded to bf16 once, to nearest even. Inputs x float32, optional scale [1] or [C]
 * with C channels innermost in memory.
 */
public record ToBf16() implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 1, 2);
    Expect.dtype("x", in.get(0), DType.F32);
    if (in.size() > 1 && !in.get(1).equals(TensorSpec.f32(1))) {
      int channels = Expect.innermost(in.get(0));
      if (!in.get(1).equals(TensorSpec.f32(channels))) {
        throw new ShapeException("scale: expected [1] or [" + channels + "], got " + in.get(1));
      }
    }
    return List.of(in.get(0).as(DType.BF16));
  }

  /** A gradient as the operand of products whose other operand is this one. */
  static Value beside(GraphBuilder b, Node node, Value operand, Value dy) {
    return operand.spec().dtype() == DType.BF16
        ? b.add(node.name() + ".dy", new ToBf16(), dy)
        : dy;
  }

  /** Straight through the rounding. */
  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    if (node.inputs().size() > 1) {
      throw new UnsupportedOperationException("the scale of a gradient has no gradient");
    }
    return Collections.singletonList(outputGrads.get(0));
  }
}
