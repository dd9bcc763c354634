package org.quantrain.onnx;

import static org.quantrain.onnx.Arguments.require;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.BinaryOperator;
import java.util.function.DoubleBinaryOperator;
import java.util.function.DoublePredicate;
import java.util.function.DoubleUnaryOperator;
import java.util.function.Function;
import java.util.function.LongBinaryOperator;
import java.util.stream.IntStream;
import org.quantrain.tensor.Shape;

/**
 * Arithmetic on constants, with broadcasting. Reals are computed in double and rounded to float32;
 * integers may depend on the batch as long as the result is again an {@link Affine} number.
 */
final class FoldedArithmetic {
  private static final Map<String, Function<List<Constant>, Constant>> RULES = new HashMap<>();

  private FoldedArithmetic() {}

  /** What to do with the inputs, by operator. */
  static Map<String, Function<List<Constant>, Constant>> rules() {
    return RULES;
  }

  static {
    binary("Add", Double::sum, Affine::plus);
    binary("Sub", (x, y) -> x - y, Affine::minus);
    binary("Mul", (x, y) -> x * y, Affine::times);
    binary("Div", (x, y) -> x / y, Affine::over);
    binary("Mod", (x, y) -> x % y, Affine::modulo);
    binary("Pow", Math::pow, plain((x, y) -> (long) Math.pow(x, y)));
    extreme("Min", Math::min, plain(Math::min));
    extreme("Max", Math::max, plain(Math::max));
    compare("Equal", difference -> difference == 0);
    compare("Less", difference -> difference < 0);
    compare("LessOrEqual", difference -> difference <= 0);
    compare("Greater", difference -> difference > 0);
    compare("GreaterOrEqual", difference -> difference >= 0);
    logic("And", (x, y) -> x * y);
    logic("Or", Math::max);
    logic("Xor", (x, y) -> Math.abs(x - y));
    unary("Sqrt", Math::sqrt);
    unary("Exp", Math::exp);
    unary("Log", Math::log);
    unary("Floor", Math::floor);
    unary("Ceil", Math::ceil);
    unary("Round", Math::rint);
    unary("Reciprocal", x -> 1 / x);
    unary("Sin", Math::sin);
    unary("Cos", Math::cos);
    unary("Tanh", Math::tanh);
    unary("Sigmoid", x -> 1 / (1 + Math.exp(-x)));
    signed("Neg", x -> -x);
    signed("Abs", Math::abs);
    RULES.put("Not", in -> map(in.get(0), Constant.Kind.BOOLEAN, x -> 1 - x));
    RULES.put("Where", FoldedArithmetic::where);
    reduce("ReduceProd", Affine::times);
    reduce("ReduceSum", Affine::plus);
    reduce("ReduceMax", plain(Math::max));
    reduce("ReduceMin", plain(Math::min));
  }

  /** An operation on numbers that do not depend on the batch. */
  private static BinaryOperator<Affine> plain(LongBinaryOperator f) {
    return (x, y) -> Affine.of(f.applyAsLong(x.plain(), y.plain()));
  }

  /** Applies a rule to all inputs, two at a time. */
  private static void binary(
      String op, DoubleBinaryOperator real, BinaryOperator<Affine> integer) {
    RULES.put(
        op,
        in -> {
          Constant y = in.get(0);
          for (Constant next : in.subList(1, in.size())) {
            require(next != null, "has an input that is left out");
            y = binary(y, next, real, integer);
          }
          return y;
        });
  }

  private static Constant binary(
      Constant x, Constant y, DoubleBinaryOperator real, BinaryOperator<Affine> integer) {
    require(
        (x.kind() == Constant.Kind.REAL) == (y.kind() == Constant.Kind.REAL),
        "mixes " + x + " and " + y);
    Shape to = ShapeRules.broadcast(x.shape(), y.shape());
    int n = Constant.count(to);
    Strides p = Strides.of(to).broadcastFrom(x.shape());
    Strides q = Strides.of(to).broadcastFrom(y.shape());
    if (x.kind() == Constant.Kind.REAL) {
      float[] values = new float[n];
      for (int i = 0; i < n; i++) {
        values[i] = (float) real.applyAsDouble(x.real(p.index(i)), y.real(q.index(i)));
      }
      return Constant.of(to, values);
    }
    return Constant.of(
        Constant.Kind.INTEGER,
        to,
        i -> integer.apply(x.number(p.index(i)), y.number(q.index(i))));
  }

