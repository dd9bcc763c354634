package org.quantrain.op;

import java.util.Arrays;
import java.util.List;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.TensorSpec;

/**
 * Codes on one grid to codes on another. Inputs codes, scale, zero-point, new scale, new zero-point
 * (all [1]); outputs codes and mask.
 */
public record RequantizeCodes(QuantSpec spec) implements OnGrid {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 5, 5);
    Expect.codes("codes", in.get(0));
    Expect.vectors(in, 1, 2, DType.F32, 1);
    Expect.vectors(in, 2, 3, DType.S32, 1);
    Expect.vectors(in, 3, 4, DType.F32, 1);
    Expect.vectors(in, 4, 5, DType.S32, 1);
    return List.of(in.get(0).as(spec.container()), in.get(0).as(DType.MASK));
  }

  @Override
  public boolean isOptional(int output) {
    return output == 1;
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    Value dx = b.add(node.name() + ".ste", new SteBackward(), outputGrads.get(0), node.output(1));
    return Arrays.asList(dx, null, null, null, null);
  }
}
