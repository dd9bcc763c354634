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
 * Every step-th element of one dimension: y[i] = x[start + step * i], 0 <= i < size. Float32 or
 * codes, any order in memory, which stays.
 *
 * @param step not 0; negative runs backwards
 */
public record Slice(int axis, int start, int step, int size) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 1, 1);
    Shape x = in.get(0).shape();
    Expect.axis(axis, x);
    long last = start + (long) step * (size - 1);
    if (size < 1
        || step == 0
        || start < 0
        || start >= x.dim(axis)
        || last < 0
        || last >= x.dim(axis)) {
      throw new ShapeException(this + " is not inside " + x);
    }
    return List.of(in.get(0).with(x.with(axis, size)));
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    TensorSpec x = node.input(0).spec().as(DType.F32);
    return List.of(b.add(node.name() + ".dx", new SliceBackward(this, x), outputGrads.get(0)));
  }
}
