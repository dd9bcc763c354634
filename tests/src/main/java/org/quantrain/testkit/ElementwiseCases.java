package org.quantrain.testkit;

import static org.quantrain.testkit.EdgeValues.between;
import static org.quantrain.testkit.EdgeValues.edges;
import static org.quantrain.testkit.EdgeValues.finiteEdges;
import static org.quantrain.testkit.EdgeValues.ordinary;
import static org.quantrain.testkit.FloatCases.LARGE;
import static org.quantrain.testkit.FloatCases.normal;
import static org.quantrain.testkit.Grids.size;

import java.util.ArrayList;
import java.util.List;
import org.quantrain.op.Binary;
import org.quantrain.op.PRelu;
import org.quantrain.op.PReluBackward;
import org.quantrain.op.ToFloat;
import org.quantrain.op.Unary;
import org.quantrain.op.UnaryBackward;
import org.quantrain.op.Where;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Layout;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;
import org.quantrain.testkit.OpCase.Examples;

/** Functions of one, two and three operands, with broadcasting. */
final class ElementwiseCases {
  /** Every function, with the numbers that it takes. */
  private static final List<Unary> FUNCTIONS = functions();

  private ElementwiseCases() {}

  private static List<Unary> functions() {
    List<Unary> all = new ArrayList<>();
    for (Unary.Kind kind : Unary.Kind.values()) {
      switch (kind) {
        case AFFINE -> all.add(new Unary(kind, 1.7f, -0.3f));
        case POW -> {
          for (float power : new float[] {2, 2.5f, -3, 0}) {
            all.add(new Unary(kind, power));
          }
        }
        case HARD_SIGMOID -> all.add(new Unary(kind, 0.2f, 0.5f));
        case LEAKY_RELU -> all.add(new Unary(kind, 0.01f));
        case ELU -> all.add(new Unary(kind, 0.7f));
        case CLIP -> all.add(new Unary(kind, -1, 0.5f));
        default -> all.add(new Unary(kind));
      }
    }
    return all;
  }

  static List<OpCase> all() {
    return List.of(
        new OpCase(
            Unary.class,
            ElementwiseCases::unary,
            ElementwiseCases::unaryGradients,
            () -> Example.of("large", new Unary(Unary.Kind.GELU), normal(LARGE, 1))),
        new OpCase(
            UnaryBackward.class,
            ElementwiseCases::unaryBackward,
            List::of,
            () ->
                Example.of(
                    "large",
                    new UnaryBackward(Unary.Kind.GELU, 0, 0),
                    normal(LARGE, 1),
                    normal(LARGE, 2))),
        new OpCase(
            Binary.class,
            ElementwiseCases::binary,
            ElementwiseCases::binaryGradients,
            () ->
                Example.of(
                    "large",
                    new Binary(Binary.Kind.ADD),
                    normal(LARGE, 1),
                    normal(Shape.of(1024), 2))),
        new OpCase(
            Where.class,
            ElementwiseCases::where,
            () ->
                List.of(
                    Example.of(
                        "small",
                        new Where(),
                        condition(Shape.of(3, 4)),
                        normal(3, 4, 1),
                        normal(Shape.of(4), 2))),
            () ->
                Example.of(
                    "large", new Where(), condition(LARGE), normal(LARGE, 1), normal(LARGE, 2))),
        new OpCase(
            ToFloat.class,
            ElementwiseCases::toFloat,
            List::of,
            () ->
                Example.of(
                    "large",
                    new ToFloat(),
                    HostTensor.of(LARGE, EdgeValues.accumulators(size(LARGE), 1 << 28, 1)))),
        new OpCase(
            PRelu.class,
            ElementwiseCases::pRelu,
            () -> List.of(pRelu("small", normal(Shape.of(2, 3, 2, 2), 1))),
            () -> pRelu("large", normal(FloatCases.LARGE_IMAGES, 1))),
        new OpCase(
            PReluBackward.class,
            ElementwiseCases::pReluBackward,
            List::of,
            () -> pReluBackward("large", FloatCases.LARGE_IMAGES)));
  }

