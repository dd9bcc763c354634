package org.quantrain.onnx;

import static org.quantrain.onnx.Arguments.require;

import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.DoubleBinaryOperator;
import java.util.function.DoublePredicate;
import java.util.function.DoubleUnaryOperator;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.quantrain.tensor.Shape;

/**
 * Arithmetic on constants, with broadcasting. Reals are computed in double and rounded to float32;
 * integers may depend on the batch size N, a number a + b N, as long as the result has this form.
 */
final class FoldedArithmetic {
  /** An integer operation on a + b N and c + d N; refuses what has no such form. */
  private interface SizeRule {
    Size apply(Size x, Size y);
  }

  private record Size(long fixed, long perBatch) {
    static Size of(long fixed) {
      return new Size(fixed, 0);
    }
  }

  private static final Map<String, Function<List<Constant>, Constant>> RULES = new HashMap<>();

  private FoldedArithmetic() {}

  /** What to do with the inputs, by operator. */
  static Map<String, Function<List<Constant>, Constant>> rules() {
    return RULES;
  }

  static {
    binary("Add", Double::sum, (x, y) -> sum(x, y, 1));
    binary("Sub", (x, y) -> x - y, (x, y) -> sum(x, y, -1));
    binary("Mul", (x, y) -> x * y, FoldedArithmetic::product);
    binary("Div", (x, y) -> x / y, FoldedArithmetic::quotient);
    binary("Mod", (x, y) -> x % y, FoldedArithmetic::rest);
    binary("Pow", Math::pow, (x, y) -> Size.of((long) Math.pow(plain(x), plain(y))));
    binary("Min", Math::min, (x, y) -> Size.of(Math.min(plain(x), plain(y))));
    binary("Max", Math::max, (x, y) -> Size.of(Math.max(plain(x), plain(y))));
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
    reduce("ReduceProd", FoldedArithmetic::product);
    reduce("ReduceSum", (x, y) -> sum(x, y, 1));
    reduce("ReduceMax", (x, y) -> Size.of(Math.max(plain(x), plain(y))));
    reduce("ReduceMin", (x, y) -> Size.of(Math.min(plain(x), plain(y))));
  }

  private static long plain(Size x) {
    require(x.perBatch == 0, "a number that depends on the batch size");
    return x.fixed;
  }

  private static Size sum(Size x, Size y, int sign) {
    return new Size(x.fixed + sign * y.fixed, x.perBatch + sign * y.perBatch);
  }

  private static Size product(Size x, Size y) {
    require(x.perBatch == 0 || y.perBatch == 0, "the square of the batch size");
    return new Size(x.fixed * y.fixed, x.fixed * y.perBatch + x.perBatch * y.fixed);
  }

  /** Rounded to zero. */
  private static Size quotient(Size x, Size y) {
    if (y.perBatch != 0) {
      require(
          x.fixed == 0 && y.fixed == 0 && x.perBatch % y.perBatch == 0,
          "divides by the batch size");
      return Size.of(x.perBatch / y.perBatch);
    }
    require(y.fixed != 0, "divides by 0");
    require(
        x.perBatch == 0 || (x.fixed % y.fixed == 0 && x.perBatch % y.fixed == 0),
        "divides what depends on the batch size");
    return new Size(x.fixed / y.fixed, x.perBatch / y.fixed);
  }

  private static Size rest(Size x, Size y) {
    long by = plain(y);
    require(by != 0, "divides by 0");
    require(x.perBatch % by == 0, "divides what depends on the batch size");
    return Size.of(Math.floorMod(x.fixed, by));
  }

  private static Size size(Constant c, int i) {
    return new Size(c.fixed(i), c.perBatch(i));
  }

  /** Applies a rule to all inputs, two at a time. */
  private static void binary(String op, DoubleBinaryOperator real, SizeRule integer) {
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
      Constant x, Constant y, DoubleBinaryOperator real, SizeRule integer) {
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
    long[] fixed = new long[n];
    long[] perBatch = new long[n];
    for (int i = 0; i < n; i++) {
      Size value = integer.apply(size(x, p.index(i)), size(y, q.index(i)));
      fixed[i] = value.fixed;
      perBatch[i] = value.perBatch;
    }
    return Constant.symbolic(to, fixed, perBatch);
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
              binary(in.get(0), in.get(1), (x, y) -> x == y ? 0 : x - y, (x, y) -> sum(x, y, -1));
          long[] values = new long[difference.elements()];
          for (int i = 0; i < values.length; i++) {
            double k = difference.kind() == Constant.Kind.REAL ? 0 : difference.perBatch(i);
            double d =
                k != 0
                    ? k
                    : difference.kind() == Constant.Kind.REAL
                        ? difference.real(i)
                        : difference.fixed(i);
            values[i] = holds.test(d) ? 1 : 0;
          }
          return Constant.of(Constant.Kind.BOOLEAN, difference.shape(), values);
        });
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
                  (x, y) -> Size.of((long) f.applyAsDouble(plain(x), plain(y))));
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
    long[] fixed = new long[n];
    long[] perBatch = new long[n];
    for (int i = 0; i < n; i++) {
      Size value = first[i] ? size(a, p.index(i)) : size(b, q.index(i));
      fixed[i] = value.fixed;
      perBatch[i] = value.perBatch;
    }
    return a.kind() == Constant.Kind.BOOLEAN
        ? Constant.of(Constant.Kind.BOOLEAN, to, fixed)
        : Constant.symbolic(to, fixed, perBatch);
  }

  /** A reduction of a whole list of integers: what exporters make of the product of sizes. */
  private static void reduce(String op, SizeRule rule) {
    RULES.put(
        op,
        in -> {
          Constant x = in.get(0);
          require(
              x.kind() == Constant.Kind.INTEGER && x.rank() == 1 && x.elements() > 0,
              "expected a list of sizes, got " + x);
          Size all =
              IntStream.range(0, x.elements())
                  .mapToObj(i -> size(x, i))
                  .reduce(rule::apply)
                  .orElseThrow();
          return Constant.symbolic(Shape.of(), new long[] {all.fixed}, new long[] {all.perBatch});
        });
  }
}
