package org.quantrain.testkit;

import static org.quantrain.testkit.FloatCases.normal;
import static org.quantrain.testkit.Grids.size;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.quantrain.op.Conv2d;
import org.quantrain.op.Conv2dBackwardData;
import org.quantrain.op.Conv2dBackwardWeights;
import org.quantrain.op.ConvCodes;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.ConvRequantize;
import org.quantrain.op.Linear;
import org.quantrain.op.LinearBackwardData;
import org.quantrain.op.LinearBackwardWeights;
import org.quantrain.op.LinearCodes;
import org.quantrain.op.Lowering;
import org.quantrain.op.MatMulCodes;
import org.quantrain.op.Requantize;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Layout;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;
import org.quantrain.testkit.OpCase.Examples;

/** Convolutions and matrix products, in float and on codes. */
final class ProductCases {
  /** A convolution's shapes. */
  private record Conv(String name, ConvGeometry geometry, Shape x, Shape w) {
    Shape y() {
      return geometry.output(x, w);
    }
  }

  private static final ConvGeometry ONE_SIDED = new ConvGeometry(2, 1, 0, 1, 1, 2, 1, 1, 1);

  private static final List<Conv> SHAPES =
      List.of(
          new Conv(
              "a single product",
              ConvGeometry.of(1, 0),
              Shape.of(1, 1, 1, 1),
              Shape.of(1, 1, 1, 1)),
          new Conv("3x3", ConvGeometry.of(1, 1), Shape.of(2, 3, 7, 5), Shape.of(4, 3, 3, 3)),
          new Conv(
              "3x3 stride 2", ConvGeometry.of(2, 1), Shape.of(2, 16, 9, 8), Shape.of(31, 16, 3, 3)),
          new Conv(
              "1x1 stride 2", ConvGeometry.of(2, 0), Shape.of(3, 33, 6, 7), Shape.of(5, 33, 1, 1)),
          new Conv("5x5", ConvGeometry.of(1, 2), Shape.of(1, 1, 8, 8), Shape.of(16, 1, 5, 5)),
          new Conv("padded on one side", ONE_SIDED, Shape.of(2, 4, 6, 5), Shape.of(3, 4, 2, 3)),
          new Conv(
              "dilated",
              new ConvGeometry(1, 1, 2, 2, 2, 2, 2, 2, 1),
              Shape.of(1, 5, 9, 9),
              Shape.of(6, 5, 3, 3)),
          new Conv(
              "two groups",
              ConvGeometry.of(1, 1).withGroups(2),
              Shape.of(2, 6, 5, 5),
              Shape.of(8, 3, 3, 3)),
          new Conv(
              "depthwise",
              ConvGeometry.of(1, 1).withGroups(17),
              Shape.of(2, 17, 6, 6),
              Shape.of(17, 1, 3, 3)),
          new Conv("wide", ConvGeometry.of(1, 1), Shape.of(1, 64, 4, 4), Shape.of(64, 64, 3, 3)));

  private static final Conv LARGE =
      new Conv("large", ConvGeometry.of(1, 1), Shape.of(16, 64, 56, 56), Shape.of(64, 64, 3, 3));

  /** Rows, inputs, outputs. */
  private static final int[][] LINEAR = {
    {1, 1, 1}, {3, 31, 33}, {33, 207, 10}, {2, 1021, 3}, {207, 3, 31}, {5, 4098, 7}
  };

  private static final int LARGE_LINEAR = 2048;

  private ProductCases() {}