  private static List<Example> unary() {
    Examples examples = new Examples();
    for (Unary op : FUNCTIONS) {
      for (int n : EdgeValues.SIZES) {
        examples.add("edges " + n, op, HostTensor.of(Shape.of(1, n), edges(n, 1)));
        float[] wide = ordinary(n, 2, 8, 0);
        examples.add("wide " + n, op, HostTensor.of(Shape.of(1, n), wide));
      }
    }
    return examples
        .add("several blocks", new Unary(Unary.Kind.TANH), normal(Shape.of(3, 16, 41, 43), 3))
        .list();
  }

  private static List<Example> unaryBackward() {
    Examples examples = new Examples();
    for (Unary f : FUNCTIONS) {
      UnaryBackward op = new UnaryBackward(f.function(), f.alpha(), f.beta());
      for (int n : EdgeValues.SIZES) {
        Shape shape = Shape.of(1, n);
        examples.add(
            "edges " + n,
            op,
            HostTensor.of(shape, edges(n, 1)),
            HostTensor.of(shape, finiteEdges(n, 4)));
        examples.add(
            "wide " + n,
            op,
            HostTensor.of(shape, ordinary(n, 2, 8, 0)),
            HostTensor.of(shape, ordinary(n, 3)));
      }
    }
    return examples.list();
  }

  /** Away from kinks, and where the function is defined. */
  private static List<Example> unaryGradients() {
    Examples examples = new Examples();
    Shape shape = Shape.of(3, 5);
    for (Unary op : FUNCTIONS) {
      boolean positive =
          switch (op.function()) {
            case LOG, SQRT, RECIPROCAL, POW -> true;
            default -> false;
          };
      if (op.function() != Unary.Kind.POW || op.alpha() != 0) {
        float[] x = positive ? between(15, 1, 0.5f, 2.5f) : ordinary(15, 1);
        examples.add(op.function() + " " + op.alpha(), op, HostTensor.of(shape, x));
      }
    }
    return examples.list();
  }

  /** Two operands and what is special about them. */
  private record Operands(String name, TensorSpec a, TensorSpec b) {}

  private static TensorSpec rowMajor(int... dims) {
    return TensorSpec.f32(dims).with(Layout.ROW_MAJOR);
  }

  private static final List<Operands> OPERANDS =
      List.of(
          new Operands("equal", TensorSpec.f32(3, 331), TensorSpec.f32(3, 331)),
          new Operands("a scalar", TensorSpec.f32(31, 33), TensorSpec.f32()),
          new Operands("scalar first", TensorSpec.f32(1), TensorSpec.f32(4098)),
          new Operands("a bias", TensorSpec.f32(2, 197, 33), TensorSpec.f32(33)),
          new Operands("a column", TensorSpec.f32(7, 31), TensorSpec.f32(7, 1)),
          new Operands("an outer product", TensorSpec.f32(31, 1), TensorSpec.f32(1, 33)),
          new Operands(
              "channels of images", TensorSpec.f32(2, 17, 5, 7), TensorSpec.f32(1, 17, 1, 1)),
          new Operands(
              "a gate of each image", TensorSpec.f32(2, 17, 5, 7), TensorSpec.f32(2, 17, 1, 1)),
          new Operands("channels of rank 3", TensorSpec.f32(2, 17, 5, 7), TensorSpec.f32(17, 1, 1)),
          new Operands("a mask of attention", rowMajor(2, 3, 9, 9), rowMajor(2, 1, 1, 9)),
          new Operands("a mask for all", rowMajor(2, 3, 9, 9), TensorSpec.f32(9, 9)),
          new Operands(
              "six dimensions", TensorSpec.f32(2, 1, 3, 1, 4, 5), TensorSpec.f32(7, 1, 2, 1, 5)));

  private static HostTensor edgy(TensorSpec spec, long seed) {
    return Tensors.of(spec, edges(size(spec.shape()), seed));
  }

  private static HostTensor plain(TensorSpec spec, long seed) {
    return Tensors.of(spec, ordinary(size(spec.shape()), seed));
  }

