package org.quantrain.testkit;

import static org.quantrain.testkit.EdgeValues.between;
import static org.quantrain.testkit.EdgeValues.integers;
import static org.quantrain.testkit.EdgeValues.ordinary;
import static org.quantrain.testkit.FloatCases.LARGE_IMAGES;
import static org.quantrain.testkit.FloatCases.normal;
import static org.quantrain.testkit.Grids.size;

import java.util.ArrayList;
import java.util.List;
import org.quantrain.graph.Op;
import org.quantrain.op.BatchNorm;
import org.quantrain.op.BatchNormAbsorb;
import org.quantrain.op.BatchNormAbsorbBackward;
import org.quantrain.op.BatchNormBackward;
import org.quantrain.op.BatchNormStats;
import org.quantrain.op.BatchNormStatsBackward;
import org.quantrain.op.ChannelMoments;
import org.quantrain.op.Compute;
import org.quantrain.op.GradientPart;
import org.quantrain.op.MoveBatchNorm;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;

/** Batch norm in float, and absorbed into the scale of an accumulator. */
final class BatchNormCases {
  private static final float EPSILON = 1e-5f;
  private static final float MOMENTUM = 0.1f;
  private static final Shape SMALL = Shape.of(3, 4, 2, 5);

  private BatchNormCases() {}

  static List<OpCase> all() {
    return List.of(
        new OpCase(
            BatchNorm.class,
            BatchNormCases::batchNorm,
            () ->
                List.of(
                    batchNorm("train", BatchNorm.Mode.TRAIN, normal(SMALL, 1)),
                    batchNorm("frozen", BatchNorm.Mode.FROZEN, normal(SMALL, 2))),
            () -> batchNorm("large", BatchNorm.Mode.TRAIN, normal(LARGE_IMAGES, 1))),
        new OpCase(
            BatchNormBackward.class,
            BatchNormCases::backward,
            List::of,
            () -> backward(BatchNorm.Mode.TRAIN, LARGE_IMAGES)),
        new OpCase(
            BatchNormStats.class,
            BatchNormCases::stats,
            () -> List.of(stats("small", normal(SMALL, 1))),
            () -> stats("large", normal(LARGE_IMAGES, 1))),
        new OpCase(
            ChannelMoments.class,
            () ->
                Grids.ROWS_AND_CHANNELS.stream()
                    .flatMap(shape -> inputs(shape).stream())
                    .map(BatchNormCases::moments)
                    .toList(),
            List::of,
            () -> moments(normal(LARGE_IMAGES, 1))),
        new OpCase(
            MoveBatchNorm.class,
            () -> Grids.ROWS_AND_CHANNELS.stream().map(BatchNormCases::move).toList(),
            List::of,
            () -> move(LARGE_IMAGES)),
        new OpCase(
            BatchNormStatsBackward.class,
            () -> Grids.ROWS_AND_CHANNELS.stream().map(BatchNormCases::statsBackward).toList(),
            List::of,
            () -> statsBackward(LARGE_IMAGES)),
        new OpCase(
            BatchNormAbsorb.class,
            BatchNormCases::absorb,
            () -> List.of(absorb("small", SMALL, 2000, new float[] {1, -0.5f, 0.1f, -2})),
            () -> absorb("large", LARGE_IMAGES, 20000, QuantizeCases.gammas(64))),
        new OpCase(
            BatchNormAbsorbBackward.class,
            BatchNormCases::absorbBackward,
            List::of,
            () -> absorbBackward(LARGE_IMAGES, Compute.F32)));
  }

  private static Example batchNorm(String name, BatchNorm.Mode mode, HostTensor x) {
    int c = x.shape().dim(1);
    return Example.of(
        name + " " + mode + " " + x.shape(),
        new BatchNorm(EPSILON, MOMENTUM, mode),
        x,
        Tensors.vector(ordinary(c, 11)),
        Tensors.vector(ordinary(c, 12)),
        Tensors.vector(ordinary(c, 13)),
        Tensors.vector(between(c, 14, 0.1f, 2)));
  }