  static List<OpCase> all() {
    return List.of(
        new OpCase(
            Conv2d.class,
            () -> Examples.inBothTypes(conv()),
            ProductCases::convGradients,
            () -> conv(LARGE, false)),
        new OpCase(
            Conv2dBackwardData.class,
            () ->
                Examples.inBothTypes(SHAPES.stream().map(ProductCases::convBackwardData).toList()),
            List::of,
            () -> convBackwardData(LARGE)),
        new OpCase(
            Conv2dBackwardWeights.class,
            ProductCases::convBackwardWeights,
            List::of,
            () -> convBackwardWeights(LARGE)),
        new OpCase(
            ConvCodes.class,
            ProductCases::convCodes,
            () -> List.of(convCodes(SHAPES.get(1), Grids.U8, Lowering.INTEGER, true)),
            () -> convCodes(LARGE, Grids.U8, Lowering.INTEGER, true)),
        new OpCase(
            ConvRequantize.class,
            ProductCases::convRequantize,
            List::of,
            () -> convRequantize(LARGE, Grids.U8, Grids.U8, true, true)),
        new OpCase(
            Linear.class,
            () -> Examples.inBothTypes(linear()),
            () -> List.of(linear(3, 7, 5, false), linear(3, 7, 5, true)),
            () -> linear(LARGE_LINEAR, LARGE_LINEAR, LARGE_LINEAR, false)),
        new OpCase(
            LinearBackwardData.class,
            () -> Examples.inBothTypes(linears(ProductCases::linearBackwardData)),
            List::of,
            () -> linearBackwardData(LARGE_LINEAR, LARGE_LINEAR, LARGE_LINEAR)),
        new OpCase(
            LinearBackwardWeights.class,
            () -> Examples.inBothTypes(linears(ProductCases::linearBackwardWeights)),
            List::of,
            () -> linearBackwardWeights(LARGE_LINEAR, LARGE_LINEAR, LARGE_LINEAR)),
        new OpCase(
            LinearCodes.class,
            ProductCases::linearCodes,
            () -> List.of(linearCodes(3, 7, 5, Grids.U8, Lowering.INTEGER, true)),
            () ->
                linearCodes(
                    LARGE_LINEAR, LARGE_LINEAR, LARGE_LINEAR, Grids.U8, Lowering.INTEGER, true)),
        new OpCase(
            MatMulCodes.class,
            ProductCases::matMulCodes,
            () -> List.of(matMulCodes(Lowering.INTEGER, Grids.U8, 3, 5, 7, 2)),
            () -> matMulCodes(Lowering.INTEGER, Grids.U8, 256, 64, 256, 16, 12)));
  }

  private static Example conv(Conv s, boolean bias) {
    List<HostTensor> inputs = new ArrayList<>(List.of(normal(s.x(), 1), normal(s.w(), 2)));
    if (bias) {
      inputs.add(normal(Shape.of(s.w().dim(0)), 3));
    }
    return new Example(s.name() + (bias ? " with bias" : ""), new Conv2d(s.geometry()), inputs);
  }

  private static List<Example> conv() {
    List<Example> list = new ArrayList<>();
    for (Conv s : SHAPES) {
      list.add(conv(s, false));
      list.add(conv(s, true));
    }
    return list;
  }

  private static List<Example> convGradients() {
    return List.of(
        conv(SHAPES.get(1), true), conv(SHAPES.get(5), false), conv(SHAPES.get(7), false));
  }

  private static Example convBackwardData(Conv s) {
    return Example.of(
        s.name(), new Conv2dBackwardData(s.geometry(), s.x()), normal(s.y(), 1), normal(s.w(), 2));
  }

  private static Example convBackwardWeights(Conv s) {
    return Example.of(
        s.name(),
        new Conv2dBackwardWeights(s.geometry(), s.w()),
        normal(s.x(), 1),
        normal(s.y(), 2));
  }

  private static Example convBackwardWeights(Conv s, QuantSpec x) {
    return Example.of(
        s.name() + " of " + x,
        new Conv2dBackwardWeights(s.geometry(), s.w()),
        random(x, s.x(), 1),
        normal(s.y(), 2),
        Tensors.vector(0.05f),
        Tensors.vector(Grids.zeroPoint(x)));
  }

  private static List<Example> convBackwardWeights() {
    List<Example> list = new ArrayList<>();
    for (Conv s : SHAPES) {
      list.add(convBackwardWeights(s));
      list.add(convBackwardWeights(s).inBf16());
      list.add(convBackwardWeights(s, Grids.U8));
      list.add(convBackwardWeights(s, Grids.S8_AFFINE));
    }
    return list;
  }

  private static HostTensor random(QuantSpec spec, Shape shape, long seed) {
    return Tensors.codes(spec.container(), shape, EdgeValues.codes(size(shape), spec, seed));
  }

  private static HostTensor same(QuantSpec spec, Shape shape, int code) {
    return Tensors.codes(spec.container(), shape, EdgeValues.all(size(shape), code));
  }

  private static HostTensor scales(int n, boolean perChannel) {
    return Tensors.vector(EdgeValues.between(perChannel ? n : 1, 9, 0.01f, 0.02f));
  }

