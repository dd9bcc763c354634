package org.quantrain.testkit;

import static org.quantrain.testkit.EdgeValues.between;
import static org.quantrain.testkit.EdgeValues.edges;
import static org.quantrain.testkit.EdgeValues.ordinary;
import static org.quantrain.testkit.FloatCases.LARGE;
import static org.quantrain.testkit.FloatCases.normal;
import static org.quantrain.testkit.Grids.size;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.ConvTranspose2d;
import org.quantrain.op.LayerNorm;
import org.quantrain.op.LayerNormBackward;
import org.quantrain.op.MatMul;
import org.quantrain.op.Reduce;
import org.quantrain.op.Softmax;
import org.quantrain.op.SoftmaxBackward;
import org.quantrain.op.SumTo;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Layout;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;
import org.quantrain.testkit.OpCase.Examples;

/** Reductions, softmax, layer norm, batched products and transposed convolution. */
final class RowCases {
  private static final float EPSILON = 1e-5f;

  private RowCases() {}

  static List<OpCase> all() {
    return List.of(
        new OpCase(
            Reduce.class,
            RowCases::reduce,
            RowCases::reduceGradients,
            () ->
                Example.of(
                    "large", new Reduce(Reduce.Kind.MEAN, List.of(1), true), normal(LARGE, 1))),
        new OpCase(
            SumTo.class,
            RowCases::sumTo,
            () ->
                List.of(
                    sumTo("small", TensorSpec.f32(2, 3, 4), TensorSpec.f32(3, 1)),
                    sumTo("channels", TensorSpec.f32(2, 3, 2, 2), TensorSpec.f32(3, 1, 1))),
            () -> sumTo("large", TensorSpec.f32(16384, 1024), TensorSpec.f32(1024))),
        new OpCase(
            Softmax.class,
            RowCases::softmax,
            () ->
                List.of(
                    Example.of("rows", new Softmax(1), normal(3, 5, 1)),
                    Example.of("channels", new Softmax(1), normal(Shape.of(2, 3, 2, 2), 1)),
                    Example.of("between", new Softmax(1), normal(Shape.of(2, 3, 4), 1))),
            () -> Example.of("large", new Softmax(1), normal(LARGE, 1))),
        new OpCase(
            SoftmaxBackward.class,
            RowCases::softmaxBackward,
            List::of,
            () -> softmaxBackward("large", 1, TensorSpec.f32(16384, 1024))),
        new OpCase(
            LayerNorm.class,
            RowCases::layerNorm,
            () ->
                List.of(
                    layerNorm("rows", 1, normal(3, 7, 1)),
                    layerNorm("two dimensions", 1, normal(Shape.of(2, 3, 4), 1))),
            () -> layerNorm("large", 1, normal(LARGE, 1))),
        new OpCase(
            LayerNormBackward.class,
            RowCases::layerNormBackward,
            List::of,
            () -> layerNormBackward("large", 1, normal(LARGE, 1))),
        new OpCase(
            MatMul.class,
            () -> Examples.inBothTypes(matMul()),
            RowCases::matMulGradients,
            () ->
                Example.of(
                    "large",
                    new MatMul(false, true),
                    plain(rowMajor(16, 12, 256, 64), 1),
                    plain(rowMajor(16, 12, 256, 64), 2))),
        new OpCase(
            ConvTranspose2d.class,
            RowCases::convTranspose,
            () ->
                List.of(
                    convTranspose(
                        "small",
                        ConvGeometry.of(2, 1),
                        1,
                        Shape.of(2, 2, 3, 2),
                        Shape.of(2, 3, 3, 3),
                        true),
                    convTranspose(
                        "two groups",
                        ConvGeometry.of(2, 0).withGroups(2),
                        0,
                        Shape.of(1, 4, 2, 3),
                        Shape.of(4, 1, 2, 2),
                        false)),
            () ->
                convTranspose(
                    "large",
                    ConvGeometry.of(2, 0),
                    0,
                    Shape.of(16, 64, 28, 28),
                    Shape.of(64, 64, 2, 2),
                    true)));
  }

  private static TensorSpec rowMajor(int... dims) {
    return TensorSpec.f32(dims).with(Layout.ROW_MAJOR);
  }

