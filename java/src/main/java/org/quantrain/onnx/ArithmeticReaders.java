package org.quantrain.onnx;

import java.util.Optional;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.op.Add;
import org.quantrain.op.Binary;
import org.quantrain.op.Unary;

/**
 * Add, Sub, Mul and Div. They are also what exporters write other layers with: the last node of a
 * decomposed layer reads as that layer, and what led there is left without a reader.
 *
 * <p>A float initializer that is added or multiplied is trained (a position embedding, a layer
 * scale); one that is subtracted or divided by is not (statistics of a normalization).
 */
final class ArithmeticReaders {
  private static final Value.Role TRAINED = Value.Role.PARAM;
  private static final Value.Role KEPT = Value.Role.STATE;

  private ArithmeticReaders() {}

  static void add(Importing in, Arguments a) {
    if (DecomposedLayerNorm.read(in, a) || BiasReaders.read(in, a)) {
      return;
    }
    if (scalar(in, a, 1) != null) {
      affine(in, a, 0, 1, scalar(in, a, 1));
    } else if (scalar(in, a, 0) != null) {
      affine(in, a, 1, 1, scalar(in, a, 0));
    } else {
      binary(in, a, Binary.Kind.ADD, TRAINED);
    }
  }

  static void sub(Importing in, Arguments a) {
    if (scalar(in, a, 1) != null) {
      affine(in, a, 0, 1, -scalar(in, a, 1));
    } else if (scalar(in, a, 0) != null) {
      affine(in, a, 1, -1, scalar(in, a, 0));
    } else {
      binary(in, a, Binary.Kind.SUB, KEPT);
    }
  }

  static void mul(Importing in, Arguments a) {
    if (readAsFunction(in, a) || DecomposedLayerNorm.read(in, a)) {
      return;
    }
    if (scalar(in, a, 1) != null) {
      affine(in, a, 0, scalar(in, a, 1), 0);
    } else if (scalar(in, a, 0) != null) {
      affine(in, a, 1, scalar(in, a, 0), 0);
    } else {
      binary(in, a, Binary.Kind.MUL, TRAINED);
    }
  }

  static void div(Importing in, Arguments a) {
    if (readAsFunction(in, a) || DecomposedLayerNorm.read(in, a)) {
      return;
    }
    Float by = scalar(in, a, 1);
    Float of = scalar(in, a, 0);
    if (by != null && by != 0) {
      affine(in, a, 0, 1 / by, 0);
    } else if (of != null) {
      Value x = in.term(a, 1, KEPT);
      affine(in, a, in.step(a, "reciprocal", new Unary(Unary.Kind.RECIPROCAL), x), of, 0);
    } else {
      binary(in, a, Binary.Kind.DIV, KEPT);
    }
  }

  private static boolean readAsFunction(Importing in, Arguments a) {
    Optional<ScalarFunction> function = ScalarFunction.of(in, a.node());
    function.ifPresent(f -> in.add(a, f.op(), in.computed(f.x())));
    return function.isPresent();
  }

  /** The only element of a constant beside an operand of at least its rank; else null. */
  private static Float scalar(Importing in, Arguments a, int input) {
    Constant c = a.constant(input);
    Value other = in.computed(a.node().input(1 - input));
    boolean alone = c != null && other != null && c.elements() == 1 && !c.dependsOnBatch();
    if (!alone || c.rank() > other.spec().shape().rank() || !Float.isFinite(c.real(0))) {
      return null;
    }
    return c.real(0);
  }

  private static void affine(Importing in, Arguments a, int input, float alpha, float beta) {
    affine(in, a, in.term(a, input, KEPT), alpha, beta);
  }

  private static void affine(Importing in, Arguments a, Value x, float alpha, float beta) {
    Node before = in.maker(x);
    if (alpha == 1 && beta == 0) {
      in.pass(a, x);
    } else if (alpha == 1 && before != null && isScaling(before.op())) {
      // a x + b is rounded twice either way.
      float scale = ((Unary) before.op()).alpha();
      in.add(a, ElementwiseReaders.affine(scale, beta), before.input(0));
    } else {
      in.add(a, ElementwiseReaders.affine(alpha, beta), x);
    }
  }

  private static boolean isScaling(Op op) {
    return op instanceof Unary unary && unary.function() == Unary.Kind.AFFINE && unary.beta() == 0;
  }

  private static void binary(Importing in, Arguments a, Binary.Kind kind, Value.Role role) {
    Value[] pair = in.aligned(in.term(a, 0, role), in.term(a, 1, role));
    boolean residual = kind == Binary.Kind.ADD && pair[0].spec().equals(pair[1].spec());
    Op op = residual ? new Add() : new Binary(kind);
    in.add(a, op, pair);
  }
}
