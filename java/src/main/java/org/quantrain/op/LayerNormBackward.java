package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.tensor.TensorSpec;

/**
 * Gradient of {@link LayerNorm}. Inputs x, dy, mean, inverse deviation, gamma; outputs dx, dgamma,
 * dbeta, the sums in a fixed order.
 */
public record LayerNormBackward(int axis) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 5, 5);
    LayerNorm norm = new LayerNorm(axis, 1);
    TensorSpec x = in.get(0);
    Expect.is("dy", in.get(1), x);
    Expect.is("mean", in.get(2), norm.outer(x));
    Expect.is("inverse deviation", in.get(3), norm.outer(x));
    Expect.is("gamma", in.get(4), norm.inner(x));
    return List.of(x, in.get(4), in.get(4));
  }
}