  private static Example convCodes(Conv s, QuantSpec x, Lowering lowering, boolean perChannel) {
    return Example.of(
        s.name() + " of " + x + " " + lowering,
        new ConvCodes(s.geometry(), lowering),
        random(x, s.x(), 1),
        Tensors.vector(0.05f),
        Tensors.vector(Grids.zeroPoint(x)),
        random(Grids.S8, s.w(), 2),
        scales(s.w().dim(0), perChannel));
  }

  private static List<Example> convCodes() {
    Examples examples = new Examples();
    for (Lowering lowering : Lowering.values()) {
      for (Conv s : SHAPES) {
        for (QuantSpec x : List.of(Grids.U8, Grids.S8_AFFINE)) {
          examples.list().add(convCodes(s, x, lowering, x.signed()));
        }
      }
      // All ends of the grids: pairs of products overflow 16 bits, and the sum passes 2^24.
      Shape xs = Shape.of(1, 600, 3, 3);
      Shape ws = Shape.of(2, 600, 3, 3);
      for (int[] ends :
          new int[][] {{255, 0, 127}, {255, 0, -127}, {0, 255, 127}, {0, 255, -127}}) {
        examples.add(
            "all " + ends[0] + " - " + ends[1] + " times " + ends[2] + " " + lowering,
            new ConvCodes(ConvGeometry.of(1, 1), lowering),
            same(Grids.U8, xs, ends[0]),
            Tensors.vector(1f),
            Tensors.vector(ends[1]),
            same(Grids.S8, ws, ends[2]),
            Tensors.vector(1f));
      }
      examples.add(
          "all -128 with full-range weights " + lowering,
          new ConvCodes(ConvGeometry.of(1, 1), lowering),
          same(Grids.S8_FULL, xs, -128),
          Tensors.vector(1f),
          Tensors.vector(127),
          same(Grids.S8_FULL, ws, -128),
          Tensors.vector(1f));
    }
    return examples.list();
  }

  /** About a third of the sums leave the grid. */
  private static Example convRequantize(
      Conv s, QuantSpec x, QuantSpec y, boolean relu, boolean bias) {
    int k = s.w().dim(0);
    float typical = 5000f * (float) Math.sqrt(s.w().elementsPerSample());
    float most = (y.qmax() - y.qmin()) / typical;
    List<HostTensor> in =
        new ArrayList<>(convCodes(s, x, Lowering.INTEGER, true).inputs());
    in.add(Tensors.vector(EdgeValues.between(k, 3, most / 2, most)));
    in.add(Tensors.vector(Grids.zeroPoint(y)));
    if (bias) {
      in.add(Tensors.vector(EdgeValues.integers(k, 5000, 4)));
    }
    return new Example(
        s.name() + " of " + x + " to " + y + (relu ? " relu" : "") + (bias ? " bias" : ""),
        new ConvRequantize(
            new ConvCodes(s.geometry(), Lowering.INTEGER), new Requantize(y, relu)),
        in);
  }

  private static List<Example> convRequantize() {
    List<Example> list = new ArrayList<>();
    for (Conv s : SHAPES) {
      boolean oneGroup = s.geometry().groups() == 1 || s.w().dim(1) == 1;
      if (oneGroup && s.geometry().dilationH() == 1) {
        list.add(convRequantize(s, Grids.U8, Grids.U8, true, true));
        list.add(convRequantize(s, Grids.S8_AFFINE, Grids.S8_AFFINE, false, true));
        list.add(convRequantize(s, Grids.U8, Grids.S8_AFFINE, true, false));
      }
    }
    return list;
  }

  private interface LinearExample {
    Example of(int rows, int in, int out);
  }

  private static List<Example> linears(LinearExample example) {
    List<Example> list = new ArrayList<>();
    for (int[] s : LINEAR) {
      list.add(example.of(s[0], s[1], s[2]));
    }
    return list;
  }

  private static String size3(int rows, int in, int out) {
    return rows + "x" + in + " to " + out;
  }

  private static Example linear(int rows, int in, int out, boolean bias) {
    List<HostTensor> inputs = new ArrayList<>(List.of(normal(rows, in, 1), normal(out, in, 2)));
    if (bias) {
      inputs.add(normal(Shape.of(out), 3));
    }
    return new Example(size3(rows, in, out) + (bias ? " with bias" : ""), new Linear(), inputs);
  }

