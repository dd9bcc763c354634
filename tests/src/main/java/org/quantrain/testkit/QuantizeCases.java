package org.quantrain.testkit;

import static org.quantrain.testkit.EdgeValues.between;
import static org.quantrain.testkit.EdgeValues.edges;
import static org.quantrain.testkit.EdgeValues.ordinary;
import static org.quantrain.testkit.EdgeValues.ties;
import static org.quantrain.testkit.FloatCases.LARGE;
import static org.quantrain.testkit.FloatCases.normal;
import static org.quantrain.testkit.Grids.perChannel;
import static org.quantrain.testkit.Grids.size;

import java.util.ArrayList;
import java.util.List;
import org.quantrain.op.AddCodes;
import org.quantrain.op.AddCodesRange;
import org.quantrain.op.CodesToBf16;
import org.quantrain.op.Dequantize;
import org.quantrain.op.Histogram;
import org.quantrain.op.MinMax;
import org.quantrain.op.Quantize;
import org.quantrain.op.QuantizeWeight;
import org.quantrain.op.RangeRule;
import org.quantrain.op.RangeToQParams;
import org.quantrain.op.RequantizeCodes;
import org.quantrain.op.SteBackward;
import org.quantrain.op.TimesRatio;
import org.quantrain.op.TimesSign;
import org.quantrain.op.ToBf16;
import org.quantrain.op.UpdateQParams;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.Shape;
import org.quantrain.testkit.OpCase.Examples;

/** Codes from reals and back, the straight-through gradient, ranges, and the residual add. */
final class QuantizeCases {
  /** Scales with a short and a full mantissa, and the extremes. */
  private static final float[] SCALES = {0.25f, 0.1f, 1f / 127, Float.MIN_NORMAL, 1e30f};

  private static final Shape SMALL = Shape.of(2, 3, 4, 5);

  private QuantizeCases() {}

  static List<OpCase> all() {
    return List.of(
        new OpCase(
            Quantize.class,
            QuantizeCases::quantize,
            () -> List.of(quantize("narrow enough to clamp", Grids.U4, normal(SMALL, 1), 0.1f)),
            () -> quantize("large", Grids.U8, normal(LARGE, 1), 0.02f)),
        new OpCase(
            RequantizeCodes.class,
            QuantizeCases::requantizeCodes,
            () -> List.of(requantizeCodes(SMALL, Grids.U8, Grids.U4, 0.01f, 0.05f)),
            () -> requantizeCodes(LARGE, Grids.U8, Grids.U4, 0.01f, 0.17f)),
        new OpCase(
            Dequantize.class,
            QuantizeCases::dequantize,
            () -> List.of(dequantize(SMALL, Grids.U8), weight(SMALL, perChannel(Grids.S8))),
            () -> dequantize(LARGE, Grids.U8)),
        new OpCase(
            CodesToBf16.class,
            QuantizeCases::codesToBf16,
            List::of,
            () -> codesToBf16(LARGE, Grids.U8, true)),
        new OpCase(
            ToBf16.class,
            QuantizeCases::toBf16,
            List::of,
            () -> toBf16(normal(LARGE, 1), Tensors.vector(between(LARGE.dim(1), 2, 0.01f, 0.1f)))),
        new OpCase(
            TimesRatio.class,
            QuantizeCases::timesRatio,
            List::of,
            () -> timesRatio(LARGE, LARGE.dim(0))),
        new OpCase(
            SteBackward.class,
            QuantizeCases::steBackward,
            List::of,
            () -> steBackward(LARGE, ordinary(size(LARGE), 1))),
        new OpCase(
            QuantizeWeight.class,
            QuantizeCases::quantizeWeight,
            QuantizeCases::quantizeWeightGradients,
            () -> weights("large", perChannel(Grids.S8), normal(LARGE, 1))),
        new OpCase(
            TimesSign.class,
            QuantizeCases::timesSign,
            () -> List.of(timesSign(Shape.of(4, 6), ordinary(24, 1))),
            () -> timesSign(LARGE, ordinary(size(LARGE), 1))),
        new OpCase(
            MinMax.class,
            QuantizeCases::minMax,
            List::of,
            () -> Example.of("large", new MinMax(), normal(LARGE, 1))),
        new OpCase(
            Histogram.class,
            QuantizeCases::histogram,
            List::of,
            () -> histogram("large", 8192, normal(LARGE, 1), -10)),
        new OpCase(
            UpdateQParams.class,
            QuantizeCases::updateQParams,
            List::of,
            () -> update("one", Grids.U8, -1, 2, -0.5f, 1.5f, 7)),
        new OpCase(
            RangeToQParams.class,
            QuantizeCases::rangeToQParams,
            List::of,
            () -> qparams(Grids.U8, -1, 2)),
        new OpCase(
            AddCodes.class,
            QuantizeCases::addCodes,
            () -> List.of(addCodes(SMALL, Grids.U8, true, 3), addCodes(SMALL, Grids.U8, false, 4)),
            () -> addCodes(LARGE, Grids.U8, true, 1)),
        new OpCase(
            AddCodesRange.class,
            QuantizeCases::addCodesRange,
            List::of,
            () -> addCodesRange(LARGE, Grids.U8, true, Float.POSITIVE_INFINITY)));
  }

