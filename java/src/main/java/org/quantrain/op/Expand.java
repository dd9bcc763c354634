package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.TensorSpec;

/**
 * Broadcasts the input to a larger shape, as in NumPy; float32. An input of the same rank has the
 * same order in memory.
 */
public record Expand(TensorSpec to) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 1, 1);
    Expect.dtype("x", in.get(0), DType.F32);
    Expect.dtype("to", to, DType.F32);
    Expect.broadcasts(in.get(0).shape(), to.shape());
    if (in.get(0).shape().rank() == to.shape().rank()) {
      Expect.is("x", in.get(0).with(to.shape()), to);
    }
    return List.of(to);
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    return List.of(Broadcast.sumTo(b, node, 0, outputGrads.get(0)));
  }
}
