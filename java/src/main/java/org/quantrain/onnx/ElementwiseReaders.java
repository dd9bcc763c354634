package org.quantrain.onnx;

import static org.quantrain.onnx.Arguments.require;

import java.util.Map;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.op.Add;
import org.quantrain.op.Binary;
import org.quantrain.op.PRelu;
import org.quantrain.op.Relu;
import org.quantrain.op.ToFloat;
import org.quantrain.op.Unary;
import org.quantrain.op.Where;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;

/** Operators that look at one element at a time. */
final class ElementwiseReaders {
  private static final float UNBOUNDED = Float.POSITIVE_INFINITY;

  private ElementwiseReaders() {}

  static void addTo(Map<String, NodeReader> readers) {
    readers.put("Identity", (in, a) -> in.pass(a, in.value(a, 0)));
    readers.put("Dropout", (in, a) -> in.pass(a, in.value(a, 0)));
    readers.put("Cast", ElementwiseReaders::cast);
    readers.put("Relu", (in, a) -> unary(in, a, new Relu()));
    readers.put("Clip", ElementwiseReaders::clip);
    readers.put("PRelu", ElementwiseReaders::prelu);
    readers.put("Pow", ElementwiseReaders::pow);
    readers.put("Gelu", ElementwiseReaders::gelu);
    unary(readers, "Abs", Unary.Kind.ABS);
    unary(readers, "Exp", Unary.Kind.EXP);
    unary(readers, "Log", Unary.Kind.LOG);
    unary(readers, "Sqrt", Unary.Kind.SQRT);
    unary(readers, "Reciprocal", Unary.Kind.RECIPROCAL);
    unary(readers, "Sigmoid", Unary.Kind.SIGMOID);
    unary(readers, "Tanh", Unary.Kind.TANH);
    unary(readers, "Erf", Unary.Kind.ERF);
    unary(readers, "HardSwish", Unary.Kind.HARD_SWISH);
    unary(readers, "Softplus", Unary.Kind.SOFTPLUS);
    readers.put("Neg", (in, a) -> unary(in, a, affine(-1, 0)));
    readers.put("LeakyRelu", (in, a) -> unary(in, a, scaled(a, Unary.Kind.LEAKY_RELU, 0.01f)));
    readers.put("Elu", (in, a) -> unary(in, a, scaled(a, Unary.Kind.ELU, 1)));
    readers.put("HardSigmoid", ElementwiseReaders::hardSigmoid);
    readers.put("Add", ArithmeticReaders::add);
    readers.put("Sub", ArithmeticReaders::sub);
    readers.put("Mul", ArithmeticReaders::mul);
    readers.put("Div", ArithmeticReaders::div);
    readers.put("Sum", (in, a) -> all(in, a, Binary.Kind.ADD));
    readers.put("Max", (in, a) -> all(in, a, Binary.Kind.MAX));
    readers.put("Min", (in, a) -> all(in, a, Binary.Kind.MIN));
    readers.put("Mean", ElementwiseReaders::mean);
    readers.put("Where", ElementwiseReaders::where);
    readers.put("Equal", (in, a) -> compare(in, a, Binary.Kind.EQUAL, false, false));
    readers.put("Less", (in, a) -> compare(in, a, Binary.Kind.LESS, false, false));
    readers.put("Greater", (in, a) -> compare(in, a, Binary.Kind.LESS, true, false));
    readers.put("LessOrEqual", (in, a) -> compare(in, a, Binary.Kind.LESS, true, true));
    readers.put("GreaterOrEqual", (in, a) -> compare(in, a, Binary.Kind.LESS, false, true));
    readers.put("IsNaN", ElementwiseReaders::isNaN);
    readers.put("Not", (in, a) -> unary(in, a, affine(-1, 1)));
    readers.put("And", (in, a) -> compare(in, a, Binary.Kind.MUL, false, false));
    readers.put("Or", (in, a) -> compare(in, a, Binary.Kind.MAX, false, false));
  }

  private static void unary(Map<String, NodeReader> readers, String op, Unary.Kind kind) {
    readers.put(op, (in, a) -> unary(in, a, new Unary(kind)));
  }

  private static void unary(Importing in, Arguments a, Op op) {
    in.add(a, op, in.term(a, 0, Value.Role.STATE));
  }

  static Unary affine(float alpha, float beta) {
    return new Unary(Unary.Kind.AFFINE, alpha, beta);
  }

  private static Unary scaled(Arguments a, Unary.Kind kind, float orElse) {
    return new Unary(kind, a.node().real("alpha", orElse));
  }

  private static void hardSigmoid(Importing in, Arguments a) {
    float alpha = a.node().real("alpha", 0.2f);
    float beta = a.node().real("beta", 0.5f);
    unary(in, a, new Unary(Unary.Kind.HARD_SIGMOID, alpha, beta));
  }