  private static HostTensor codes(QuantSpec spec, Shape shape, long seed) {
    return Tensors.codes(spec.container(), shape, EdgeValues.codes(size(shape), spec, seed));
  }

  private static Example quantize(String name, QuantSpec spec, HostTensor x, float scale) {
    return Example.of(
        name + " to " + spec + " by " + scale,
        new Quantize(spec),
        x,
        Tensors.vector(scale),
        Tensors.vector(Grids.zeroPoint(spec)));
  }

  private static List<Example> quantize() {
    List<Example> list = new ArrayList<>();
    for (QuantSpec spec : Grids.ACTIVATIONS) {
      for (int n : EdgeValues.SIZES) {
        Shape shape = Shape.of(1, n);
        list.add(quantize("edges " + n, spec, HostTensor.of(shape, edges(n, 1)), 0.1f));
        list.add(quantize("normal " + n, spec, HostTensor.of(shape, ordinary(n, 2)), 0.02f));
      }
      for (float scale : SCALES) {
        Shape shape = Shape.of(3, 601);
        list.add(quantize("ties", spec, HostTensor.of(shape, ties(1803, scale)), scale));
      }
    }
    QuantSpec channels = perChannel(Grids.S4);
    for (int n : EdgeValues.SIZES) {
      list.add(
          Example.of(
              "channels of " + n + " to " + channels,
              new Quantize(channels),
              normal(Shape.of(5, n), 4),
              Tensors.vector(EdgeValues.between(5, 5, 0.1f, 0.4f)),
              Tensors.vector(0, 0, 0, 0, 0)));
    }
    list.add(quantize("several blocks", Grids.U8, normal(Shape.of(3, 16, 41, 43), 3), 0.01f));
    return list;
  }

  private static Example requantizeCodes(
      Shape shape, QuantSpec from, QuantSpec to, float scale, float newScale) {
    return Example.of(
        from + " to " + to + " " + shape + " by " + newScale,
        new RequantizeCodes(to),
        codes(from, shape, 1),
        Tensors.vector(scale),
        Tensors.vector(Grids.zeroPoint(from)),
        Tensors.vector(newScale),
        Tensors.vector(Grids.zeroPoint(to)));
  }

  private static List<Example> requantizeCodes() {
    List<Example> list = new ArrayList<>();
    for (QuantSpec to : Grids.ACTIVATIONS) {
      for (int n : EdgeValues.SIZES) {
        list.add(requantizeCodes(Shape.of(1, n), Grids.U8, to, 0.01f, 0.17f));
      }
      // Twice the scale: every other code is a tie.
      list.add(requantizeCodes(Shape.of(2, 1021), Grids.U8, to, 0.125f, 0.25f));
      list.add(requantizeCodes(Shape.of(2, 1021), Grids.S8_AFFINE, to, 0.1f, 0.2f));
    }
    return list;
  }

  private static Example dequantize(Shape shape, QuantSpec spec) {
    return Example.of(
        spec + " " + shape,
        new Dequantize(),
        codes(spec, shape, 1),
        Tensors.vector(0.1f),
        Tensors.vector(Grids.zeroPoint(spec)));
  }

