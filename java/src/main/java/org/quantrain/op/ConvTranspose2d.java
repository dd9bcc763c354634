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
 * Transposed convolution: what {@link Conv2d} of this geometry does backwards. Inputs x [N,C,H,W],
 * w [C,K/groups,R,S], optional bias [K]; output [N,K,P,Q] with P = strideH (H - 1) + dilationH (R -
 * 1) + 1 - padTop - padBottom + extraH, all float32, channels-last.
 *
 * @param extraH rows more below, less than the stride or the dilation; likewise columns to the
 *     right
 */
public record ConvTranspose2d(ConvGeometry geometry, int extraH, int extraW) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 2, 3);
    Expect.dtype("x", in.get(0), DType.F32);
    Expect.channelsLast("x", in.get(0));
    Expect.dtype("w", in.get(1), DType.F32);
    Expect.channelsLast("w", in.get(1));
    Shape y = output(in.get(0).shape(), in.get(1).shape());
    Expect.vectors(in, 2, in.size(), DType.F32, y.dim(1));
    return List.of(new TensorSpec(DType.F32, y));
  }

  private Shape output(Shape x, Shape w) {
    ConvGeometry g = geometry;
    if (x.dim(1) != w.dim(0) || w.dim(0) % g.groups() != 0) {
      throw new ShapeException(
          "channels of x " + x + " and weights " + w + " do not fit " + g.groups() + " groups");
    }
    long p =
        extent(x.dim(2), w.dim(2), g.strideH(), g.dilationH(), g.padTop() + g.padBottom(), extraH);
    long q =
        extent(x.dim(3), w.dim(3), g.strideW(), g.dilationW(), g.padLeft() + g.padRight(), extraW);
    if (p < 1 || q < 1 || Math.max(p, q) > Integer.MAX_VALUE) {
      throw new ShapeException("output of " + p + "x" + q + " for x " + x + " and weights " + w);
    }
    Shape y = Shape.of(x.dim(0), w.dim(1) * g.groups(), (int) p, (int) q);
    if (!g.output(y, w).equals(x)) {
      throw new ShapeException(
          "extra rows and columns: expected less than the stride, got " + extraH + ", " + extraW);
    }
    return y;
  }

  private static long extent(
      int size, int kernel, int stride, int dilation, int padding, int extra) {
    return (long) stride * (size - 1) + (long) dilation * (kernel - 1) + 1 - padding + extra;
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    Value dy = outputGrads.get(0);
    Value w = node.input(1);
    Value dx = b.add(node.name() + ".dx", new Conv2d(geometry), dy, w);
    Value dw =
        b.add(
            node.name() + ".dw",
            new Conv2dBackwardWeights(geometry, w.spec().shape()),
            dy,
            node.input(0));
    return node.inputs().size() == 2
        ? List.of(dx, dw)
        : List.of(dx, dw, b.add(node.name() + ".db", new ChannelSum(), dy));
  }
}
