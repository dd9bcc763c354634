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
 * Products of matrices in the last two dimensions, [..,M,K] by [..,K,N] to [..,M,N], the dimensions
 * in front broadcast; row-major, both operands float32 or both bf16, the products' sums float32.
 *
 * @param transA a is [..,K,M]
 * @param transB b is [..,N,K]
 */
public record MatMul(boolean transA, boolean transB) implements Op {
  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 2, 2);
    Expect.operands(in.get(0), in.get(1));
    for (int i = 0; i < 2; i++) {
      String what = i == 0 ? "a" : "b";
      Expect.rowMajor(what, in.get(i));
      if (in.get(i).shape().rank() < 2) {
        throw new ShapeException(what + ": expected a matrix, got " + in.get(i));
      }
    }
    Shape a = in.get(0).shape();
    Shape b = in.get(1).shape();
    int m = a.dim(a.rank() - (transA ? 1 : 2));
    int k = a.dim(a.rank() - (transA ? 2 : 1));
    int n = b.dim(b.rank() - (transB ? 2 : 1));
    if (k != b.dim(b.rank() - (transB ? 1 : 2))) {
      throw new ShapeException("inner dimensions of " + a + " and " + b + " differ");
    }
    Shape front = Broadcast.of(front(a), front(b));
    int[] dims = Arrays.copyOf(front.dims(), front.rank() + 2);
    dims[front.rank()] = m;
    dims[front.rank() + 1] = n;
    return List.of(new TensorSpec(DType.F32, Shape.of(dims), Layout.ROW_MAJOR));
  }

  private static Shape front(Shape x) {
    return Shape.of(Arrays.copyOf(x.dims(), x.rank() - 2));
  }

  @Override
  public List<Value> vjp(GraphBuilder builder, Node node, List<Value> outputGrads) {
    Value dy = ToBf16.beside(builder, node, node.input(0), outputGrads.get(0));
    Value a = node.input(0);
    Value b = node.input(1);
    Value da =
        transA
            ? product(builder, node, ".da", transB, true, b, dy)
            : product(builder, node, ".da", false, !transB, dy, b);
    Value db =
        transB
            ? product(builder, node, ".db", true, transA, dy, a)
            : product(builder, node, ".db", !transA, false, a, dy);
    return List.of(Broadcast.sumTo(builder, node, 0, da), Broadcast.sumTo(builder, node, 1, db));
  }

  private static Value product(
      GraphBuilder builder, Node node, String name, boolean tp, boolean tq, Value p, Value q) {
    return builder.add(node.name() + name, new MatMul(tp, tq), p, q);
  }
}
