package org.quantrain.op;

import java.util.List;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.TensorSpec;

/**
 * y = f(x) element by element, float32, any shape.
 *
 * @param alpha what the kind says, 0 where it says nothing
 * @param beta likewise
 */
public record Unary(Kind function, float alpha, float beta) implements Op {
  /** The function. */
  public enum Kind {
    /** alpha x + beta. */
    AFFINE,
    ABS,
    EXP,
    /** Natural logarithm. */
    LOG,
    SQRT,
    /** 1 / x. */
    RECIPROCAL,
    /** x to the power alpha. */
    POW,
    /** 1 / (1 + exp(-x)). */
    SIGMOID,
    TANH,
    ERF,
    /** x / 2 (1 + erf(x / sqrt 2)). */
    GELU,
    /** x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))). */
    GELU_TANH,
    /** min(max(alpha x + beta, 0), 1). */
    HARD_SIGMOID,
    /** x min(max(x / 6 + 1 / 2, 0), 1). */
    HARD_SWISH,
    /** x sigmoid(x). */
    SILU,
    /** log(1 + exp(x)). */
    SOFTPLUS,
    /** x where x > 0, else alpha x. */
    LEAKY_RELU,
    /** x where x > 0, else alpha (exp(x) - 1). */
    ELU,
    /** min(max(x, alpha), beta); the gradient passes where alpha < x < beta. */
    CLIP
  }

  public Unary(Kind kind) {
    this(kind, 0, 0);
  }

  public Unary(Kind kind, float alpha) {
    this(kind, alpha, 0);
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    Expect.count(in, 1, 1);
    Expect.dtype("x", in.get(0), DType.F32);
    return in;
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    return List.of(
        b.add(
            node.name() + ".dx",
            new UnaryBackward(function, alpha, beta),
            node.input(0),
            outputGrads.get(0)));
  }
}
