package org.quantrain.op;

import java.util.Arrays;
import java.util.List;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.Layout;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/**
 * Takes slices of a dimension by index; an embedding where axis = 0. Inputs data (float32 or codes,
 * row-major) and indices (int32, row-major), each from 0 to data.dim(axis) - 1; output data[..axis]
 * x indices x data[axis+1..], row-major.
 */
public record Gather(int axis) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 2, 2);
    Expect.realOrCodes("data", in.get(0));
    Expect.rowMajor("data", in.get(0));
    Expect.dtype("indices", in.get(1), DType.S32);
    Expect.rowMajor("indices", in.get(1));
    Shape data = in.get(0).shape();
    Shape indices = in.get(1).shape();
    Expect.axis(axis, data);
    int[] dims = new int[data.rank() - 1 + indices.rank()];
    for (int i = 0; i < dims.length; i++) {
      int k = i - axis;
      dims[i] =
          k < 0
              ? data.dim(i)
              : k < indices.rank() ? indices.dim(k) : data.dim(i - indices.rank() + 1);
    }
    return List.of(new TensorSpec(in.get(0).dtype(), Shape.of(dims), Layout.ROW_MAJOR));
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    TensorSpec data = node.input(0).spec().as(DType.F32);
    Value ddata =
        b.add(
            node.name() + ".ddata",
            new GatherBackward(axis, data),
            outputGrads.get(0),
            node.input(1));
    return Arrays.asList(ddata, null);
  }
}