  private static List<Example> linear() {
    List<Example> list = new ArrayList<>(linears((r, i, o) -> linear(r, i, o, false)));
    list.addAll(linears((r, i, o) -> linear(r, i, o, true)));
    return list;
  }

  private static Example linearBackwardData(int rows, int in, int out) {
    return Example.of(
        size3(rows, in, out), new LinearBackwardData(), normal(rows, out, 1), normal(out, in, 2));
  }

  private static Example linearBackwardWeights(int rows, int in, int out) {
    return Example.of(
        size3(rows, in, out),
        new LinearBackwardWeights(),
        normal(rows, in, 1),
        normal(rows, out, 2));
  }

  private static Example linearCodes(
      int rows, int in, int out, QuantSpec x, Lowering lowering, boolean perChannel) {
    return Example.of(
        size3(rows, in, out) + " of " + x + " " + lowering,
        new LinearCodes(lowering),
        random(x, Shape.of(rows, in), 1),
        Tensors.vector(0.05f),
        Tensors.vector(Grids.zeroPoint(x)),
        random(Grids.S8, Shape.of(out, in), 2),
        scales(out, perChannel));
  }

  private static List<Example> linearCodes() {
    Examples examples = new Examples();
    for (Lowering lowering : Lowering.values()) {
      for (QuantSpec x : List.of(Grids.U8, Grids.S8_AFFINE)) {
        examples.list().addAll(linears((r, i, o) -> linearCodes(r, i, o, x, lowering, x.signed())));
      }
      // 4098 * 255 * 127 is 1.3e8, eight times 2^24.
      for (int w : new int[] {127, -127}) {
        examples.add(
            "all 255 times " + w + " " + lowering,
            new LinearCodes(lowering),
            same(Grids.U8, Shape.of(3, 4098), 255),
            Tensors.vector(1f),
            Tensors.vector(0),
            same(Grids.S8, Shape.of(5, 4098), w),
            Tensors.vector(1f));
      }
    }
    return examples.list();
  }

  private static HostTensor matrices(
      QuantSpec spec, int rows, int columns, int[] front, long seed) {
    int[] dims = Arrays.copyOf(front, front.length + 2);
    dims[front.length] = rows;
    dims[front.length + 1] = columns;
    Shape shape = Shape.of(dims);
    TensorSpec rowMajor = new TensorSpec(spec.container(), shape, Layout.ROW_MAJOR);
    return HostTensor.ofBytes(rowMajor, random(spec, Shape.of(size(shape)), seed).bytes());
  }

  private static Example matMulCodes(
      Lowering lowering, QuantSpec spec, int m, int k, int n, int... front) {
    return Example.of(
        Arrays.toString(front) + " of " + size3(m, k, n) + " of " + spec + " " + lowering,
        new MatMulCodes(lowering),
        matrices(spec, m, k, front, 1),
        Tensors.vector(0.05f),
        Tensors.vector(Grids.zeroPoint(spec)),
        matrices(spec, k, n, front, 2),
        Tensors.vector(0.02f),
        Tensors.vector(spec.signed() ? spec.qmin() : 3));
  }

  private static List<Example> matMulCodes() {
    Examples examples = new Examples();
    for (Lowering lowering : Lowering.values()) {
      for (QuantSpec spec : List.of(Grids.U8, Grids.S8_AFFINE)) {
        for (int[] s : LINEAR) {
          examples.list().add(matMulCodes(lowering, spec, s[0], s[1], s[2]));
        }
        examples.list().add(matMulCodes(lowering, spec, 17, 8, 17, 3, 2));
        examples.list().add(matMulCodes(lowering, spec, 1, 259, 33, 5));
      }
      // 600 * 255 * 255 is 3.9e7, more than twice 2^24.
      for (int[] ends : new int[][] {{255, 0, 255, 0}, {0, 255, 255, 0}, {0, 255, 0, 255}}) {
        examples.add(
            "all " + Arrays.toString(ends) + " " + lowering,
            new MatMulCodes(lowering),
            same(Grids.U8, Shape.of(3, 600), ends[0]),
            Tensors.vector(1f),
            Tensors.vector(ends[1]),
            same(Grids.U8, Shape.of(600, 5), ends[2]),
            Tensors.vector(1f),
            Tensors.vector(ends[3]));
      }
    }
    return examples.list();
  }
}