  /**
   * Min and Max. Those of sample numbers have no affine form, but exporters write them for their
   * shape only, to which they then expand the operands.
   */
  private static void extreme(
      String op, DoubleBinaryOperator real, BinaryOperator<Affine> integer) {
    binary(op, real, integer);
    Function<List<Constant>, Constant> known = RULES.get(op);
    RULES.put(
        op,
        in ->
            in.contains(null) || in.stream().noneMatch(Constant::dependsOnSample)
                ? known.apply(in)
                : Constant.unknown(
                    in.stream().map(Constant::shape).reduce(ShapeRules::broadcast).orElseThrow()));
  }

  /**
   * A comparison with 0 of the difference. The batch size is taken as larger than any number that a
   * file names, so that it is not mistaken for one.
   */
  private static void compare(String op, DoublePredicate holds) {
    RULES.put(
        op,
        in -> {
          require(in.size() == 2 && in.get(1) != null, "expected two inputs");
          Constant difference =
              binary(in.get(0), in.get(1), (x, y) -> x == y ? 0 : x - y, Affine::minus);
          long[] values = new long[difference.elements()];
          for (int i = 0; i < values.length; i++) {
            double d =
                difference.kind() == Constant.Kind.REAL
                    ? difference.real(i)
                    : sign(difference.number(i));
            values[i] = holds.test(d) ? 1 : 0;
          }
          return Constant.of(Constant.Kind.BOOLEAN, difference.shape(), values);
        });
  }

  private static double sign(Affine difference) {
    require(difference.perSample() == 0, "compares numbers that depend on the sample");
    return difference.perBatch() != 0 ? difference.perBatch() : difference.fixed();
  }

  private static void logic(String op, DoubleBinaryOperator f) {
    RULES.put(
        op,
        in -> {
          require(in.size() == 2 && in.get(1) != null, "expected two inputs");
          Constant values =
              binary(
                  in.get(0),
                  in.get(1),
                  f,
                  plain((x, y) -> (long) f.applyAsDouble(x, y)));
          return Constant.of(Constant.Kind.BOOLEAN, values.shape(), values.longs());
        });
  }

  private static void unary(String op, DoubleUnaryOperator f) {
    RULES.put(
        op,
        in -> {
          require(in.get(0).kind() == Constant.Kind.REAL, "expected reals, got " + in.get(0));
          return map(in.get(0), Constant.Kind.REAL, f);
        });
  }

  private static void signed(String op, DoubleUnaryOperator f) {
    RULES.put(op, in -> map(in.get(0), in.get(0).kind(), f));
  }

  private static Constant map(Constant x, Constant.Kind kind, DoubleUnaryOperator f) {
    int n = Constant.count(x.shape());
    if (kind == Constant.Kind.REAL) {
      float[] values = new float[n];
      for (int i = 0; i < n; i++) {
        values[i] = (float) f.applyAsDouble(x.real(i));
      }
      return Constant.of(x.shape(), values);
    }
    long[] values = new long[n];
    for (int i = 0; i < n; i++) {
      values[i] = (long) f.applyAsDouble(x.integer(i));
    }
    return Constant.of(kind, x.shape(), values);
  }

  private static Constant where(List<Constant> in) {
    require(in.size() == 3 && !in.contains(null), "expected three inputs");
    Constant a = in.get(1);
    Constant b = in.get(2);
    require(a.kind() == b.kind(), "mixes " + a + " and " + b);
    Shape to = in.get(0).shape();
    for (Constant c : in) {
      to = ShapeRules.broadcast(to, c.shape());
    }
    int n = Constant.count(to);
    Strides out = Strides.of(to);
    Strides condition = out.broadcastFrom(in.get(0).shape());
    Strides p = out.broadcastFrom(a.shape());
    Strides q = out.broadcastFrom(b.shape());
    boolean[] first = new boolean[n];
    for (int i = 0; i < n; i++) {
      first[i] = in.get(0).integer(condition.index(i)) != 0;
    }
    if (a.kind() == Constant.Kind.REAL) {
      float[] values = new float[n];
      for (int i = 0; i < n; i++) {
        values[i] = first[i] ? a.real(p.index(i)) : b.real(q.index(i));
      }
      return Constant.of(to, values);
    }
    return Constant.of(
        a.kind(), to, i -> first[i] ? a.number(p.index(i)) : b.number(q.index(i)));
  }

  /** A reduction of a whole list of integers: what exporters make of the product of sizes. */
  private static void reduce(String op, BinaryOperator<Affine> rule) {
    RULES.put(
        op,
        in -> {
          Constant x = in.get(0);
          require(
              x.kind() == Constant.Kind.INTEGER
                  && x.rank() == 1
                  && x.elements() > 0
                  && !x.shape().hasBatch(),
              "expected a list of sizes, got " + x);
          Affine all =
              IntStream.range(0, x.elements()).mapToObj(x::number).reduce(rule).orElseThrow();
          return Constant.of(Constant.Kind.INTEGER, Shape.of(), i -> all);
        });
  }
}
