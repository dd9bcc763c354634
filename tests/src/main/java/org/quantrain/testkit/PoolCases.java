package org.quantrain.testkit;

import static org.quantrain.testkit.FloatCases.LARGE_IMAGES;
import static org.quantrain.testkit.FloatCases.normal;
import static org.quantrain.testkit.Grids.size;

import java.util.ArrayList;
import java.util.List;
import org.quantrain.op.AveragePool;
import org.quantrain.op.AveragePoolBackward;
import org.quantrain.op.AveragePoolCodes;
import org.quantrain.op.AveragePoolOnGrid;
import org.quantrain.op.GlobalAveragePool;
import org.quantrain.op.GlobalAveragePoolBackward;
import org.quantrain.op.GlobalPoolSum;
import org.quantrain.op.MaxPool;
import org.quantrain.op.MaxPoolBackward;
import org.quantrain.op.PoolWindow;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.Shape;
import org.quantrain.testkit.OpCase.Examples;

/** Pooling in float and on codes. */
final class PoolCases {
  private record Pool(PoolWindow window, Shape x) {
    Shape y() {
      return window.output(x);
    }

    @Override
    public String toString() {
      return window.kernelH() + "x" + window.kernelW() + " on " + x;
    }
  }

  private static final List<Pool> POOLS =
      List.of(
          new Pool(PoolWindow.of(1, 1), Shape.of(1, 1, 1, 1)),
          new Pool(PoolWindow.of(2, 2), Shape.of(2, 3, 6, 8)),
          new Pool(PoolWindow.of(3, 2, 1), Shape.of(2, 33, 7, 9)),
          new Pool(PoolWindow.of(3, 1, 1), Shape.of(1, 65, 5, 5)),
          new Pool(new PoolWindow(2, 3, 1, 2, 1, 0, 0, 2), Shape.of(3, 5, 6, 7)),
          new Pool(PoolWindow.of(16, 16), Shape.of(1, 2, 16, 16)),
          new Pool(PoolWindow.of(2, 2), Shape.of(2, 16, 64, 64)));

  private static final Pool LARGE = new Pool(PoolWindow.of(2, 2), LARGE_IMAGES);

  private static final List<Shape> IMAGES =
      List.of(
          Shape.of(1, 1, 1, 1),
          Shape.of(3, 3, 3, 5),
          Shape.of(2, 33, 7, 7),
          Shape.of(5, 64, 8, 8),
          Shape.of(1, 207, 31, 3));

  private PoolCases() {}

  static List<OpCase> all() {
    return List.of(
        new OpCase(
            MaxPool.class,
            PoolCases::maxPool,
            () -> List.of(maxPool(POOLS.get(1), "normal"), maxPool(POOLS.get(4), "normal")),
            () -> maxPool(LARGE, "large")),
        new OpCase(
            MaxPoolBackward.class,
            () -> POOLS.stream().map(PoolCases::maxPoolBackward).toList(),
            List::of,
            () -> maxPoolBackward(LARGE)),
        new OpCase(
            AveragePool.class,
            () -> averagePools(PoolCases::averagePool),
            () -> List.of(averagePool(POOLS.get(4), true), averagePool(POOLS.get(4), false)),
            () -> averagePool(LARGE, false)),
        new OpCase(
            AveragePoolBackward.class,
            () -> averagePools(PoolCases::averagePoolBackward),
            List::of,
            () -> averagePoolBackward(LARGE, false)),
        new OpCase(
            AveragePoolCodes.class,
            PoolCases::averagePoolCodes,
            () -> List.of(averagePoolCodes(POOLS.get(4), true, Grids.U8)),
            () -> averagePoolCodes(LARGE, false, Grids.U8)),
        new OpCase(
            AveragePoolOnGrid.class,
            PoolCases::averagePoolOnGrid,
            () -> List.of(averagePoolOnGrid(POOLS.get(4), Grids.S8_AFFINE)),
            () -> averagePoolOnGrid(LARGE, Grids.S8_AFFINE)),
        new OpCase(
            GlobalAveragePool.class,
            () -> IMAGES.stream().map(PoolCases::globalAveragePool).toList(),
            () -> List.of(globalAveragePool(IMAGES.get(1))),
            () -> globalAveragePool(LARGE_IMAGES)),
        new OpCase(
            GlobalAveragePoolBackward.class,
            () -> IMAGES.stream().map(PoolCases::globalAveragePoolBackward).toList(),
            List::of,
            () -> globalAveragePoolBackward(LARGE_IMAGES)),
        new OpCase(
            GlobalPoolSum.class,
            PoolCases::globalPoolSum,
            () -> List.of(globalPoolSum(IMAGES.get(1), Grids.U8)),
            () -> globalPoolSum(LARGE_IMAGES, Grids.U8)));
  }

