package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.TensorSpec;

/** Gradient of {@link Slice}: dy where it was taken, 0 elsewhere. Float32. */
public record SliceBackward(Slice slice, TensorSpec x) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 1, 1);
    Expect.dtype("x", x, DType.F32);
    Expect.is("dy", in.get(0), slice.infer(List.of(x)).get(0));
    return List.of(x);
  }
}
