package org.quantrain.op;

import java.util.Arrays;
import java.util.List;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.TensorSpec;

/**
 * a where the condition is 1, b where it is 0, with broadcasting. Inputs condition (float32, 0 or
 * 1), a, b, float32; orders in memory as for {@link Binary}.
 */
public record Where() implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 3, 3);
    for (int i = 0; i < 3; i++) {
      Expect.dtype("input " + i, in.get(i), DType.F32);
    }
    return List.of(Broadcast.of(DType.F32, in));
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    Value dy = outputGrads.get(0);
    Binary mul = new Binary(Binary.Kind.MUL);
    Value da = b.add(node.name() + ".da", mul, dy, node.input(0));
    Value not = b.add(node.name() + ".not", new Unary(Unary.Kind.AFFINE, -1, 1), node.input(0));
    Value db = b.add(node.name() + ".db", mul, dy, not);
    return Arrays.asList(null, Broadcast.sumTo(b, node, 1, da), Broadcast.sumTo(b, node, 2, db));
  }
}
