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
import org.quantrain.op.LearnedAccBackward;
import org.quantrain.op.LearnedAddBackward;
import org.quantrain.op.LearnedGrid;
import org.quantrain.op.LearnedGridBackward;
import org.quantrain.op.LearnedQParams;
import org.quantrain.op.MseRange;
import org.quantrain.op.ScaleRule;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.Shape;

/** Learned quantizers. */
final class LearnedCases {
  private static final float GRADIENT_SCALE = 0.125f;
  private static final Shape SMALL = Shape.of(4, 3, 2, 5);
  private static final QuantSpec S4_CHANNELS = perChannel(Grids.S4);

  /** A rule on a grid that it serves. */
  private record Kind(ScaleRule rule, QuantSpec spec) {}

  private static final List<Kind> KINDS =
      List.of(
          new Kind(ScaleRule.STEP, Grids.U4),
          new Kind(ScaleRule.STEP, Grids.U8),
          new Kind(ScaleRule.STEP, S4_CHANNELS),
          new Kind(ScaleRule.STEP, perChannel(Grids.S4.withBits(2))),
          new Kind(ScaleRule.STEP_AND_OFFSET, Grids.U4),
          new Kind(ScaleRule.STEP_AND_OFFSET, Grids.S8_AFFINE),
          new Kind(ScaleRule.CLIP, Grids.U4),
          new Kind(ScaleRule.SOFT_CLIP, Grids.U2),
          new Kind(ScaleRule.SOFT_CLIP, Grids.U4),
          new Kind(ScaleRule.SOFT_CLIP, S4_CHANNELS),
          new Kind(ScaleRule.SOFT_RANGE, Grids.U4),
          new Kind(ScaleRule.SOFT_RANGE, Grids.U8));

  private LearnedCases() {}

  static List<OpCase> all() {
    return List.of(
        new OpCase(
            LearnedQParams.class,
            LearnedCases::qparams,
            LearnedCases::qparamsGradients,
            () -> qparams("one", KINDS.get(0), 1, 1)),
        new OpCase(
            LearnedGrid.class,
            () -> KINDS.stream().map(k -> grid(k, SMALL, ordinary(size(SMALL), 1))).toList(),
            () -> KINDS.stream().map(k -> grid(k, SMALL, ordinary(size(SMALL), 1))).toList(),
            () -> grid(KINDS.get(0), LARGE, ordinary(size(LARGE), 1))),
        new OpCase(
            LearnedGridBackward.class,
            LearnedCases::backward,
            List::of,
            () -> backward("large", KINDS.get(0), LARGE, ordinary(size(LARGE), 1))),
        new OpCase(
            LearnedAccBackward.class,
            LearnedCases::accBackward,
            List::of,
            () -> accBackward(FloatCases.LARGE_IMAGES, Grids.U4, true, 6, 2)),
        new OpCase(
            LearnedAddBackward.class,
            LearnedCases::addBackward,
            List::of,
            () -> addBackward(LARGE, Grids.U4, Grids.U8, true, 6, true)),
        new OpCase(
            MseRange.class,
            LearnedCases::mseRange,
            List::of,
            () -> Example.of("large", new MseRange(Grids.U4), normal(LARGE, 1))));
  }

  private static Example qparams(String name, Kind kind, int channels, float sign) {
    List<HostTensor> in = new ArrayList<>();
    switch (kind.rule()) {
      case STEP_AND_OFFSET -> {
        in.add(Tensors.vector(between(channels, 1, sign * 0.1f, sign * 0.2f)));
        in.add(Tensors.vector(between(channels, 2, -1.5f, 0.1f)));
      }
      case SOFT_RANGE -> {
        in.add(Tensors.vector(between(channels, 1, sign * -2, sign * -0.1f)));
        in.add(Tensors.vector(between(channels, 2, sign * 0.1f, sign * 3)));
      }
      default -> in.add(Tensors.vector(between(channels, 1, sign * 0.1f, sign * 2)));
    }
    return new Example(
        name + " " + kind, new LearnedQParams(kind.spec(), kind.rule()), List.copyOf(in));
  }

  private static List<Example> qparams() {
    List<Example> list = new ArrayList<>();
    for (Kind kind : KINDS) {
      for (int channels : EdgeValues.SIZES) {
        list.add(qparams("positive " + channels, kind, channels, 1));
      }
      list.add(qparams("past zero", kind, 33, -1));
      list.add(qparams("nearly nothing", kind, 33, 1e-38f));
      List<HostTensor> edge = new ArrayList<>(qparams("", kind, 207, 1).inputs());
      edge.set(0, Tensors.vector(edges(207, 3)));
      list.add(new Example("edges " + kind, new LearnedQParams(kind.spec(), kind.rule()), edge));
    }
    return list;
  }

