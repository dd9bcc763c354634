package org.quantrain.op;

import java.util.Arrays;
import java.util.List;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.ShapeException;
import org.quantrain.graph.Value;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.TensorSpec;

/**
 * Weights to symmetric codes, scale from the largest magnitude. Inputs w [K,...], optional gamma
 * [K] whose sign goes into the codes; outputs codes and scale, [K] per channel or [1].
 */
public record QuantizeWeight(QuantSpec spec) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 1, 2);
    Expect.dtype("w", in.get(0), DType.F32);
    int k = in.get(0).shape().dim(0);
    if (in.size() == 2 && !spec.perChannel()) {
      throw new ShapeException(
          "the sign of gamma goes into the codes only where scales are per channel");
    }
    Expect.vectors(in, 1, in.size(), DType.F32, k);
    return List.of(in.get(0).as(DType.S8), TensorSpec.f32(spec.perChannel() ? k : 1));
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    if (node.inputs().size() == 1) {
      return List.of(outputGrads.get(0));
    }
    Value dw = b.add(node.name() + ".dw", new TimesSign(), outputGrads.get(0), node.input(1));
    return Arrays.asList(dw, null);
  }
}
