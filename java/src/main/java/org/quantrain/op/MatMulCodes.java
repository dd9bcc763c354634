package org.quantrain.op;

import java.util.Arrays;
import java.util.List;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.ShapeException;
import org.quantrain.graph.Value;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.TensorSpec;

/**
 * Products of two computed matrices of codes, acc = (a - its zero-point) (b - its zero-point),
 * int32: scores and context of attention. Inputs a [..,M,K], scale [1], zero-point [1], b [..,K,N]
 * of the same type, scale [1], zero-point [1]; output [..,M,N]. Row-major; the dimensions in front
 * are equal. The scales matter to the gradient alone.
 *
 * @param gradients operands of the gradients' products
 */
public record MatMulCodes(Lowering lowering, Compute gradients) implements Op {
  public MatMulCodes(Lowering lowering) {
    this(lowering, Compute.F32);
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 6, 6);
    for (int i = 0; i < 6; i += 3) {
      Expect.codes(i == 0 ? "a" : "b", in.get(i));
      Expect.vectors(in, i + 1, i + 2, DType.F32, 1);
      Expect.vectors(in, i + 2, i + 3, DType.S32, 1);
    }
    Expect.dtype("b", in.get(3), in.get(0).dtype());
    TensorSpec a = in.get(0).as(DType.F32);
    TensorSpec b = in.get(3).as(DType.F32);
    TensorSpec y = new MatMul(false, false).infer(List.of(a, b)).get(0);
    int rank = a.shape().rank();
    boolean pairs =
        b.shape().rank() == rank
            && Arrays.equals(a.shape().dims(), 0, rank - 2, b.shape().dims(), 0, rank - 2);
    if (!pairs) {
      throw new ShapeException(
          "expected equal dimensions in front of the matrices, got " + a + " and " + b);
    }
    return List.of(y.as(DType.S32));
  }

  @Override
  public List<Value> vjp(GraphBuilder g, Node node, List<Value> outputGrads) {
    CodeOperands of = CodeOperands.of(g, node, gradients, outputGrads.get(0));
    Value da = g.add(node.name() + ".da", new MatMul(false, true), of.dy(), of.w());
    Value db = of.gradientOfW(g, node.name() + ".db", new MatMul(true, false), of.x(), of.dy());
    return Arrays.asList(da, null, null, db, null, null);
  }
}