  private static HostTensor plain(TensorSpec spec, long seed) {
    return Tensors.of(spec, ordinary(size(spec.shape()), seed));
  }

  // ---- reductions

  /** Dimensions to reduce, in tensors of either order in memory. */
  private static final List<List<Integer>> AXES =
      List.of(
          List.of(1),
          List.of(2),
          List.of(3),
          List.of(1, 2),
          List.of(1, 3),
          List.of(2, 3),
          List.of(0, 2, 3),
          List.of(0, 1, 2, 3),
          List.of());

  private static List<Example> reduce() {
    Examples examples = new Examples();
    for (Reduce.Kind kind : Reduce.Kind.values()) {
      boolean extreme = kind == Reduce.Kind.MAX || kind == Reduce.Kind.MIN;
      for (boolean keep : new boolean[] {true, false}) {
        for (Layout layout : Layout.values()) {
          for (List<Integer> axes : AXES) {
            TensorSpec spec = TensorSpec.f32(3, 17, 5, 7).with(layout);
            float[] x = ordinary(size(spec.shape()), 1);
            if (extreme) {
              x[40] = Float.NaN;
              x[90] = Float.NEGATIVE_INFINITY;
            }
            examples.add(
                kind + " " + axes + " " + layout + (keep ? " kept" : ""),
                new Reduce(kind, axes, keep),
                Tensors.of(spec, x));
          }
        }
      }
      for (int n : EdgeValues.SIZES) {
        Reduce rows = new Reduce(kind, List.of(1), false);
        Reduce columns = new Reduce(kind, List.of(0), false);
        float[] x = extreme ? edges(3 * n, 1) : ordinary(3 * n, 1, 1, 100);
        examples.add(kind + " rows of " + n, rows, HostTensor.of(Shape.of(3, n), x));
        examples.add(kind + " 3 columns of " + n, columns, HostTensor.of(Shape.of(n, 3), x));
        examples.add(kind + " columns of 3", columns, HostTensor.of(Shape.of(3, n), x));
      }
      examples.add(
          kind + " several blocks",
          new Reduce(kind, List.of(1), true),
          normal(Shape.of(2, 20000, 3), 1));
    }
    return examples.list();
  }

  private static List<Example> reduceGradients() {
    Examples examples = new Examples();
    for (Reduce.Kind kind : Reduce.Kind.values()) {
      for (boolean keep : new boolean[] {true, false}) {
        for (List<Integer> axes : List.of(List.of(1), List.of(2), List.of(2, 3), List.of(1, 3))) {
          examples.add(
              kind + " " + axes + keep,
              new Reduce(kind, axes, keep),
              normal(Shape.of(2, 3, 4, 2), 1));
        }
      }
    }
    return examples.list();
  }

  private static Example sumTo(String name, TensorSpec x, TensorSpec to) {
    return Example.of(name, new SumTo(to), plain(x, 1));
  }

  private static List<Example> sumTo() {
    return List.of(
        sumTo("a scalar", TensorSpec.f32(31, 33), TensorSpec.f32()),
        sumTo("a bias", TensorSpec.f32(2, 197, 33), TensorSpec.f32(33)),
        sumTo("a column", TensorSpec.f32(207, 31), TensorSpec.f32(207, 1)),
        sumTo("channels", TensorSpec.f32(3, 17, 5, 7), TensorSpec.f32(1, 17, 1, 1)),
        sumTo("channels of rank 3", TensorSpec.f32(3, 17, 5, 7), TensorSpec.f32(17, 1, 1)),
        sumTo("a plane", TensorSpec.f32(3, 17, 5, 7), TensorSpec.f32(5, 7)),
        sumTo("an image of rank 3", TensorSpec.f32(3, 17, 5, 7), TensorSpec.f32(17, 5, 7)),
        sumTo("a gate", TensorSpec.f32(3, 17, 5, 7), TensorSpec.f32(3, 17, 1, 1)),
        sumTo("a mask", rowMajor(3, 4, 9, 9), rowMajor(3, 1, 1, 9)),
        sumTo("itself", TensorSpec.f32(3, 5), TensorSpec.f32(3, 5)));
  }

  // ---- softmax

