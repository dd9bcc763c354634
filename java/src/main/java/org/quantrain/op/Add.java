package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.TensorSpec;

/**
 * y = a + b, equal shapes, float32. Also sums the gradients of a value that is read more than once.
 */
public record Add() implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 2, 2);
    Expect.dtype("a", in.get(0), DType.F32);
    Expect.is("b", in.get(1), in.get(0));
    return List.of(in.get(0));
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    return List.of(outputGrads.get(0), outputGrads.get(0));
  }
}
