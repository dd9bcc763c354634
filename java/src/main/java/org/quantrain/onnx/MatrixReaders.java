package org.quantrain.onnx;

import static org.quantrain.onnx.Arguments.require;

import java.util.Arrays;
import java.util.List;
import java.util.Map;
import org.quantrain.graph.Value;
import org.quantrain.op.Add;
import org.quantrain.op.Binary;
import org.quantrain.op.Linear;
import org.quantrain.op.MatMul;
import org.quantrain.op.Transpose;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Layout;
import org.quantrain.tensor.Shape;

/**
 * Products of matrices. With a matrix of weights they are linear layers on the rows of whatever is
 * in front; with two computed operands they are batched products.
 */
final class MatrixReaders {
  private MatrixReaders() {}

  static void addTo(Map<String, NodeReader> readers) {
    readers.put("MatMul", MatrixReaders::matMul);
    readers.put("Gemm", MatrixReaders::gemm);
  }

  /** Whether the node multiplies rows by weights and adds nothing. */
  static boolean isLinear(Importing in, OnnxNode node) {
    Constant w = in.constant(node.input(1));
    return node.op().equals("MatMul")
        && node.domain().isEmpty()
        && w != null
        && w.kind() == Constant.Kind.REAL
        && w.rank() == 2
        && in.computed(node.input(0)) != null
        && in.computed(node.input(0)).spec().shape().rank() >= 2;
  }

  private static void matMul(Importing in, Arguments a) {
    if (isLinear(in, a.node())) {
      linear(in, a, a, null);
      return;
    }
    Value p = in.rowMajor(in.operand(a, 0, Value.Role.PARAM));
    Value q = in.rowMajor(in.operand(a, 1, Value.Role.PARAM));
    int front = p.spec().shape().rank();
    int back = q.spec().shape().rank();
    require(front >= 2 && back >= 2, "expected matrices, got " + p.spec() + " and " + q.spec());
    in.add(a, new MatMul(false, false), p, q);
  }

  /**
   * A linear layer on the last dimension.
   *
   * @param a what the output is named after
   * @param product the MatMul
   * @param bias a parameter, or null
   */
  static void linear(Importing in, Arguments a, Arguments product, Value bias) {
    Value x = in.computed(product.node().input(0));
    int[] w = product.constant(1).shape().dims();
    Value weights = in.weights(product, 1, true, Shape.of(w[1], w[0]));
    int rank = x.spec().shape().rank();
    require(
        x.spec().shape().dim(rank - 1) == w[0],
        "expected rows of " + w[0] + " for weights " + product.constant(1) + ", got " + x.spec());
    if (rank == 2) {
      in.pass(a, linear(in, a.node().output(), x, weights, bias));
      return;
    }
    Value rows = in.asRows(x);
    Value y = linear(in, a.node().output() + ".linear", rows, weights, bias);
    in.pass(a, in.reshaped(a.node().output(), y, x.spec().shape().with(rank - 1, w[1])));
  }

  private static Value linear(Importing in, String name, Value x, Value weights, Value bias) {
    return bias == null
        ? in.builder().add(name, new Linear(), x, weights)
        : in.builder().add(name, new Linear(), x, weights, bias);
  }

  private static void gemm(Importing in, Arguments a) {
    boolean transA = a.node().integer("transA", 0) != 0;
    boolean transB = a.node().integer("transB", 0) != 0;
    float alpha = a.node().real("alpha", 1);
    float beta = a.node().real("beta", 1);
    Value x = in.value(a, 0);
    boolean constant = a.constant(1) != null && a.constant(1).rank() == 2;
    boolean addsConstant = !a.has(2) || a.constant(2) != null;
    if (!constant || !addsConstant || alpha != 1) {
      general(in, a, x, transA, transB);
      return;
    }
    int[] w = a.constant(1).shape().dims();
    Shape shape = transB ? Shape.of(w[0], w[1]) : Shape.of(w[1], w[0]);
    Value weights = in.weights(a, 1, !transB, shape);
    if (transA) {
      x = in.step(a, "turned", new Transpose(List.of(1, 0), Layout.ROW_MAJOR), x);
    }
    Value bias = a.has(2) && beta != 0 ? bias(in, a, shape.dim(0), beta) : null;
    in.pass(a, linear(in, a.node().output(), x, weights, bias));
  }

  private static Value bias(Importing in, Arguments a, int n, float beta) {
    if (beta == 1) {
      return in.vector(a, 2, n, Value.Role.PARAM);
    }
    Constant c = a.constant(2);
    float[] values = c.elements() == 1 ? Importing.filled(n, c.real(0)) : c.floats();
    require(values.length == n, "bias " + c);
    for (int i = 0; i < n; i++) {
      values[i] *= beta;
    }
    return in.persistent(a.node().input(2), HostTensor.of(Shape.of(n), values), Value.Role.PARAM);
  }

  /** alpha A B + beta C of matrices. */
  private static void general(Importing in, Arguments a, Value x, boolean transA, boolean transB) {
    float alpha = a.node().real("alpha", 1);
    float beta = a.node().real("beta", 1);
    Value w = in.operand(a, 1, Value.Role.PARAM);
    Value y = in.step(a, "product", new MatMul(transA, transB), x, w);
    if (alpha != 1) {
      y = in.step(a, "scaled", ElementwiseReaders.affine(alpha, 0), y);
    }
    if (a.has(2) && beta != 0) {
      Value c = in.operand(a, 2, Value.Role.PARAM);
      c = beta == 1 ? c : in.step(a, "bias", ElementwiseReaders.affine(beta, 0), c);
      boolean same = y.spec().equals(c.spec());
      in.add(a, same ? new Add() : new Binary(Binary.Kind.ADD), y, c);
    } else {
      in.pass(a, y);
    }
  }

  /** The constant has n elements, all in its last dimension. */
  static boolean isVector(Constant c, int n) {
    int[] dims = c.shape().dims();
    return c.kind() == Constant.Kind.REAL
        && dims.length > 0
        && dims[dims.length - 1] == n
        && Arrays.stream(dims, 0, dims.length - 1).allMatch(d -> d == 1);
  }
}
