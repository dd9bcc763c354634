package org.quantrain.op;

import java.util.ArrayList;
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
 * Sum, mean, maximum or minimum over some dimensions, float32, in a fixed order. The order in
 * memory stays where the rank does; lower ranks are row-major.
 *
 * @param axes ascending, each at least 0; not the batch
 * @param keepDims reduced dimensions stay with size 1, else they are gone
 */
public record Reduce(Kind function, List<Integer> axes, boolean keepDims) implements Op {
  /** The function. */
  public enum Kind {
    SUM,
    MEAN,
    /** Elements that are the maximum share the gradient equally. */
    MAX,
    /** Elements that are the minimum share the gradient equally. */
    MIN
  }

  public Reduce {
    axes = List.copyOf(axes);
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 1, 1);
    Expect.dtype("x", in.get(0), DType.F32);
    Shape x = in.get(0).shape();
    int last = -1;
    for (int axis : axes) {
      if (axis <= last || axis >= x.rank() || x.dim(axis) <= 0) {
        throw new ShapeException(
            "axes: expected ascending, below the rank of " + x + ", not the batch; got " + axes);
      }
      last = axis;
    }
    List<Integer> dims = new ArrayList<>();
    for (int i = 0; i < x.rank(); i++) {
      if (!axes.contains(i)) {
        dims.add(x.dim(i));
      } else if (keepDims) {
        dims.add(1);
      }
    }
    Shape y = Shape.of(dims.stream().mapToInt(Integer::intValue).toArray());
    return List.of(new TensorSpec(DType.F32, y, in.get(0).layout()));
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    TensorSpec x = node.input(0).spec();
    Value dy = kept(b, node, outputGrads.get(0), ".dy");
    if (function == Kind.MEAN) {
      float share = 1 / (float) axes.stream().mapToLong(x.shape()::dim).reduce(1, (p, q) -> p * q);
      dy = b.add(node.name() + ".share", new Unary(Unary.Kind.AFFINE, share), dy);
    }
    if (function == Kind.SUM || function == Kind.MEAN) {
      return List.of(b.add(node.name() + ".dx", new Expand(x), dy));
    }
    Value y = kept(b, node, node.output(), ".y");
    Value is = b.add(node.name() + ".is", new Binary(Binary.Kind.EQUAL), node.input(0), y);
    Value ties = b.add(node.name() + ".ties", new Reduce(Kind.SUM, axes, true), is);
    Value share = b.add(node.name() + ".share", new Binary(Binary.Kind.DIV), dy, ties);
    return List.of(b.add(node.name() + ".dx", new Binary(Binary.Kind.MUL), is, share));
  }

  /** A value of the output's shape with the reduced dimensions back as 1. */
  private Value kept(GraphBuilder b, Node node, Value v, String name) {
    if (keepDims) {
      return v;
    }
    TensorSpec x = node.input(0).spec();
    TensorSpec to = new Reduce(function, axes, true).infer(List.of(x)).get(0);
    return Transpose.relayout(
        b, node.name() + name, b.add(node.name() + name, new Reshape(to.shape()), v), to.layout());
  }
}