  private static void gelu(Importing in, Arguments a) {
    String kind = a.node().text("approximate", "none");
    require(kind.equals("none") || kind.equals("tanh"), "approximate " + kind);
    unary(in, a, new Unary(kind.equals("none") ? Unary.Kind.GELU : Unary.Kind.GELU_TANH));
  }

  private static void clip(Importing in, Arguments a) {
    float low = bound(a, 1, "min", -UNBOUNDED);
    float high = bound(a, 2, "max", UNBOUNDED);
    require(low <= high, "from " + low + " to " + high);
    if (low == 0 && high > 0) {
      unary(in, a, new Relu(high));
    } else {
      unary(in, a, new Unary(Unary.Kind.CLIP, low, high));
    }
  }

  private static float bound(Arguments a, int input, String attribute, float none) {
    float bound = a.real(input, attribute, none);
    return Math.abs(bound) >= Float.MAX_VALUE && !Float.isNaN(bound)
        ? Math.copySign(UNBOUNDED, bound)
        : bound;
  }

  private static void prelu(Importing in, Arguments a) {
    Value given = in.value(a, 0);
    boolean line = given.spec().shape().rank() == 3;
    Value x = given.spec().shape().rank() == 2 ? given : in.image(given);
    Value slope = in.vector(a, 1, x.spec().shape().dim(1), Value.Role.PARAM);
    in.passImage(a, in.builder().add(a.node().output(), new PRelu(), x, slope), line);
  }

  private static void pow(Importing in, Arguments a) {
    Constant exponent = a.known(1, "the exponent");
    require(exponent.elements() == 1, "the exponent is " + exponent);
    unary(in, a, new Unary(Unary.Kind.POW, exponent.real(0)));
  }

  private static void cast(Importing in, Arguments a) {
    Value x = in.value(a, 0);
    int to = (int) a.node().integer("to", 0);
    boolean integers = x.spec().dtype() == DType.S32;
    switch (to) {
      case OnnxTensor.FLOAT, OnnxTensor.FLOAT16, OnnxTensor.BFLOAT16, OnnxTensor.DOUBLE ->
          in.pass(a, integers ? in.step(a, "real", new ToFloat(), x) : x);
      case OnnxTensor.INT32, OnnxTensor.INT64 -> {
        require(integers, "reals to integers");
        in.pass(a, x);
      }
      case OnnxTensor.BOOL -> {
        if (in.isTruth(x)) {
          in.pass(a, x);
          return;
        }
        Value real = integers ? in.step(a, "real", new ToFloat(), x) : x;
        Value none = in.persistent(a.node().output() + ".0", HostTensor.of(Shape.of(), 0f), STATE);
        Value isZero = in.step(a, "isZero", new Binary(Binary.Kind.EQUAL), real, none);
        in.add(a, affine(-1, 1), isZero);
      }
      default -> throw new IllegalArgumentException("to " + OnnxTensor.nameOf(to));
    }
  }

  private static final Value.Role STATE = Value.Role.STATE;

  /** Folds an operator of any number of inputs. */
  private static Value all(Importing in, Arguments a, Binary.Kind kind) {
    int n = a.node().inputs().size();
    Value y = in.term(a, 0, STATE);
    for (int i = 1; i < n; i++) {
      Value[] pair = in.aligned(y, in.term(a, i, STATE));
      boolean same = kind == Binary.Kind.ADD && pair[0].spec().equals(pair[1].spec());
      Op op = same ? new Add() : new Binary(kind);
      y = i < n - 1 ? in.step(a, "" + i, op, pair) : in.add(a, op, pair);
    }
    in.pass(a, y);
    return y;
  }

  private static void mean(Importing in, Arguments a) {
    Value sum = all(in, a, Binary.Kind.ADD);
    in.pass(a, in.step(a, "mean", affine(1f / a.node().inputs().size(), 0), sum));
  }

  private static void compare(
      Importing in, Arguments a, Binary.Kind kind, boolean swapped, boolean negated) {
    Value[] pair = in.aligned(in.term(a, 0, STATE), in.term(a, 1, STATE));
    Value p = pair[swapped ? 1 : 0];
    Value q = pair[swapped ? 0 : 1];
    if (negated) {
      in.add(a, affine(-1, 1), in.step(a, "not", new Binary(kind), p, q));
    } else {
      in.add(a, new Binary(kind), p, q);
    }
  }

  /** Only NaN is not equal to itself. Exporters guard a softmax of rows without a key with it. */
  private static void isNaN(Importing in, Arguments a) {
    Value x = in.term(a, 0, STATE);
    in.add(a, affine(-1, 1), in.step(a, "equal", new Binary(Binary.Kind.EQUAL), x, x));
  }

  private static void where(Importing in, Arguments a) {
    in.add(
        a,
        new Where(),
        in.aligned(in.term(a, 0, STATE), in.term(a, 1, STATE), in.term(a, 2, STATE)));
  }
}
