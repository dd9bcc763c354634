package org.quantrain.testkit;

import static org.quantrain.testkit.EdgeValues.accumulators;
import static org.quantrain.testkit.EdgeValues.between;
import static org.quantrain.testkit.EdgeValues.integers;
import static org.quantrain.testkit.FloatCases.LARGE_IMAGES;
import static org.quantrain.testkit.Grids.size;

import java.util.ArrayList;
import java.util.List;
import org.quantrain.op.AccRange;
import org.quantrain.op.AccStats;
import org.quantrain.op.DequantizeAcc;
import org.quantrain.op.FixedMultiplier;
import org.quantrain.op.Multiplier;
import org.quantrain.op.PoolMultiplier;
import org.quantrain.op.ProductScale;
import org.quantrain.op.Requantization;
import org.quantrain.op.Requantize;
import org.quantrain.op.RequantizeFixed;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;
import org.quantrain.testkit.OpCase.Examples;

/** Statistics, ranges and requantization of int32 accumulators. */
final class AccumulatorCases {
  private static final Shape SMALL = Shape.of(2, 3, 4, 5);

  private static final Requantization FIXED_DOUBLE = Requantization.FIXED_DOUBLE;

  private AccumulatorCases() {}

  static List<OpCase> all() {
    return List.of(
        new OpCase(
            AccStats.class,
            AccumulatorCases::accStats,
            List::of,
            () -> Example.of("large", new AccStats(), tensor(LARGE_IMAGES, 20000, 1))),
        new OpCase(
            AccRange.class,
            AccumulatorCases::accRange,
            List::of,
            () -> accRange(1024, true, true, 6)),
        new OpCase(
            Multiplier.class, AccumulatorCases::multiplier, List::of, () -> multiplier(1024)),
        new OpCase(
            PoolMultiplier.class,
            () -> List.of(poolMultiplier(1, 1), poolMultiplier(33, 49), poolMultiplier(207, 64)),
            List::of,
            () -> poolMultiplier(1024, 49)),
        new OpCase(
            ProductScale.class,
            () -> List.of(productScale(1), productScale(33), productScale(207)),
            List::of,
            () -> productScale(1024)),
        new OpCase(
            Requantize.class,
            AccumulatorCases::requantize,
            () ->
                List.of(
                    requantize(SMALL, Grids.U4, false, 0, 0.0005f),
                    requantize(SMALL, Grids.U8, true, 1, 0.005f)),
            () -> requantize(LARGE_IMAGES, Grids.U8, true, 2, 0.005f)),
        new OpCase(
            FixedMultiplier.class,
            () ->
                List.of(
                    fixedMultiplier(1),
                    fixedMultiplier(33),
                    fixedMultiplier(207),
                    shifts(1),
                    shifts(33)),
            List::of,
            () -> fixedMultiplier(1024)),
        new OpCase(
            RequantizeFixed.class,
            AccumulatorCases::requantizeFixed,
            () ->
                List.of(
                    requantizeFixed(SMALL, Grids.U8, false, false, Requantization.FIXED_SINGLE),
                    requantizeFixed(SMALL, Grids.S8_AFFINE, true, true, FIXED_DOUBLE)),
            () -> requantizeFixed(LARGE_IMAGES, Grids.S8_AFFINE, true, true, FIXED_DOUBLE)),
        new OpCase(
            DequantizeAcc.class,
            AccumulatorCases::dequantizeAcc,
            () -> List.of(dequantizeAcc(SMALL, 0), dequantizeAcc(SMALL, 1)),
            () -> dequantizeAcc(LARGE_IMAGES, 2)));
  }

  /** An int32 tensor. */
  static HostTensor s32(Shape shape, int[] values) {
    HostTensor t = HostTensor.zeros(new TensorSpec(DType.S32, shape));
    t.buffer().asIntBuffer().put(values);
    return t;
  }

  static HostTensor tensor(Shape shape, int magnitude, long seed) {
    return s32(shape, integers(size(shape), magnitude, seed));
  }

  private static List<Example> accStats() {
    Examples examples = new Examples();
    AccStats op = new AccStats();
    for (Shape s : Grids.ROWS_AND_CHANNELS) {
      int n = size(s);
      examples.add("within 20000 " + s, op, tensor(s, 20000, 1));
      examples.add("up to 2^30 " + s, op, s32(s, accumulators(n, 1 << 30, 2)));
      // The sum of squares passes 64 bits from 4 rows on.
      examples.add("all -2^31 " + s, op, s32(s, EdgeValues.all(n, Integer.MIN_VALUE)));
      examples.add("all 2^31 - 1 " + s, op, s32(s, EdgeValues.all(n, Integer.MAX_VALUE)));
    }
    return examples.add("several blocks", op, tensor(Shape.of(5, 7, 83, 81), 1 << 20, 3)).list();
  }

