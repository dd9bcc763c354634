package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.graph.ShapeException;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.TensorSpec;

/**
 * y[k, ...] = x[k, ...] * (a / b[k]): the scales of the operands of a product that took integers
 * and a gradient times b. Inputs x, a [1], b [1] or [K]; output of the shape of x.
 */
public record TimesRatio() implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 3, 3);
    Expect.dtype("x", in.get(0), DType.F32);
    Expect.vectors(in, 1, 2, DType.F32, 1);
    int rows = in.get(0).shape().dim(0);
    if (!in.get(2).equals(TensorSpec.f32(1)) && !in.get(2).equals(TensorSpec.f32(rows))) {
      throw new ShapeException("b: expected [1] or [" + rows + "], got " + in.get(2));
    }
    return List.of(in.get(0));
  }
}