  private static List<Example> softmax() {
    Examples examples = new Examples();
    for (int n : EdgeValues.SIZES) {
      examples.add(
          "rows of " + n, new Softmax(1), HostTensor.of(Shape.of(5, n), ordinary(5 * n, 1, 4, 2)));
    }
    for (Layout layout : Layout.values()) {
      for (int axis = 0; axis < 4; axis++) {
        examples.add(
            layout + " " + axis,
            new Softmax(axis),
            plain(TensorSpec.f32(3, 17, 5, 7).with(layout), 1));
      }
    }
    float[] masked = ordinary(30, 3);
    masked[4] = Float.NEGATIVE_INFINITY;
    float[] far = ordinary(30, 5, 60, 0);
    return examples
        .add("masked", new Softmax(1), HostTensor.of(Shape.of(3, 10), masked))
        .add("far apart", new Softmax(1), HostTensor.of(Shape.of(3, 10), far))
        .add("all equal", new Softmax(1), HostTensor.of(Shape.of(3, 10), new float[30]))
        .add("between", new Softmax(1), normal(Shape.of(3, 31, 33), 1))
        .list();
  }

  private static Example softmaxBackward(String name, int axis, TensorSpec spec) {
    double[] x = Tensors.logical(plain(spec, 1));
    HostTensor y = Tensors.of(spec, RowRules.softmax(spec.shape(), axis, x));
    return Example.of(name, new SoftmaxBackward(axis), y, plain(spec, 2));
  }

  private static List<Example> softmaxBackward() {
    List<Example> list = new ArrayList<>();
    for (int n : EdgeValues.SIZES) {
      list.add(softmaxBackward("rows of " + n, 1, TensorSpec.f32(5, n)));
    }
    for (Layout layout : Layout.values()) {
      for (int axis = 0; axis < 4; axis++) {
        TensorSpec spec = TensorSpec.f32(3, 17, 5, 7).with(layout);
        list.add(softmaxBackward(layout + " " + axis, axis, spec));
      }
    }
    return list;
  }

  // ---- layer norm

  private static HostTensor inner(HostTensor x, int axis, float[] values) {
    int[] dims = x.shape().dims();
    Shape shape = Shape.of(Arrays.copyOfRange(dims, axis, dims.length));
    return HostTensor.of(shape, values);
  }

  private static int innerSize(HostTensor x, int axis) {
    int n = 1;
    for (int d = axis; d < x.shape().rank(); d++) {
      n *= x.shape().dim(d);
    }
    return n;
  }

  private static Example layerNorm(String name, int axis, HostTensor x) {
    int n = innerSize(x, axis);
    return Example.of(
        name,
        new LayerNorm(axis, EPSILON),
        x,
        inner(x, axis, ordinary(n, 2)),
        inner(x, axis, ordinary(n, 3)));
  }

  private static List<Example> layerNorm() {
    List<Example> list = new ArrayList<>();
    for (int n : EdgeValues.SIZES) {
      list.add(layerNorm("rows of " + n, 1, normal(5, n, 1)));
      float[] far = ordinary(5 * n, 4, 0.5f, 1000);
      list.add(layerNorm("far from 0, " + n, 1, HostTensor.of(Shape.of(5, n), far)));
    }
    list.add(layerNorm("constant rows", 1, HostTensor.filled(Shape.of(3, 31), 7)));
    list.add(layerNorm("tokens", 2, normal(Shape.of(3, 17, 64), 1)));
    list.add(layerNorm("two dimensions", 1, normal(Shape.of(33, 5, 7), 1)));
    list.add(layerNorm("several blocks", 1, normal(1021, 65, 1)));
    return list;
  }

  private static Example layerNormBackward(String name, int axis, HostTensor x) {
    int n = innerSize(x, axis);
    int rows = size(x.shape()) / n;
    Shape outer = Shape.of(Arrays.copyOf(x.shape().dims(), axis));
    return Example.of(
        name,
        new LayerNormBackward(axis),
        x,
        Tensors.of(x.spec(), ordinary(n * rows, 5)),
        HostTensor.of(outer, between(rows, 6, -0.5f, 0.5f)),
        HostTensor.of(outer, between(rows, 7, 0.5f, 2)),
        inner(x, axis, ordinary(n, 2)));
  }

