package org.quantrain.op;

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
 * Puts zeros around codes. The code of zero is the zero-point, so the grid stays. Inputs codes,
 * zero-point [1]; output codes, in the order in memory of the input.
 *
 * @param pad with value 0
 */
public record PadCodes(Pad pad) implements Op {
  public PadCodes {
    if (pad.value() != 0) {
      throw new ShapeException("codes are padded with zeros only, got " + pad.value());
    }
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 2, 2);
    Expect.codes("x", in.get(0));
    Expect.vectors(in, 1, 2, DType.S32, 1);
    TensorSpec padded = pad.infer(List.of(in.get(0).as(DType.F32))).get(0);
    return List.of(padded.as(in.get(0).dtype()));
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    return Arrays.asList(pad.vjp(b, node, outputGrads).get(0), null);
  }
}