  private static List<Example> qparamsGradients() {
    List<Example> list = new ArrayList<>();
    for (Kind kind : KINDS) {
      if (kind.rule() != ScaleRule.CLIP) {
        list.add(qparams("positive", kind, 3, 1));
      }
      if (kind.rule() == ScaleRule.STEP) {
        list.add(qparams("past zero", kind, 3, -1));
      }
    }
    return list;
  }

  /**
   * Scale, zero-point and what follows, so that values of size 1 reach past both ends of the grid.
   */
  private static List<HostTensor> operands(Kind kind, Shape shape) {
    QuantSpec spec = kind.spec();
    int channels = spec.perChannel() ? shape.dim(0) : 1;
    float[] scale = between(channels, 4, 1.5f, 2.5f);
    int[] zero = new int[channels];
    float[] lower = new float[channels];
    float[] upper = new float[channels];
    for (int c = 0; c < channels; c++) {
      scale[c] /= spec.qmax() - spec.qmin();
      boolean atZero =
          kind.rule() == ScaleRule.CLIP || kind.rule() == ScaleRule.SOFT_CLIP || spec.symmetric();
      zero[c] = atZero ? 0 : Grids.zeroPoint(spec);
      lower[c] = Arithmetic.dequantize(spec.qmin(), scale[c], zero[c]);
      upper[c] = Arithmetic.dequantize(spec.qmax(), scale[c], zero[c]);
    }
    List<HostTensor> list = new ArrayList<>(List.of(Tensors.vector(scale), Tensors.vector(zero)));
    if (kind.rule() == ScaleRule.STEP_AND_OFFSET) {
      float[] offset = new float[channels];
      for (int c = 0; c < channels; c++) {
        offset[c] = Arithmetic.dequantize(0, scale[c], zero[c]);
      }
      list.add(Tensors.vector(offset));
    } else if (kind.rule() == ScaleRule.CLIP) {
      list.add(Tensors.vector(upper));
    } else if (kind.rule() == ScaleRule.SOFT_CLIP || kind.rule() == ScaleRule.SOFT_RANGE) {
      list.add(Tensors.vector(lower));
      list.add(Tensors.vector(upper));
      list.add(Tensors.vector(between(channels, 5, 0.1f, 0.4f)));
    }
    return list;
  }

  private static Example grid(Kind kind, Shape shape, float[] x) {
    List<HostTensor> operands = operands(kind, shape);
    float[] scale = operands.get(0).floats();
    int[] zero = operands.get(1).ints();
    int[] codes = new int[x.length];
    for (int i = 0; i < x.length; i++) {
      int c = i / (x.length / scale.length);
      codes[i] =
          Arithmetic.quantize(x[i], scale[c], zero[c], kind.spec().qmin(), kind.spec().qmax());
    }
    List<HostTensor> in = new ArrayList<>();
    in.add(Tensors.codes(kind.spec().container(), shape, codes));
    in.add(HostTensor.of(shape, x));
    in.addAll(operands);
    return new Example(
        kind + " " + shape, new LearnedGrid(kind.spec(), kind.rule(), GRADIENT_SCALE), in);
  }

  private static Example backward(String name, Kind kind, Shape shape, float[] x) {
    List<HostTensor> in = new ArrayList<>();
    in.add(HostTensor.of(shape, x));
    in.add(normal(shape, 2));
    in.addAll(operands(kind, shape));
    return new Example(
        name + " " + kind + " " + shape,
        new LearnedGridBackward(kind.spec(), kind.rule(), GRADIENT_SCALE),
        in);
  }

  private static List<Example> backward() {
    List<Example> list = new ArrayList<>();
    for (Kind kind : KINDS) {
      for (int n : EdgeValues.SIZES) {
        list.add(backward("normal", kind, Shape.of(3, n), ordinary(3 * n, 1)));
        list.add(backward("finite edges", kind, Shape.of(1, n), EdgeValues.finiteEdges(n, 1)));
      }
      Shape blocks = Shape.of(3, 16, 41, 43);
      list.add(backward("several blocks", kind, blocks, ordinary(size(blocks), 3)));
      if (kind.rule() == ScaleRule.STEP || kind.rule() == ScaleRule.STEP_AND_OFFSET) {
        list.add(backward("edges", kind, Shape.of(1, 207), edges(207, 1)));
        float scale = operands(kind, Shape.of(1, 1)).get(0).floats()[0];
        list.add(backward("ties", kind, Shape.of(1, 1202), ties(1202, scale)));
      }
    }
    return list;
  }

