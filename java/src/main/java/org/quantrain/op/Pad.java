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
 * Puts a constant around the input; float32, any order in memory, which stays.
 *
 * @param before how much in front of each dimension, at least 0; 0 for the batch
 * @param after likewise behind
 */
public record Pad(List<Integer> before, List<Integer> after, float value) implements Op {
  public Pad {
    before = List.copyOf(before);
    after = List.copyOf(after);
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 1, 1);
    Expect.dtype("x", in.get(0), DType.F32);
    Shape x = in.get(0).shape();
    if (before.size() != x.rank() || after.size() != x.rank()) {
      throw new ShapeException("expected padding for every dimension of " + x + ", got " + this);
    }
    int[] dims = x.dims();
    for (int i = 0; i < dims.length; i++) {
      boolean none = before.get(i) == 0 && after.get(i) == 0;
      if (before.get(i) < 0 || after.get(i) < 0 || (dims[i] < 0 && !none)) {
        throw new ShapeException("padding: expected at least 0, 0 for the batch, got " + this);
      }
      dims[i] += before.get(i) + after.get(i);
    }
    return List.of(in.get(0).with(Shape.of(dims)));
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    Shape x = node.input(0).spec().shape();
    Value dx = outputGrads.get(0);
    for (int i = 0; i < x.rank(); i++) {
      if (before.get(i) + after.get(i) > 0) {
        dx = b.add(node.name() + ".d" + i, new Slice(i, before.get(i), 1, x.dim(i)), dx);
      }
    }
    return List.of(dx);
  }
}
