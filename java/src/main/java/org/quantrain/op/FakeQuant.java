package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.TensorSpec;

/**
 * A quantizer's place in a graph that is not yet lowered: x on the grid of {@code spec}, float32 in
 * and out. Lowering turns it into codes; {@code quantizer} names its state (range, scale,
 * zero-point) and its learned values.
 *
 * @param contract the arithmetic that makes the codes of activations
 */
public record FakeQuant(String quantizer, QuantSpec spec, ScaleRule rule, Contract contract)
    implements Op {
  /** One whose range is observed, for {@link Contract#FP32}. */
  public FakeQuant(String quantizer, QuantSpec spec) {
    this(quantizer, spec, ScaleRule.OBSERVED, Contract.FP32);
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 1, 1);
    Expect.dtype("x", in.get(0), DType.F32);
    return in;
  }
}