  /**
   * Spread, off-center (the variance must not be a difference of large squares), constant, tiny.
   */
  private static List<HostTensor> inputs(Shape shape) {
    int n = size(shape);
    return List.of(
        normal(shape, 1),
        HostTensor.of(shape, ordinary(n, 2, 0.01f, 1000)),
        HostTensor.filled(shape, 0.7f),
        HostTensor.of(shape, ordinary(n, 3, 1e-12f, 0)));
  }

  private static List<Example> batchNorm() {
    List<Example> list = new ArrayList<>();
    for (Shape shape : Grids.ROWS_AND_CHANNELS) {
      for (HostTensor x : inputs(shape)) {
        list.add(batchNorm("x[0] " + x.floats()[0], BatchNorm.Mode.TRAIN, x));
        list.add(batchNorm("x[0] " + x.floats()[0], BatchNorm.Mode.FROZEN, x));
      }
      list.add(
          batchNorm(
              "edges",
              BatchNorm.Mode.FROZEN,
              HostTensor.of(shape, EdgeValues.edges(size(shape), 5))));
    }
    list.add(batchNorm("several blocks", BatchNorm.Mode.TRAIN, normal(Shape.of(5, 7, 83, 81), 4)));
    return list;
  }

  private static Example stats(String name, HostTensor x) {
    int c = x.shape().dim(1);
    return Example.of(
        name + " " + x.shape(),
        new BatchNormStats(EPSILON, MOMENTUM),
        x,
        Tensors.vector(ordinary(c, 13)),
        Tensors.vector(between(c, 14, 0.1f, 2)));
  }

  private static List<Example> stats() {
    List<Example> list = new ArrayList<>();
    for (Shape shape : Grids.ROWS_AND_CHANNELS) {
      for (HostTensor x : inputs(shape)) {
        list.add(stats("x[0] " + x.floats()[0], x));
      }
    }
    list.add(stats("several blocks", normal(Shape.of(5, 7, 83, 81), 4)));
    return list;
  }

  private static Example moments(HostTensor x) {
    return Example.of(x.shape() + " x[0] " + x.floats()[0], new ChannelMoments(), x);
  }

  private static Example move(Shape shape) {
    int c = shape.dim(1);
    return Example.of(
        shape.toString(),
        new MoveBatchNorm(MOMENTUM, 3),
        normal(shape, 1),
        Tensors.vector(ordinary(c, 11)),
        Tensors.vector(between(c, 12, 0.1f, 2)),
        Tensors.vector(ordinary(c, 13)),
        Tensors.vector(between(c, 14, 0.1f, 2)));
  }

  /** The gradient in two, between which processes add up their sums. */
  private static List<Example> inTwo(Example whole, Op sums, Op fromSums) {
    int c = whole.outputSpecs().get(1).shape().dim(0);
    List<HostTensor> given = new ArrayList<>(whole.inputs());
    given.add(Tensors.vector(ordinary(c, 21, 3, 0)));
    given.add(Tensors.vector(ordinary(c, 22, 3, 0)));
    return List.of(
        Example.of(whole + " sums", sums, whole.inputs().toArray(HostTensor[]::new)),
        Example.of(whole + " from sums", fromSums, given.toArray(HostTensor[]::new)));
  }

  private static Example backward(BatchNorm.Mode mode, Shape shape) {
    int c = shape.dim(1);
    return Example.of(
        mode + " " + shape,
        new BatchNormBackward(EPSILON, mode),
        normal(shape, 1),
        normal(shape, 2),
        Tensors.vector(ordinary(c, 3, 0.1f, 0)),
        Tensors.vector(between(c, 4, 0.5f, 2)),
        Tensors.vector(ordinary(c, 5)));
  }

  private static List<Example> backward() {
    List<Example> list = new ArrayList<>();
    for (Shape shape : Grids.ROWS_AND_CHANNELS) {
      list.add(backward(BatchNorm.Mode.TRAIN, shape));
      list.add(backward(BatchNorm.Mode.FROZEN, shape));
      list.addAll(
          inTwo(
              backward(BatchNorm.Mode.TRAIN, shape),
              new BatchNormBackward(EPSILON, BatchNorm.Mode.TRAIN, GradientPart.SUMS, 1),
              new BatchNormBackward(EPSILON, BatchNorm.Mode.TRAIN, GradientPart.FROM_SUMS, 3)));
    }
    list.add(backward(BatchNorm.Mode.TRAIN, Shape.of(5, 7, 83, 81)));
    return list;
  }