  private static List<Example> layerNormBackward() {
    List<Example> list = new ArrayList<>();
    for (int n : EdgeValues.SIZES) {
      list.add(layerNormBackward("rows of " + n, 1, normal(5, n, 1)));
    }
    list.add(layerNormBackward("tokens", 2, normal(Shape.of(3, 17, 64), 1)));
    list.add(layerNormBackward("two dimensions", 1, normal(Shape.of(33, 5, 7), 1)));
    list.add(layerNormBackward("several blocks", 1, normal(1021, 65, 1)));
    return list;
  }

  // ---- products

  private static Example matMul(
      String name, boolean transA, boolean transB, TensorSpec a, TensorSpec b) {
    return Example.of(
        name + (transA ? " a'" : "") + (transB ? " b'" : ""),
        new MatMul(transA, transB),
        plain(a, 1),
        plain(b, 2));
  }

  private static TensorSpec matrix(boolean transposed, int rows, int columns, int... front) {
    int[] dims = Arrays.copyOf(front, front.length + 2);
    dims[front.length] = transposed ? columns : rows;
    dims[front.length + 1] = transposed ? rows : columns;
    return rowMajor(dims);
  }

  private static List<Example> products(int m, int k, int n) {
    List<Example> list = new ArrayList<>();
    for (boolean a : new boolean[] {false, true}) {
      for (boolean b : new boolean[] {false, true}) {
        list.add(matMul("matrices", a, b, matrix(a, m, k), matrix(b, k, n)));
        list.add(matMul("batches", a, b, matrix(a, m, k, 3), matrix(b, k, n, 3)));
        list.add(matMul("heads", a, b, matrix(a, m, k, 2, 3), matrix(b, k, n, 2, 3)));
        list.add(matMul("one matrix", a, b, matrix(a, m, k, 2, 3), matrix(b, k, n)));
        list.add(matMul("one first matrix", a, b, matrix(a, m, k), matrix(b, k, n, 2, 3)));
        list.add(matMul("broadcast", a, b, matrix(a, m, k, 2, 1), matrix(b, k, n, 3)));
        list.add(matMul("broadcast ones", a, b, matrix(a, m, k, 2, 1), matrix(b, k, n, 1, 3)));
      }
    }
    return list;
  }

  private static List<Example> matMul() {
    List<Example> list = new ArrayList<>(products(5, 33, 7));
    list.addAll(products(1, 1, 1));
    list.add(matMul("tokens", false, false, rowMajor(3, 197, 64), rowMajor(64, 31)));
    return list;
  }

  private static List<Example> matMulGradients() {
    return products(2, 3, 4);
  }

  private static Example convTranspose(
      String name, ConvGeometry geometry, int extra, Shape x, Shape w, boolean bias) {
    ConvTranspose2d op = new ConvTranspose2d(geometry, extra, extra);
    int channels = w.dim(1) * geometry.groups();
    return bias
        ? Example.of(name, op, normal(x, 1), normal(w, 2), Tensors.vector(ordinary(channels, 3)))
        : Example.of(name, op, normal(x, 1), normal(w, 2));
  }

  private static List<Example> convTranspose() {
    return List.of(
        convTranspose(
            "2x2 stride 2",
            ConvGeometry.of(2, 0),
            0,
            Shape.of(2, 5, 4, 3),
            Shape.of(5, 7, 2, 2),
            true),
        convTranspose(
            "3x3 stride 2, one more row",
            ConvGeometry.of(2, 1),
            1,
            Shape.of(2, 16, 5, 4),
            Shape.of(16, 31, 3, 3),
            true),
        convTranspose(
            "3x3 stride 1",
            ConvGeometry.of(1, 1),
            0,
            Shape.of(1, 3, 6, 5),
            Shape.of(3, 4, 3, 3),
            false),
        convTranspose(
            "two groups",
            ConvGeometry.of(2, 1).withGroups(2),
            0,
            Shape.of(2, 6, 4, 4),
            Shape.of(6, 5, 4, 4),
            true),
        convTranspose(
            "depthwise",
            ConvGeometry.of(2, 0).withGroups(17),
            0,
            Shape.of(2, 17, 3, 3),
            Shape.of(17, 1, 2, 2),
            false));
  }
}