  private static Example weight(Shape shape, QuantSpec spec) {
    int k = spec.perChannel() ? shape.dim(0) : 1;
    return Example.of(
        spec + " " + shape,
        new Dequantize(),
        codes(spec, shape, 1),
        Tensors.vector(EdgeValues.between(k, 2, 0.01f, 0.02f)));
  }

  private static List<Example> dequantize() {
    List<Example> list = new ArrayList<>();
    for (int n : EdgeValues.SIZES) {
      list.add(dequantize(Shape.of(1, n), Grids.U8));
      list.add(dequantize(Shape.of(1, n), Grids.S8_AFFINE));
      list.add(weight(Shape.of(n, 7), perChannel(Grids.S8)));
      list.add(weight(Shape.of(5, n), perChannel(Grids.S8)));
      list.add(weight(Shape.of(5, n), Grids.S4));
    }
    list.add(weight(Shape.of(31, 3, 3, 5), perChannel(Grids.S8_FULL)));
    return list;
  }

  private static Example codesToBf16(Shape shape, QuantSpec spec, boolean affine) {
    HostTensor q = codes(spec, shape, 1);
    return affine
        ? Example.of(
            spec + " " + shape, new CodesToBf16(), q, Tensors.vector(Grids.zeroPoint(spec)))
        : Example.of(spec + " " + shape, new CodesToBf16(), q);
  }

  private static List<Example> codesToBf16() {
    List<Example> list = new ArrayList<>();
    for (int n : EdgeValues.SIZES) {
      list.add(codesToBf16(Shape.of(1, n), Grids.U8, true));
      list.add(codesToBf16(Shape.of(1, n), Grids.S8_AFFINE, true));
      list.add(codesToBf16(Shape.of(n, 7), Grids.S8_FULL, false));
    }
    return list;
  }

  private static Example toBf16(HostTensor x, HostTensor scale) {
    return Example.of(x.shape() + " by " + scale.shape(), new ToBf16(), x, scale);
  }

  private static List<Example> toBf16() {
    List<Example> list = new ArrayList<>();
    for (int n : EdgeValues.SIZES) {
      HostTensor x = HostTensor.of(Shape.of(3, n), edges(3 * n, 1));
      list.add(Example.of("edges " + n, new ToBf16(), x));
      HostTensor finite = HostTensor.of(Shape.of(3, n), EdgeValues.finiteEdges(3 * n, 2));
      list.add(toBf16(finite, Tensors.vector(between(n, 3, 0.01f, 0.1f))));
      list.add(toBf16(finite, Tensors.vector(0.37f)));
    }
    list.add(toBf16(normal(Shape.of(2, 17, 5, 3), 4), Tensors.vector(between(17, 5, 1, 2))));
    return list;
  }

  private static Example timesRatio(Shape shape, int divisors) {
    return Example.of(
        shape + " by " + divisors,
        new TimesRatio(),
        normal(shape, 1),
        Tensors.vector(0.07f),
        Tensors.vector(between(divisors, 2, 0.01f, 0.02f)));
  }

  private static List<Example> timesRatio() {
    List<Example> list = new ArrayList<>();
    for (int n : EdgeValues.SIZES) {
      list.add(timesRatio(Shape.of(n, 3), n));
      list.add(timesRatio(Shape.of(5, n), 1));
    }
    list.add(timesRatio(Shape.of(4, 3, 3, 5), 4));
    return list;
  }

  private static Example steBackward(Shape shape, float[] dy) {
    boolean[] mask = new boolean[dy.length];
    for (int i = 0; i < mask.length; i++) {
      mask[i] = (i * 7 + i / 5) % 3 != 0;
    }
    return Example.of(
        shape.toString(), new SteBackward(), HostTensor.of(shape, dy), Tensors.mask(shape, mask));
  }

  private static List<Example> steBackward() {
    List<Example> list = new ArrayList<>();
    for (int n : EdgeValues.SIZES) {
      list.add(steBackward(Shape.of(1, n), edges(n, 1)));
    }
    Shape large = Shape.of(3, 16, 41, 43);
    list.add(steBackward(large, ordinary(size(large), 2)));
    return list;
  }

  private static Example weights(String name, QuantSpec spec, HostTensor w) {
    List<HostTensor> inputs = new ArrayList<>(List.of(w));
    if (spec.perChannel()) {
      inputs.add(Tensors.vector(gammas(w.shape().dim(0))));
    }
    return new Example(name + " " + w.shape() + " to " + spec, new QuantizeWeight(spec), inputs);
  }

