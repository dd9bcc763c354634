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
 * y = f(a, b) element by element, with broadcasting as in NumPy; float32. An operand of lower rank
 * is row-major, operands of rank 4 have one order in memory.
 *
 * <p>The sum of two equal shapes that is to be quantized is {@link Add}.
 */
public record Binary(Kind function) implements Op {
  /** The function. */
  public enum Kind {
    ADD,
    /** a - b. */
    SUB,
    MUL,
    /** a / b. */
    DIV,
    /** NaN if one is; the gradient of a tie goes to a. */
    MIN,
    /** NaN if one is; the gradient of a tie goes to a. */
    MAX,
    /** 1 where a = b, else 0; no gradient. */
    EQUAL,
    /** 1 where a < b, else 0; no gradient. */
    LESS
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 2, 2);
    Expect.dtype("a", in.get(0), DType.F32);
    Expect.dtype("b", in.get(1), DType.F32);
    return List.of(Broadcast.of(DType.F32, in));
  }

  @Override
  public List<Value> vjp(GraphBuilder builder, Node node, List<Value> outputGrads) {
    Value dy = outputGrads.get(0);
    Gradient grad = new Gradient(builder, node);
    Value a = node.input(0);
    Value b = node.input(1);
    return switch (function) {
      case ADD -> grad.of(dy, dy);
      case SUB -> grad.of(dy, grad.negative(dy));
      case MUL -> grad.of(grad.binary("da", Kind.MUL, dy, b), grad.binary("db", Kind.MUL, dy, a));
      case DIV -> {
        Value da = grad.binary("da", Kind.DIV, dy, b);
        yield grad.of(da, grad.negative(grad.binary("db", Kind.MUL, da, node.output())));
      }
      case MIN -> grad.split(dy, grad.binary("isB", Kind.LESS, b, a));
      case MAX -> grad.split(dy, grad.binary("isB", Kind.LESS, a, b));
      case EQUAL, LESS -> Arrays.asList(null, null);
    };
  }

  /** Puts the gradients of one node together. */
  private record Gradient(GraphBuilder builder, Node node) {
    List<Value> of(Value da, Value db) {
      return List.of(Broadcast.sumTo(builder, node, 0, da), Broadcast.sumTo(builder, node, 1, db));
    }

    /** To b where the mask is 1, to a elsewhere. */
    List<Value> split(Value dy, Value toB) {
      Value db = binary("db", Kind.MUL, dy, toB);
      return of(binary("da", Kind.SUB, dy, db), db);
    }

    Value binary(String name, Kind kind, Value a, Value b) {
      return builder.add(node.name() + "." + name, new Binary(kind), a, b);
    }

    Value negative(Value v) {
      return builder.add(node.name() + ".neg", new Unary(Unary.Kind.AFFINE, -1), v);
    }
  }
}