  /** Sums whose real values reach past both ends of a grid; as many of bias and keep. */
  private static Example accBackward(
      Shape shape, QuantSpec spec, boolean relu, float upper, int extra) {
    int channels = shape.dim(1);
    List<HostTensor> in = new ArrayList<>();
    in.add(AccumulatorCases.s32(shape, EdgeValues.integers(size(shape), 1000, 1)));
    in.add(Tensors.vector(between(channels, 2, 0.002f, 0.01f)));
    in.add(normal(shape, 3));
    in.addAll(operands(new Kind(ScaleRule.STEP, spec), shape));
    if (extra > 0) {
      in.add(Tensors.vector(EdgeValues.integers(channels, 300, 4)));
    }
    if (extra > 1) {
      int[] keep = EdgeValues.all(channels, 1);
      keep[0] = 0;
      in.add(Tensors.vector(keep));
    }
    return new Example(
        shape + " " + spec + (relu ? " relu " + upper : "") + " " + extra,
        new LearnedAccBackward(spec, GRADIENT_SCALE, relu, upper),
        in);
  }

  private static List<Example> accBackward() {
    List<Example> list = new ArrayList<>();
    for (Shape shape : Grids.ROWS_AND_CHANNELS) {
      list.add(accBackward(shape, Grids.U4, true, Float.POSITIVE_INFINITY, 1));
      list.add(accBackward(shape, Grids.U4, true, 1.5f, 2));
      list.add(accBackward(shape, Grids.U8, false, Float.POSITIVE_INFINITY, 0));
    }
    return list;
  }

  private static Example addBackward(
      Shape shape, QuantSpec spec, QuantSpec codes, boolean relu, float upper, boolean two) {
    List<HostTensor> in = new ArrayList<>();
    in.addAll(tensorOfCodes(shape, codes, 5, 0.02f));
    in.add(normal(shape, 3));
    in.addAll(operands(new Kind(ScaleRule.STEP, spec), shape));
    if (two) {
      in.addAll(tensorOfCodes(shape, codes, 6, 0.013f));
    }
    return new Example(
        shape + " " + spec + " of " + codes + (relu ? " relu " + upper : "") + (two ? " two" : ""),
        new LearnedAddBackward(spec, GRADIENT_SCALE, relu, upper),
        in);
  }

  private static List<HostTensor> tensorOfCodes(
      Shape shape, QuantSpec spec, int seed, float scale) {
    return List.of(
        Tensors.codes(
            spec.container(), shape, EdgeValues.codes(size(shape), spec, seed)),
        Tensors.vector(new float[] {scale}),
        Tensors.vector(new int[] {Grids.zeroPoint(spec)}));
  }

  private static List<Example> addBackward() {
    List<Example> list = new ArrayList<>();
    for (int n : EdgeValues.SIZES) {
      Shape shape = Shape.of(3, n);
      for (QuantSpec codes : List.of(Grids.U8, Grids.S8_AFFINE)) {
        list.add(addBackward(shape, Grids.U4, codes, true, Float.POSITIVE_INFINITY, true));
        list.add(addBackward(shape, Grids.U4, codes, true, 1.5f, true));
        list.add(addBackward(shape, Grids.U8, codes, false, Float.POSITIVE_INFINITY, true));
        list.add(addBackward(shape, Grids.U4, codes, false, Float.POSITIVE_INFINITY, false));
      }
    }
    return list;
  }

  /** Edge values, NaN and infinities among them, whose finite ones have a finite range. */
  private static float[] within(int n, float most) {
    float[] x = edges(n, 3);
    for (int i = 0; i < n; i++) {
      x[i] = Float.isFinite(x[i]) ? Math.max(-most, Math.min(most, x[i])) : x[i];
    }
    return x;
  }

  private static List<Example> mseRange() {
    List<Example> list = new ArrayList<>();
    for (QuantSpec spec : List.of(Grids.U8, Grids.U2, Grids.S4, S4_CHANNELS)) {
      MseRange op = new MseRange(spec);
      for (int n : EdgeValues.SIZES) {
        list.add(Example.of("normal " + spec, op, normal(Shape.of(3, n), 1)));
        list.add(
            Example.of("positive " + spec, op, HostTensor.of(Shape.of(1, n), between(n, 2, 0, 3))));
      }
      list.add(
          Example.of("edges " + spec, op, HostTensor.of(Shape.of(1, 207), within(207, 1e30f))));
      list.add(Example.of("all zero " + spec, op, HostTensor.filled(Shape.of(3, 8), 0)));
      list.add(Example.of("all NaN " + spec, op, HostTensor.filled(Shape.of(3, 8), Float.NaN)));
      list.add(Example.of("parts " + spec, op, normal(Shape.of(3, 9001), 4)));
    }
    return list;
  }
}