  /** Both signs, zeros of both signs, nearly nothing. */
  static float[] gammas(int n) {
    float[] gamma = EdgeValues.between(n, 3, 0.5f, 1.5f);
    float[] special = {-0.75f, 0f, -0f, 1e-30f, -1e-30f};
    for (int i = 0; i < n; i++) {
      gamma[i] = i % 3 == 1 ? special[i / 3 % special.length] : gamma[i];
    }
    return gamma;
  }

  private static List<Example> quantizeWeight() {
    Examples examples = new Examples();
    List<Example> list = examples.list();
    for (QuantSpec tensor : Grids.and(Grids.WEIGHTS, Grids.S8_POWER)) {
      QuantSpec channel = perChannel(tensor);
      for (int n : EdgeValues.SIZES) {
        for (QuantSpec spec : List.of(tensor, channel)) {
          list.add(weights("edges", spec, HostTensor.of(Shape.of(3, n), edges(3 * n, 1))));
          list.add(weights("normal", spec, normal(Shape.of(n, 5), 2)));
        }
        // Without gamma: linear layers.
        examples.add(
            "no batch norm " + n + " to " + channel,
            new QuantizeWeight(channel),
            normal(Shape.of(5, n), 3));
      }
      // The largest magnitude is qmax, so every k + 0.5 is a tie.
      float[] grid = ties(2 * 601, 0.25f);
      grid[0] = tensor.qmax() * 0.25f;
      for (int i = 1; i < grid.length; i++) {
        grid[i] = Math.abs(grid[i]) > grid[0] ? 0.25f * (i % 5) + 0.125f : grid[i];
      }
      list.add(weights("ties", tensor, HostTensor.of(Shape.of(2, 601), grid)));
      list.add(weights("all zero", tensor, HostTensor.filled(Shape.of(3, 8), 0)));
      list.add(weights("all zero", channel, HostTensor.filled(Shape.of(3, 8), 0)));
      list.add(weights("all NaN", channel, HostTensor.filled(Shape.of(3, 8), Float.NaN)));
      list.add(weights("all negative", channel, HostTensor.filled(Shape.of(3, 8), -1e30f)));
      list.add(weights("denormal", channel, HostTensor.filled(Shape.of(3, 8), 1e-42f)));
    }
    list.add(weights("kernel", perChannel(Grids.S8), normal(Shape.of(33, 16, 3, 3), 4)));
    list.add(weights("several blocks", Grids.S8, normal(Shape.of(64, 64, 5, 5), 5)));
    return list;
  }

  private static List<Example> quantizeWeightGradients() {
    HostTensor w = normal(Shape.of(4, 3, 2, 2), 1);
    QuantSpec channel = perChannel(Grids.S8);
    return List.of(
        Example.of("per tensor", new QuantizeWeight(Grids.S8), w),
        Example.of("per channel", new QuantizeWeight(channel), w),
        Example.of(
            "with signs", new QuantizeWeight(channel), w, Tensors.vector(1f, -1f, 0.5f, -0.1f)));
  }

  private static Example timesSign(Shape shape, float[] d) {
    return Example.of(
        shape.toString(),
        new TimesSign(),
        HostTensor.of(shape, d),
        Tensors.vector(gammas(shape.dim(0))));
  }

  private static List<Example> timesSign() {
    List<Example> list = new ArrayList<>();
    for (int n : EdgeValues.SIZES) {
      list.add(timesSign(Shape.of(7, n), edges(7 * n, 1)));
      list.add(timesSign(Shape.of(n, 3), edges(3 * n, 2)));
    }
    return list;
  }

  private static List<Example> minMax() {
    Examples examples = new Examples();
    MinMax op = new MinMax();
    for (int n : EdgeValues.SIZES) {
      examples.add("edges " + n, op, HostTensor.of(Shape.of(1, n), edges(n, 1)));
      examples.add(
          "finite edges " + n, op, HostTensor.of(Shape.of(1, n), EdgeValues.finiteEdges(n, 2)));
      examples.add(
          "positive " + n, op, HostTensor.of(Shape.of(1, n), EdgeValues.between(n, 3, 1, 2)));
    }
    return examples
        .add("all -0", op, HostTensor.filled(Shape.of(1, 70), -0f))
        .add("all NaN", op, HostTensor.filled(Shape.of(1, 70), Float.NaN))
        .add("all the largest", op, HostTensor.filled(Shape.of(1, 70), Float.MAX_VALUE))
        .add("several blocks", op, normal(Shape.of(3, 16, 41, 43), 4))
        .list();
  }