  private static int[] keeps(int n) {
    int[] keep = new int[n];
    for (int i = 0; i < n; i++) {
      keep[i] = i % 5 == 1 ? 0 : 1;
    }
    return keep;
  }

  private static Example accRange(int channels, boolean keep, boolean relu, float upper) {
    int[] min = integers(channels, 30000, 1);
    int[] max = new int[channels];
    for (int c = 0; c < channels; c++) {
      max[c] = min[c] + Math.abs(min[c] % 7919);
    }
    List<HostTensor> in =
        new ArrayList<>(
            List.of(
                Tensors.vector(min),
                Tensors.vector(max),
                Tensors.vector(between(channels, 2, 1e-4f, 2e-4f)),
                Tensors.vector(integers(channels, 5000, 3))));
    if (keep) {
      in.add(Tensors.vector(keeps(channels)));
    }
    return new Example(
        channels + (keep ? " keep" : "") + (relu ? " relu " + upper : ""),
        new AccRange(relu, upper),
        in);
  }

  private static List<Example> accRange() {
    Examples examples = new Examples();
    for (int c : EdgeValues.SIZES) {
      examples.list().add(accRange(c, false, false, Float.POSITIVE_INFINITY));
      examples.list().add(accRange(c, true, true, Float.POSITIVE_INFINITY));
      examples.list().add(accRange(c, true, true, 0.5f));
    }
    return examples
        .add(
            "zero from below",
            new AccRange(false, Float.POSITIVE_INFINITY),
            Tensors.vector(-5),
            Tensors.vector(-3),
            Tensors.vector(0.1f),
            Tensors.vector(3))
        .add(
            "past 2^24",
            new AccRange(false, Float.POSITIVE_INFINITY),
            Tensors.vector(-(1 << 25) - 1, 3),
            Tensors.vector((1 << 25) + 3, 4),
            Tensors.vector(0.1f, 2f),
            Tensors.vector(2, 5))
        .list();
  }

  private static Example multiplier(int channels) {
    return Example.of(
        channels + " channels",
        new Multiplier(),
        Tensors.vector(between(channels, 1, 1e-5f, 1e-3f)),
        Tensors.vector(0.0371f));
  }

  private static List<Example> multiplier() {
    Examples examples = new Examples();
    for (int c : EdgeValues.SIZES) {
      examples.list().add(multiplier(c));
    }
    return examples
        .add(
            "the smallest scales",
            new Multiplier(),
            Tensors.vector(Float.MIN_NORMAL, 1f, 1e30f),
            Tensors.vector(3f))
        .list();
  }

  private static Example productScale(int channels) {
    return Example.of(
        channels + " channels",
        new ProductScale(channels),
        Tensors.vector(0.0371f),
        Tensors.vector(0.0173f));
  }

  private static Example poolMultiplier(int channels, int count) {
    return Example.of(
        channels + " channels, " + count + " cells",
        new PoolMultiplier(channels, count),
        Tensors.vector(0.0371f),
        Tensors.vector(0.0173f));
  }

  /**
   * @param extra 0: no bias, 1: bias, 2: bias and keep
   */
  private static Example requantize(
      Shape shape, QuantSpec spec, boolean relu, int extra, float multiplier) {
    int channels = shape.dim(1);
    List<HostTensor> in =
        new ArrayList<>(
            List.of(
                tensor(shape, 20000, 1),
                Tensors.vector(between(channels, 2, multiplier, 2 * multiplier)),
                Tensors.vector(Grids.zeroPoint(spec))));
    if (extra > 0) {
      in.add(Tensors.vector(integers(channels, 5000, 3)));
    }
    if (extra > 1) {
      in.add(Tensors.vector(keeps(channels)));
    }
    return new Example(
        shape
            + " to "
            + spec
            + (relu ? " relu" : "")
            + (extra > 0 ? " bias" : "")
            + (extra > 1 ? " keep" : ""),
        new Requantize(spec, relu),
        in);
  }

