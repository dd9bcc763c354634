package org.quantrain.op;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.TensorSpec;

/**
 * Accumulator to float32: y = float(keep * acc + bias) * out scale. Inputs acc with C channels
 * innermost in memory ([N,C,H,W] or row-major [..,C]), out scale [C], then optionally bias [C] and
 * keep [C].
 */
public record DequantizeAcc() implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 2, 4);
    Expect.dtype("acc", in.get(0), DType.S32);
    int c = Expect.innermost(in.get(0));
    Expect.vectors(in, 1, 2, DType.F32, c);
    Expect.vectors(in, 2, in.size(), DType.S32, c);
    return List.of(in.get(0).as(DType.F32));
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    List<Value> grads = new ArrayList<>(Arrays.asList(outputGrads.get(0), null));
    if (node.inputs().size() > 2) {
      grads.add(b.add(node.name() + ".db", new ChannelSum(), outputGrads.get(0)));
    }
    if (node.inputs().size() > 3) {
      grads.add(null);
    }
    return grads;
  }
}