  /** On counts that are not all zero, with bins 2^exponent wide. */
  private static Example histogram(String name, int bins, HostTensor x, int exponent) {
    long[] counts = new long[bins];
    for (int i = 0; i < bins; i++) {
      counts[i] = exponent == Histogram.FIRST_EXPONENT ? 0 : i % 5;
    }
    return Example.of(
        name + ", " + bins + " bins from 2^" + exponent,
        new Histogram(bins),
        x,
        Tensors.s64(Shape.of(bins), counts),
        Tensors.vector(exponent),
        Tensors.s64(Shape.of(1), new long[] {3}),
        Tensors.s64(Shape.of(1), new long[] {4}));
  }

  private static List<Example> histogram() {
    List<Example> list = new ArrayList<>();
    for (int n : new int[] {1, 31, 207, 4098}) {
      Shape shape = Shape.of(n);
      list.add(histogram("first " + n, 8192, normal(shape, 1), Histogram.FIRST_EXPONENT));
      list.add(histogram("later " + n, 64, normal(shape, 2), -4));
      list.add(histogram("edges " + n, 256, HostTensor.of(shape, edges(n, 3)), -20));
    }
    Shape seven = Shape.of(7);
    list.add(histogram("zeros", 16, HostTensor.filled(seven, -0f), Histogram.FIRST_EXPONENT));
    list.add(histogram("NaN", 16, HostTensor.filled(seven, Float.NaN), -3));
    list.add(histogram("smaller than the bins", 16, HostTensor.filled(seven, 1e-30f), 5));
    return list;
  }

  private static Example update(
      String name,
      QuantSpec spec,
      float min,
      float max,
      float rangeMin,
      float rangeMax,
      int count) {
    return update(name, new UpdateQParams(spec), min, max, rangeMin, rangeMax, count);
  }

  private static Example update(
      String name,
      UpdateQParams op,
      float min,
      float max,
      float rangeMin,
      float rangeMax,
      int count) {
    return Example.of(
        name + " " + op.spec(),
        op,
        Tensors.vector(min),
        Tensors.vector(max),
        Tensors.vector(rangeMin),
        Tensors.vector(rangeMax),
        Tensors.vector(count),
        Tensors.vector(1f),
        Tensors.vector(0));
  }

  private static List<Example> updateQParams() {
    List<Example> list = new ArrayList<>();
    for (QuantSpec spec : Grids.and(Grids.ACTIVATIONS, Grids.S8_POWER)) {
      list.add(update("first batch is copied", spec, -1.5f, 2.25f, 0, 0, 0));
      list.add(update("later batches are averaged", spec, -1.5f, 2.25f, -1, 3, 1));
      list.add(update("positive range", spec, 0.5f, 2.25f, 0.25f, 3, 9));
      list.add(update("negative range", spec, -2.25f, -0.5f, -3, -0.25f, 9));
      list.add(update("nothing seen but zero", spec, 0, 0, 0, 0, 0));
      list.add(update("denormal", spec, -1e-42f, 1e-42f, 0, 0, 0));
      list.add(update("huge", spec, -3e38f, 3e38f, -3e38f, 3e38f, 2));
      list.add(update("a power of two on the last code", spec, 0, spec.qmax(), 0, 0, 0));
      list.add(update("just above it", spec, 0, Math.nextUp((float) spec.qmax()), 0, 0, 0));
      list.add(update("batch number 2^31 - 1", spec, -1, 1, -2, 2, Integer.MAX_VALUE));
      list.add(
          Example.of(
              "three scales " + spec,
              new UpdateQParams(spec),
              Tensors.vector(-1f, 0f, -3f),
              Tensors.vector(2f, 0.5f, -1f),
              Tensors.vector(-1.5f, 0f, -2f),
              Tensors.vector(1f, 1f, 1f),
              Tensors.vector(3),
              Tensors.vector(1f, 1f, 1f),
              Tensors.vector(0, 0, 0)));
      UpdateQParams extremes = new UpdateQParams(spec, RangeRule.EXTREMES);
      list.add(update("the first extremes are copied", extremes, 1, 2, -5, 5, 0));
      list.add(update("extremes grow at one end", extremes, -1.5f, 2.25f, -1, 3, 1));
      list.add(update("extremes never shrink", extremes, -0.5f, 0.25f, -1, 3, 8));
      for (int i = 0; i < 20; i++) {
        float[] r = ordinary(4, 100 + i);
        list.add(update("random " + i, spec, -Math.abs(r[0]), Math.abs(r[1]), r[2], r[3], i % 3));
      }
    }
    return list;
  }

