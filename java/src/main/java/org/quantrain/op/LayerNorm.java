package org.quantrain.op;

import java.util.Arrays;
import java.util.List;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.ShapeException;
import org.quantrain.graph.Value;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.Layout;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/**
 * gamma (x - mean) / sqrt(var + epsilon) + beta over the dimensions from {@code axis} on; float32,
 * row-major. Inputs x, gamma and beta of the shape of these dimensions; outputs y, mean and 1 /
 * sqrt(biased variance + epsilon), of the shape of the other dimensions.
 *
 * @param axis above the batch
 */
public record LayerNorm(int axis, float epsilon) implements Op {
  public LayerNorm {
    if (!(epsilon > 0)) {
      throw new ShapeException("epsilon: expected more than 0, got " + epsilon);
    }
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 3, 3);
    Expect.dtype("x", in.get(0), DType.F32);
    Expect.rowMajor("x", in.get(0));
    TensorSpec inner = inner(in.get(0));
    Expect.is("gamma", in.get(1), inner);
    Expect.is("beta", in.get(2), inner);
    TensorSpec outer = outer(in.get(0));
    return List.of(in.get(0), outer, outer);
  }

  /** The dimensions that are normalized. */
  TensorSpec inner(TensorSpec x) {
    if (axis <= x.shape().batchDim()) {
      throw new ShapeException("axis " + axis + ": expected above the batch of " + x);
    }
    Expect.axis(axis, x.shape());
    return part(x.shape(), axis, x.shape().rank());
  }

  /** The dimensions in front of these. */
  TensorSpec outer(TensorSpec x) {
    return part(x.shape(), 0, axis);
  }

  private static TensorSpec part(Shape x, int from, int to) {
    Shape shape = Shape.of(Arrays.copyOfRange(x.dims(), from, to));
    return new TensorSpec(DType.F32, shape, Layout.ROW_MAJOR);
  }

  @Override
  public boolean isOptional(int output) {
    return output > 0;
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    Node grad =
        b.node(
            node.name() + ".dx",
            new LayerNormBackward(axis),
            node.input(0),
            outputGrads.get(0),
            node.output(1),
            node.output(2),
            node.input(1));
    return grad.outputs();
  }
}