  private static Example maxPool(Pool p, String name) {
    return Example.of(name + " " + p, new MaxPool(p.window()), normal(p.x(), 1));
  }

  private static List<Example> maxPool() {
    Examples examples = new Examples();
    for (Pool p : POOLS) {
      int n = size(p.x());
      MaxPool op = new MaxPool(p.window());
      examples.list().add(maxPool(p, "normal"));
      examples.add("edges " + p, op, HostTensor.of(p.x(), EdgeValues.edges(n, 2)));
      examples.add("all equal " + p, op, HostTensor.filled(p.x(), -3f));
      examples.add(
          "codes " + p, op, Tensors.codes(DType.U8, p.x(), EdgeValues.codes(n, Grids.U4, 3)));
      examples.add(
          "signed codes " + p,
          op,
          Tensors.codes(DType.S8, p.x(), EdgeValues.codes(n, Grids.S8_FULL, 4)));
      examples.add("all lowest " + p, op, Tensors.codes(DType.S8, p.x(), EdgeValues.all(n, -128)));
    }
    return examples.list();
  }

  private static Example maxPoolBackward(Pool p) {
    int n = size(p.y());
    int cells = p.window().kernelH() * p.window().kernelW();
    int[] argmax = new int[n];
    for (int i = 0; i < n; i++) {
      argmax[i] = (i * 31 + i / 7) % cells;
    }
    return Example.of(
        p.toString(),
        new MaxPoolBackward(p.window(), p.x()),
        normal(p.y(), 1),
        Tensors.codes(DType.U8, p.y(), argmax));
  }

  private interface AverageExample {
    Example of(Pool pool, boolean countPadding);
  }

  private static List<Example> averagePools(AverageExample example) {
    List<Example> list = new ArrayList<>();
    for (Pool p : POOLS) {
      list.add(example.of(p, true));
      list.add(example.of(p, false));
    }
    return list;
  }

  private static Example averagePool(Pool p, boolean countPadding) {
    return Example.of(
        p + " padding counts: " + countPadding,
        new AveragePool(p.window(), countPadding),
        normal(p.x(), 1));
  }

  private static Example averagePoolBackward(Pool p, boolean countPadding) {
    return Example.of(
        p + " padding counts: " + countPadding,
        new AveragePoolBackward(p.window(), countPadding, p.x()),
        normal(p.y(), 1));
  }

  private static HostTensor codes(QuantSpec spec, Shape shape) {
    return Tensors.codes(spec.container(), shape, EdgeValues.codes(size(shape), spec, 1));
  }

  private static Example averagePoolCodes(Pool p, boolean countPadding, QuantSpec spec) {
    // A finer grid on the way out: both ends clamp.
    return Example.of(
        p + " of " + spec + " padding counts: " + countPadding,
        new AveragePoolCodes(p.window(), countPadding, spec),
        codes(spec, p.x()),
        Tensors.vector(0.05f),
        Tensors.vector(Grids.zeroPoint(spec)),
        Tensors.vector(0.03f),
        Tensors.vector(Grids.zeroPoint(spec) - (spec.symmetric() ? 0 : 1)));
  }

  private static List<Example> averagePoolCodes() {
    List<Example> list = new ArrayList<>();
    for (QuantSpec spec : Grids.ACTIVATIONS) {
      list.addAll(averagePools((p, count) -> averagePoolCodes(p, count, spec)));
    }
    return list;
  }

  private static Example averagePoolOnGrid(Pool p, QuantSpec spec) {
    return Example.of(p + " of " + spec, new AveragePoolOnGrid(p.window()), codes(spec, p.x()));
  }

  private static List<Example> averagePoolOnGrid() {
    List<Example> list = new ArrayList<>();
    for (Pool p : POOLS) {
      list.add(averagePoolOnGrid(p, Grids.U8));
      list.add(averagePoolOnGrid(p, Grids.S8_AFFINE));
    }
    return list;
  }

  private static Example globalAveragePool(Shape x) {
    return Example.of("of " + x, new GlobalAveragePool(), normal(x, 1));
  }

  private static Example globalAveragePoolBackward(Shape x) {
    Shape y = Shape.of(x.dim(0), x.dim(1), 1, 1);
    return Example.of(
        "of " + x,
        new GlobalAveragePoolBackward(x),
        HostTensor.of(y, EdgeValues.edges(size(y), 1)));
  }

  private static Example globalPoolSum(Shape x, QuantSpec spec) {
    return Example.of(
        "of " + spec + " " + x,
        new GlobalPoolSum(),
        codes(spec, x),
        Tensors.vector(Grids.zeroPoint(spec)));
  }

  private static List<Example> globalPoolSum() {
    List<Example> list = new ArrayList<>();
    for (Shape x : IMAGES) {
      list.add(globalPoolSum(x, Grids.U8));
      list.add(globalPoolSum(x, Grids.S8_AFFINE));
    }
    return list;
  }
}