  private static Example qparams(QuantSpec spec, float min, float max) {
    return Example.of(
        min + " to " + max + " " + spec,
        new RangeToQParams(spec),
        Tensors.vector(min),
        Tensors.vector(max));
  }

  private static List<Example> rangeToQParams() {
    List<Example> list = new ArrayList<>();
    for (QuantSpec spec : Grids.ACTIVATIONS) {
      list.add(qparams(spec, -1.5f, 2.25f));
      list.add(qparams(spec, 0.5f, 2.25f));
      list.add(qparams(spec, -2.25f, -0.5f));
      list.add(qparams(spec, 0, 0));
      list.add(qparams(spec, -1e-42f, 1e-42f));
    }
    return list;
  }

  private static Example addCodes(Shape shape, QuantSpec spec, boolean relu, long seed) {
    int zero = Grids.zeroPoint(spec);
    return Example.of(
        spec + " " + shape + (relu ? " relu" : ""),
        new AddCodes(spec, relu),
        codes(spec, shape, seed),
        Tensors.vector(0.05f),
        Tensors.vector(zero),
        codes(spec, shape, seed + 1),
        Tensors.vector(0.07f),
        Tensors.vector(spec.symmetric() ? 0 : zero - 1),
        Tensors.vector(0.06f),
        Tensors.vector(spec.symmetric() ? 0 : zero + 1));
  }

  private static List<Example> addCodes() {
    Examples examples = new Examples();
    List<Example> list = examples.list();
    for (QuantSpec spec : Grids.ACTIVATIONS) {
      for (boolean relu : new boolean[] {false, true}) {
        for (int n : EdgeValues.SIZES) {
          list.add(addCodes(Shape.of(1, n), spec, relu, 1));
        }
        // Halves: every odd sum is a tie, and the zero-point is inside the rounding.
        int zero = Grids.zeroPoint(spec);
        examples.add(
            "ties " + spec + (relu ? " relu" : ""),
            new AddCodes(spec, relu),
            codes(spec, Shape.of(2, 1021), 5),
            Tensors.vector(0.25f),
            Tensors.vector(zero),
            codes(spec, Shape.of(2, 1021), 6),
            Tensors.vector(0.25f),
            Tensors.vector(zero),
            Tensors.vector(0.5f),
            Tensors.vector(zero));
      }
    }
    list.add(addCodes(Shape.of(3, 16, 41, 43), Grids.U8, true, 7));
    return list;
  }

  private static Example addCodesRange(Shape shape, QuantSpec spec, boolean relu, float upper) {
    List<HostTensor> in = addCodes(shape, spec, relu, 1).inputs().subList(0, 6);
    return new Example(
        spec + " " + shape + (relu ? " relu " + upper : ""), new AddCodesRange(relu, upper), in);
  }

  private static List<Example> addCodesRange() {
    List<Example> list = new ArrayList<>();
    for (QuantSpec spec : List.of(Grids.U8, Grids.U4, Grids.S8_AFFINE)) {
      for (int n : EdgeValues.SIZES) {
        list.add(addCodesRange(Shape.of(1, n), spec, false, Float.POSITIVE_INFINITY));
        list.add(addCodesRange(Shape.of(1, n), spec, true, Float.POSITIVE_INFINITY));
        list.add(addCodesRange(Shape.of(1, n), spec, true, 6));
      }
    }
    list.add(addCodesRange(Shape.of(3, 16, 41, 43), Grids.U8, true, 6));
    return list;
  }
}
