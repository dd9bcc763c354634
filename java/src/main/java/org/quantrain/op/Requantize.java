package org.quantrain.op;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.TensorSpec;

/**
 * Accumulator to codes by contract FP32_RNE. Inputs acc with C channels innermost in memory
 * ([N,C,H,W] or row-major [..,C]), multiplier [C], zero-point [1], then optionally bias [C] and
 * keep [C] (int32); outputs codes and the straight-through mask.
 *
 * @param relu the activation before the quantizer is a ReLU: no gradient where the value is not
 *     positive
 */
public record Requantize(QuantSpec spec, boolean relu) implements OnGrid {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 3, 5);
    Expect.dtype("acc", in.get(0), DType.S32);
    int c = Expect.innermost(in.get(0));
    Expect.vectors(in, 1, 2, DType.F32, c);
    Expect.vectors(in, 2, 3, DType.S32, 1);
    Expect.vectors(in, 3, in.size(), DType.S32, c);
    return List.of(in.get(0).as(spec.container()), in.get(0).as(DType.MASK));
  }

  @Override
  public boolean isOptional(int output) {
    return output == 1;
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    return gradients(b, node, outputGrads.get(0), 3);
  }

  /** Of the accumulator and, behind {@code bias} inputs, the bias; the rest has none. */
  static List<Value> gradients(GraphBuilder b, Node node, Value dCodes, int bias) {
    Value dy = b.add(node.name() + ".ste", new SteBackward(), dCodes, node.output(1));
    List<Value> grads = new ArrayList<>(Collections.nCopies(node.inputs().size(), null));
    grads.set(0, dy);
    if (grads.size() > bias) {
      grads.set(bias, b.add(node.name() + ".db", new ChannelSum(), dy));
    }
    return grads;
  }
}