  private static List<Example> binary() {
    Examples examples = new Examples();
    for (Binary.Kind kind : Binary.Kind.values()) {
      for (Operands o : OPERANDS) {
        examples.add(kind + " " + o.name, new Binary(kind), edgy(o.a, 1), edgy(o.b, 4));
      }
      examples.add(
          kind + " several blocks",
          new Binary(kind),
          normal(Shape.of(3, 16, 41, 43), 1),
          normal(Shape.of(1, 16, 1, 1), 2));
    }
    return examples.list();
  }

  private static List<Example> binaryGradients() {
    Examples examples = new Examples();
    List<Operands> small =
        List.of(
            new Operands("equal", TensorSpec.f32(3, 4), TensorSpec.f32(3, 4)),
            new Operands("a bias", TensorSpec.f32(3, 4), TensorSpec.f32(4)),
            new Operands("scalar first", TensorSpec.f32(), TensorSpec.f32(3, 4)),
            new Operands("both", TensorSpec.f32(3, 1), TensorSpec.f32(1, 4)),
            new Operands("channels", TensorSpec.f32(2, 3, 2, 2), TensorSpec.f32(1, 3, 1, 1)),
            new Operands("one image", TensorSpec.f32(2, 3, 2, 2), TensorSpec.f32(1, 3, 2, 2)),
            new Operands("rank 3", TensorSpec.f32(2, 3, 2, 2), TensorSpec.f32(3, 2, 1)),
            new Operands("a mask", rowMajor(2, 3, 2, 2), rowMajor(2, 1, 1, 2)));
    for (Binary.Kind kind : Binary.Kind.values()) {
      if (kind == Binary.Kind.EQUAL || kind == Binary.Kind.LESS) {
        continue;
      }
      for (Operands o : small) {
        HostTensor b = Tensors.of(o.b, between(size(o.b.shape()), 2, 0.5f, 1.5f));
        examples.add(kind + " " + o.name, new Binary(kind), plain(o.a, 1), b);
      }
    }
    return examples.list();
  }

  private static HostTensor condition(Shape shape) {
    float[] values = new float[size(shape)];
    for (int i = 0; i < values.length; i++) {
      values[i] = i % 3 == 0 || i % 7 == 2 ? 0 : 1;
    }
    return HostTensor.of(shape, values);
  }

  private static List<Example> where() {
    Examples examples = new Examples();
    for (Operands o : OPERANDS) {
      HostTensor mask = condition(o.b.shape());
      HostTensor condition = HostTensor.ofBytes(o.b, mask.bytes());
      examples.add(o.name, new Where(), condition, edgy(o.a, 1), edgy(o.b, 4));
    }
    return examples
        .add(
            "a causal mask",
            new Where(),
            condition(Shape.of(9, 9)),
            plain(rowMajor(2, 3, 9, 9), 1),
            HostTensor.of(Shape.of(), -1e9f))
        .list();
  }

  private static List<Example> toFloat() {
    Examples examples = new Examples();
    for (int n : EdgeValues.SIZES) {
      examples.add(
          "integers " + n,
          new ToFloat(),
          HostTensor.of(Shape.of(1, n), EdgeValues.accumulators(n, Integer.MAX_VALUE - 1, 1)));
    }
    return examples.list();
  }

  private static Example pRelu(String name, HostTensor x) {
    int channels = x.shape().dim(1);
    return Example.of(name, new PRelu(), x, Tensors.vector(ordinary(channels, 2)));
  }

  private static List<Example> pRelu() {
    List<Example> list = new ArrayList<>();
    for (Shape shape : Grids.ROWS_AND_CHANNELS) {
      list.add(pRelu("edges " + shape, HostTensor.of(shape, finiteEdges(size(shape), 1))));
    }
    return list;
  }

  private static Example pReluBackward(String name, Shape shape) {
    return Example.of(
        name,
        new PReluBackward(),
        normal(shape, 1),
        normal(shape, 2),
        Tensors.vector(ordinary(shape.dim(1), 3)));
  }

  private static List<Example> pReluBackward() {
    List<Example> list = new ArrayList<>();
    for (Shape shape : Grids.ROWS_AND_CHANNELS) {
      list.add(pReluBackward("normal " + shape, shape));
    }
    return list;
  }
}