  private static List<Example> requantize() {
    Examples examples = new Examples();
    for (QuantSpec spec : Grids.ACTIVATIONS) {
      for (boolean relu : new boolean[] {false, true}) {
        for (int extra = 0; extra < 3; extra++) {
          for (Shape shape : Grids.ROWS_AND_CHANNELS) {
            examples.list().add(requantize(shape, spec, relu, extra, 0.005f));
          }
        }
        int n = 2048;
        int[] steps = new int[n];
        for (int i = 0; i < n; i++) {
          steps[i] = i - n / 2;
        }
        examples.add(
            "ties to " + spec + (relu ? " relu" : ""),
            new Requantize(spec, relu),
            s32(Shape.of(n, 1), steps),
            Tensors.vector(0.5f),
            Tensors.vector(Grids.zeroPoint(spec)));
        examples.add(
            "sums that no float holds to " + spec + (relu ? " relu" : ""),
            new Requantize(spec, relu),
            s32(Shape.of(64, 32), accumulators(n, 1 << 30, 4)),
            Tensors.vector(between(32, 5, 1e-8f, 1e-6f)),
            Tensors.vector(Grids.zeroPoint(spec)),
            Tensors.vector(integers(32, 1 << 29, 6)));
        for (int zero : new int[] {spec.qmin(), spec.qmax()}) {
          examples.add(
              "zero-point " + zero + " to " + spec + (relu ? " relu" : ""),
              new Requantize(spec, relu),
              tensor(Shape.of(33, 31), 300, 7),
              Tensors.vector(between(31, 8, 0.5f, 1.5f)),
              Tensors.vector(zero));
        }
      }
    }
    return examples.list();
  }

  private static Example fixedMultiplier(int channels) {
    return Example.of(
        channels + " channels",
        new FixedMultiplier(false),
        Tensors.vector(0.0173f),
        Tensors.vector(between(channels, 1, 1e-6f, 1e-2f)),
        Tensors.vector(0.0371f));
  }

  private static Example shifts(int channels) {
    float[] w = new float[channels];
    for (int c = 0; c < channels; c++) {
      w[c] = Math.scalb(1f, c % 50 - 35);
    }
    return Example.of(
        channels + " powers of two",
        new FixedMultiplier(true),
        Tensors.vector(0.25f),
        Tensors.vector(w),
        Tensors.vector(0.0625f));
  }

  private static Example requantizeFixed(
      Shape shape, QuantSpec spec, boolean relu, boolean bias, Requantization rule) {
    int channels = shape.dim(1);
    int[] m = new int[channels];
    int[] shift = new int[channels];
    for (int c = 0; c < channels; c++) {
      // Every third is a power of two: there are ties.
      m[c] = c % 3 == 0 ? 1 << 30 : (1 << 30) + 77_777_777 * (c % 13);
      shift[c] = -5 - c % 4;
    }
    List<HostTensor> in =
        new ArrayList<>(
            List.of(
                tensor(shape, 20000, 1),
                Tensors.vector(m),
                Tensors.vector(shift),
                Tensors.vector(Grids.zeroPoint(spec))));
    if (bias) {
      in.add(Tensors.vector(integers(channels, 5000, 3)));
    }
    return new Example(
        rule + " " + shape + " to " + spec + (relu ? " relu" : "") + (bias ? " bias" : ""),
        new RequantizeFixed(spec, relu, rule),
        in);
  }

  private static List<Example> requantizeFixed() {
    List<Example> list = new ArrayList<>();
    for (Requantization rule : Requantization.values()) {
      if (rule == Requantization.FP32_RNE) {
        continue; // has an operation of its own
      }
      for (QuantSpec spec : List.of(Grids.U8, Grids.U4, Grids.S8_AFFINE)) {
        for (Shape shape : Grids.ROWS_AND_CHANNELS) {
          list.add(requantizeFixed(shape, spec, false, true, rule));
          list.add(requantizeFixed(shape, spec, true, false, rule));
        }
      }
    }
    return list;
  }

  private static Example dequantizeAcc(Shape shape, int extra) {
    int channels = shape.dim(1);
    List<HostTensor> in =
        new ArrayList<>(
            List.of(tensor(shape, 1 << 26, 1), Tensors.vector(between(channels, 2, 1e-5f, 1e-3f))));
    if (extra > 0) {
      in.add(Tensors.vector(integers(channels, 1 << 25, 3)));
    }
    if (extra > 1) {
      in.add(Tensors.vector(keeps(channels)));
    }
    return new Example(
        shape + (extra > 0 ? " bias" : "") + (extra > 1 ? " keep" : ""), new DequantizeAcc(), in);
  }

  private static List<Example> dequantizeAcc() {
    List<Example> list = new ArrayList<>();
    for (Shape shape : Grids.ROWS_AND_CHANNELS) {
      for (int extra = 0; extra < 3; extra++) {
        list.add(dequantizeAcc(shape, extra));
      }
    }
    return list;
  }
}
