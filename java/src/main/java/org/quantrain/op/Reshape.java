package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.ShapeException;
import org.quantrain.graph.Value;
import org.quantrain.tensor.Layout;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/**
 * The same elements in another shape, row-major on both sides: nothing is copied. An input or
 * output that is channels-last goes through {@link Transpose}, or {@link Flatten}.
 *
 * @param to as many elements as the input, and a batch where the input has one
 */
public record Reshape(Shape to) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 1, 1);
    Expect.rowMajor("x", in.get(0));
    Shape x = in.get(0).shape();
    boolean fits = x.hasBatch() == to.hasBatch();
    if (!fits || x.withBatch(1).elements() != to.withBatch(1).elements()) {
      throw new ShapeException("expected as many elements as " + x + ", got " + to);
    }
    return List.of(new TensorSpec(in.get(0).dtype(), to, Layout.ROW_MAJOR));
  }

  @Override
  public int aliasOf(int output) {
    return 0;
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    Shape x = node.input(0).spec().shape();
    return List.of(b.add(node.name() + ".dx", new Reshape(x), outputGrads.get(0)));
  }
}
