package org.quantrain.op;

import java.util.Arrays;
import java.util.List;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/**
 * The integer half of a global average pool: acc = sum over H and W of (q - zero-point). Inputs
 * codes [N,C,H,W], zero-point [1]; output [N,C,1,1] int32.
 */
public record GlobalPoolSum() implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 2, 2);
    Expect.codes("x", in.get(0));
    Expect.rank("x", in.get(0), 4);
    Expect.vectors(in, 1, 2, DType.S32, 1);
    Shape x = in.get(0).shape();
    return List.of(TensorSpec.s32(x.dim(0), x.dim(1), 1, 1));
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    Shape x = node.input(0).spec().shape();
    return Arrays.asList(
        b.add(node.name() + ".dx", new GlobalAveragePoolBackward(x), outputGrads.get(0)), null);
  }
}
