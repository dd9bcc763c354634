package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.ShapeException;
import org.quantrain.graph.Value;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.Layout;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/** Shapes that stretch to a common one, as in NumPy: aligned at the last dimension, 1 fits all. */
final class Broadcast {
  private Broadcast() {}

  /**
   * The common shape; its order in memory is that of the operands of its own rank.
   *
   * @throws ShapeException if the shapes, or the orders of the operands of that rank, differ
   */
  static TensorSpec of(DType dtype, List<TensorSpec> in) {
    Shape shape = in.get(0).shape();
    for (TensorSpec spec : in) {
      shape = of(shape, spec.shape());
    }
    Layout layout = null;
    for (TensorSpec spec : in) {
      if (spec.shape().rank() == shape.rank()) {
        if (layout != null && layout != spec.layout()) {
          throw new ShapeException("expected operands in one order in memory, got " + in);
        }
        layout = spec.layout();
      }
    }
    return new TensorSpec(dtype, shape, layout);
  }

  static Shape of(Shape a, Shape b) {
    int[] dims = new int[Math.max(a.rank(), b.rank())];
    for (int i = 1; i <= dims.length; i++) {
      int m = i <= a.rank() ? a.dim(a.rank() - i) : 1;
      int n = i <= b.rank() ? b.dim(b.rank() - i) : 1;
      if (m != n && m != 1 && n != 1) {
        throw new ShapeException("shapes " + a + " and " + b + " do not broadcast");
      }
      dims[dims.length - i] = m == 1 ? n : m;
    }
    return Shape.of(dims);
  }

  /** The gradient of an operand, of a bf16 one in float32: summed over where it was stretched. */
  static Value sumTo(GraphBuilder b, Node node, int input, Value grad) {
    TensorSpec to = node.input(input).spec().as(grad.spec().dtype());
    return grad.spec().equals(to) ? grad : b.add(node.name() + ".d" + input, new SumTo(to), grad);
  }
}
