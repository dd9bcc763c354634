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
 * Residual add on codes. Inputs a, its scale and zero-point, b, its scale and zero-point, scale and
 * zero-point of y (all [1]); outputs codes and mask.
 *
 * @param relu a ReLU stands between the add and the quantizer
 */
public record AddCodes(QuantSpec spec, boolean relu, Addition rule) implements OnGrid {
  /** By {@link Addition#FLOAT}. */
  public AddCodes(QuantSpec spec, boolean relu) {
    this(spec, relu, Addition.FLOAT);
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 8, 8);
    Expect.codes("a", in.get(0));
    Expect.is("b", in.get(3), in.get(0));
    return List.of(in.get(0).as(spec.container()), in.get(0).as(DType.MASK));
  }

  @Override
  public boolean isOptional(int output) {
    return output == 1;
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    Value d = b.add(node.name() + ".ste", new SteBackward(), outputGrads.get(0), node.output(1));
    return Arrays.asList(d, null, null, d, null, null, null, null);
  }
}
