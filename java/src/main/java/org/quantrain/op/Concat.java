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

/** Joins float32 tensors of one order in memory along a dimension, in which alone they differ. */
public record Concat(int axis) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 1, Integer.MAX_VALUE);
    Shape first = in.get(0).shape();
    Expect.axis(axis, first);
    long size = 0;
    for (int i = 0; i < in.size(); i++) {
      Expect.dtype("input " + i, in.get(i), DType.F32);
      Expect.rank("input " + i, in.get(i), first.rank());
      int part = in.get(i).shape().dim(axis);
      Expect.is("input " + i, in.get(i), in.get(0).with(first.with(axis, part)));
      size += part;
    }
    if (first.batchDim() == axis || size > Integer.MAX_VALUE) {
      throw new ShapeException("axis " + axis + " of " + first + " cannot be joined");
    }
    return List.of(in.get(0).with(first.with(axis, (int) size)));
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    List<Value> grads = new ArrayList<>();
    int start = 0;
    for (int i = 0; i < node.inputs().size(); i++) {
      int size = node.input(i).spec().shape().dim(axis);
      Slice part = new Slice(axis, start, 1, size);
      grads.add(b.add(node.name() + ".d" + i, part, outputGrads.get(0)));
      start += size;
    }
    return grads;
  }
}
