package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.ShapeException;
import org.quantrain.graph.Value;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.TensorSpec;

/**
 * Accumulator to codes without floating point. Inputs acc [N,C,...], multiplier and shift [C] of
 * {@link FixedMultiplier}, zero-point [1], then optionally bias [C] (int32); outputs codes and the
 * straight-through mask.
 *
 * @param relu as in {@link Requantize}
 * @param rule one of the fixed-point ones
 */
public record RequantizeFixed(QuantSpec spec, boolean relu, Requantization rule) implements OnGrid {
  public RequantizeFixed {
    if (rule == Requantization.FP32_RNE) {
      throw new ShapeException("FP32_RNE is the rule of Requantize");
    }
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 4, 5);
    Expect.dtype("acc", in.get(0), DType.S32);
    int c = Expect.channels(in.get(0));
    Expect.vectors(in, 1, 3, DType.S32, c);
    Expect.vectors(in, 3, 4, DType.S32, 1);
    Expect.vectors(in, 4, in.size(), DType.S32, c);
    return List.of(in.get(0).as(spec.container()), in.get(0).as(DType.MASK));
  }

  @Override
  public boolean isOptional(int output) {
    return output == 1;
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    return Requantize.gradients(b, node, outputGrads.get(0), 4);
  }
}