  private static Example statsBackward(Shape shape) {
    int c = shape.dim(1);
    return Example.of(
        shape.toString(),
        new BatchNormStatsBackward(EPSILON),
        normal(shape, 1),
        Tensors.vector(ordinary(c, 2, 0.1f, 0)),
        Tensors.vector(between(c, 3, 0.5f, 2)),
        Tensors.vector(ordinary(c, 4)),
        Tensors.vector(ordinary(c, 5)));
  }

  /** The accumulator with the statistics that belong to it. */
  private static Example absorb(
      String name, HostTensor acc, float[] gamma, float[] beta, float sx) {
    int c = gamma.length;
    List<Expected.Result> stats = AccumulatorRules.stats(acc).outputs();
    return Example.of(
        name + " " + acc.shape(),
        new BatchNormAbsorb(EPSILON, MOMENTUM),
        acc,
        ((Expected.Bits) stats.get(0)).tensor(),
        ((Expected.Bits) stats.get(1)).tensor(),
        Tensors.vector(gamma),
        Tensors.vector(beta),
        Tensors.vector(sx),
        Tensors.vector(between(c, 5, 0.005f, 0.02f)),
        Tensors.vector(ordinary(c, 6)),
        Tensors.vector(between(c, 7, 0.1f, 2)));
  }

  private static Example absorb(String name, Shape shape, int magnitude, float[] gamma) {
    HostTensor acc = AccumulatorCases.tensor(shape, magnitude, 1);
    return absorb(name, acc, gamma, ordinary(gamma.length, 2), 0.03f);
  }

  private static List<Example> absorb() {
    List<Example> list = new ArrayList<>();
    for (Shape shape : Grids.ROWS_AND_CHANNELS) {
      int c = shape.dim(1);
      float[] gammas = QuantizeCases.gammas(c);
      list.add(absorb("within 20000", shape, 20000, gammas));
      list.add(absorb("within 2^30", shape, 1 << 30, gammas));
      HostTensor constant = AccumulatorCases.s32(shape, EdgeValues.all(size(shape), 12345));
      list.add(absorb("constant", constant, gammas, ordinary(c, 3), 0.03f));
      HostTensor ends = AccumulatorCases.s32(shape, EdgeValues.all(size(shape), 1 << 30));
      list.add(absorb("all 2^30", ends, gammas, ordinary(c, 4), 0.03f));
      float[] far = ordinary(c, 8, 1e12f, 0);
      list.add(absorb("beta 1e12", AccumulatorCases.tensor(shape, 99, 9), gammas, far, 1e-4f));
      float[] nothing = new float[c];
      list.add(
          absorb(
              "beta 0, tiny scale",
              AccumulatorCases.tensor(shape, 99, 9),
              gammas,
              nothing,
              1e-37f));
    }
    return list;
  }

  private static List<Example> absorbBackward() {
    List<Example> list = new ArrayList<>();
    for (Shape shape : Grids.ROWS_AND_CHANNELS) {
      for (Compute compute : Compute.values()) {
        list.add(absorbBackward(shape, compute));
        list.addAll(
            inTwo(
                absorbBackward(shape, compute),
                new BatchNormAbsorbBackward(compute, GradientPart.SUMS, 1),
                new BatchNormAbsorbBackward(compute, GradientPart.FROM_SUMS, 3)));
      }
    }
    return list;
  }

  private static Example absorbBackward(Shape shape, Compute gradients) {
    int c = shape.dim(1);
    return Example.of(
        shape + " " + gradients,
        new BatchNormAbsorbBackward(gradients),
        normal(shape, 1),
        AccumulatorCases.s32(shape, integers(size(shape), 20000, 2)),
        Tensors.vector(QuantizeCases.gammas(c)),
        Tensors.vector(0.03f),
        Tensors.vector(between(c, 5, 0.005f, 0.02f)),
        Tensors.vector(ordinary(c, 6, 0.1f, 0)),
        Tensors.vector(between(c, 7, 0.1f, 0.4f)));
  }
}
