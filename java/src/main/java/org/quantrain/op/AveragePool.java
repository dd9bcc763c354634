package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/**
 * Mean over a window. Input and output [N,C,H,W], float32.
 *
 * @param countPadding divide by the whole window, else by its cells inside the input
 */
public record AveragePool(PoolWindow window, boolean countPadding) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 1, 1);
    Expect.dtype("x", in.get(0), DType.F32);
    Expect.channelsLast("x", in.get(0));
    return List.of(new TensorSpec(DType.F32, window.output(in.get(0).shape())));
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    Shape x = node.input(0).spec().shape();
    return List.of(
        b.add(
            node.name() + ".dx",
            new AveragePoolBackward(window, countPadding, x),
            outputGrads.get(0)));
  }
}
