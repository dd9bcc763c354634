package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.ShapeException;
import org.quantrain.graph.Value;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/**
 * Maximum over a window; padding never wins. Input [N,C,H,W], float32 or codes; outputs y and the
 * argmax in the window.
 */
public record MaxPool(PoolWindow window) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 1, 1);
    Expect.channelsLast("x", in.get(0));
    Shape y = window.output(in.get(0).shape());
    if (window.kernelH() * window.kernelW() > 256) {
      throw new ShapeException("window of more than 256 cells");
    }
    return List.of(new TensorSpec(in.get(0).dtype(), y), new TensorSpec(DType.U8, y));
  }

  @Override
  public boolean isOptional(int output) {
    return output == 1;
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    return List.of(
        b.add(
            node.name() + ".dx",
            new MaxPoolBackward(window, node.input(0).spec().shape()),
            outputGrads.get(0),
            node.output(1)));
  }
}
