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
 * Float32 to codes. Inputs x, scale [C], zero-point [C], one for each of dimension 0 per channel;
 * outputs codes and the straight-through mask.
 */
public record Quantize(QuantSpec spec) implements OnGrid {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 3, 3);
    Expect.dtype("x", in.get(0), DType.F32);
    int c = spec.perChannel() ? in.get(0).shape().dim(0) : 1;
    Expect.vectors(in, 1, 2, DType.F32, c);
    Expect.vectors(in, 2, 3, DType.S32, c);
    return List.of(in.get(0).as(spec.container()), in.get(0).as(DType.MASK));
  }

  @Override
  public boolean isOptional(int output) {
    return output == 1;
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    Value dx = b.add(node.name() + ".ste", new SteBackward(), outputGrads.get(0), node.output(1));
    return Arrays.asList(dx, null, null);
  }
}
