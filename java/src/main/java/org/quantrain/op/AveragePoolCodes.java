package org.quantrain.op;

import java.util.Arrays;
import java.util.List;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/**
 * Average pool on codes. Inputs codes [N,C,H,W], scale, zero-point, scale and zero-point of y (all
 * [1]); outputs codes and mask.
 */
public record AveragePoolCodes(PoolWindow window, boolean countPadding, QuantSpec spec)
    implements OnGrid {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 5, 5);
    Expect.codes("x", in.get(0));
    Shape y = window.output(in.get(0).shape());
    return List.of(new TensorSpec(spec.container(), y), new TensorSpec(DType.MASK, y));
  }

  @Override
  public boolean isOptional(int output) {
    return output == 1;
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    Value d = b.add(node.name() + ".ste", new SteBackward(), outputGrads.get(0), node.output(1));
    Shape x = node.input(0).spec().shape();
    Value dx = b.add(node.name() + ".dx", new AveragePoolBackward(window, countPadding, x), d);
    return Arrays.asList(dx, null, null, null, null);
  }
}
