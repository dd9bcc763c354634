package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/**
 * Average pool on codes that keeps their grid: the sum of the codes inside the image divided by
 * their number, halves away from 0. Input codes [N,C,H,W]; output codes. A mean is never beyond the
 * codes it is taken of, so every gradient passes.
 */
public record AveragePoolOnGrid(PoolWindow window) implements Op {
  /** Of everything: [N,C,1,1]. */
  public static AveragePoolOnGrid global(Shape x) {
    return new AveragePoolOnGrid(
        new PoolWindow(x.dim(2), x.dim(3), x.dim(2), x.dim(3), 0, 0, 0, 0));
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 1, 1);
    Expect.codes("x", in.get(0));
    return List.of(new TensorSpec(in.get(0).dtype(), window.output(in.get(0).shape())));
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    Shape x = node.input(0).spec().shape();
    return List.of(
        b.add(node.name() + ".dx", new AveragePoolBackward(window, false, x), outputGrads.get(0)));
  }
}
