package org.quantrain.op;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.ShapeException;
import org.quantrain.graph.Value;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.TensorSpec;

/**
 * Codes to float32: y = scale * (q - zero-point). Inputs codes, scale [1] or [K] (dimension 0),
 * optional zero-point [1].
 */
public record Dequantize() implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 2, 3);
    Expect.codes("codes", in.get(0));
    int scales = in.get(1).shape().dim(0);
    if (scales != 1 && scales != in.get(0).shape().dim(0)) {
      throw new ShapeException(
          "scale: expected [1] or one for each of dimension 0 of "
              + in.get(0)
              + ", got "
              + in.get(1));
    }
    Expect.vectors(in, 2, in.size(), DType.S32, 1);
    return List.of(in.get(0).as(DType.F32));
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    List<Value> grads = new ArrayList<>(Arrays.asList(outputGrads.get(0), null));
    while (grads.size() < node.inputs().size()) {
      grads.add(null);
    }
    return grads;
  }
}
