package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.TensorSpec;

/** Gradient of {@link PRelu}. Inputs x, dy, slope; outputs dx, dslope. */
public record PReluBackward() implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 3, 3);
    Expect.dtype("x", in.get(0), DType.F32);
    Expect.is("dy", in.get(1), in.get(0));
    Expect.vectors(in, 2, 3, DType.F32, Expect.channels(in.get(0)));
    return List.of(in.get(0), in.get(2));
  }
}
