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
 * y = sign(gamma) * x, sign(0) = +1: a weight in the convention of the codes that absorb batch
 * norm, and a gradient back from it. Inputs x [K,...], gamma [K].
 */
public record TimesSign() implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 2, 2);
    Expect.dtype("x", in.get(0), DType.F32);
    Expect.vectors(in, 1, 2, DType.F32, in.get(0).shape().dim(0));
    return List.of(in.get(0));
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    Value dx = b.add(node.name() + ".dx", new TimesSign(), outputGrads.get(0), node.input(1));
    return Arrays.asList(dx, null);
  }
}
