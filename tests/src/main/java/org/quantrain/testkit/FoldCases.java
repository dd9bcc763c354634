package org.quantrain.testkit;

import static org.quantrain.testkit.EdgeValues.between;
import static org.quantrain.testkit.EdgeValues.integers;
import static org.quantrain.testkit.EdgeValues.ordinary;
import static org.quantrain.testkit.FloatCases.LARGE;
import static org.quantrain.testkit.FloatCases.LARGE_IMAGES;
import static org.quantrain.testkit.FloatCases.normal;
import static org.quantrain.testkit.Grids.perChannel;
import static org.quantrain.testkit.Grids.size;

import java.util.ArrayList;
import java.util.List;
import org.quantrain.op.ConvBnCorrect;
import org.quantrain.op.ConvBnCorrectBackward;
import org.quantrain.op.ConvBnFold;
import org.quantrain.op.ConvBnFoldBackward;
import org.quantrain.op.FoldWeight;
import org.quantrain.op.FoldWeightBackward;
import org.quantrain.op.ScaleRule;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.Shape;

/** Batch norm folded into weights. */
final class FoldCases {
  private static final float EPSILON = 1e-5f;
  private static final float LEARNED_GRADIENT_SCALE = 0.25f;

  private static final List<Shape> WEIGHTS =
      List.of(
          Shape.of(1, 1),
          Shape.of(3, 31),
          Shape.of(33, 5),
          Shape.of(5, 1021),
          Shape.of(31, 3, 3, 3),
          Shape.of(7, 33, 3, 3),
          Shape.of(64, 64, 5, 5));

  private static final Shape SMALL_WEIGHTS = Shape.of(4, 3, 2, 2);
  private static final Shape SMALL = Shape.of(3, 4, 2, 5);
  private static final float[] SIGNS = {1, -0.5f, 0.1f, -2};

  private FoldCases() {}

  static List<OpCase> all() {
    return List.of(
        new OpCase(
            FoldWeight.class,
            FoldCases::foldWeightsOfAllRules,
            FoldCases::foldWeightGradientsOfAllRules,
            () ->
                foldWeight(
                    "large",
                    perChannel(Grids.S8),
                    normal(LARGE, 1),
                    false,
                    QuantizeCases.gammas(LARGE.dim(0)),
                    1)),
        new OpCase(
            FoldWeightBackward.class,
            FoldCases::foldWeightBackward,
            List::of,
            () -> foldWeightBackward(perChannel(Grids.S8), LARGE, true)),
        new OpCase(
            ConvBnFold.class,
            () -> WEIGHTS.stream().map(s -> fold(s, QuantizeCases.gammas(s.dim(0)))).toList(),
            () -> List.of(fold(SMALL_WEIGHTS, SIGNS)),
            () -> fold(LARGE, QuantizeCases.gammas(LARGE.dim(0)))),
        new OpCase(
            ConvBnFoldBackward.class,
            () -> WEIGHTS.stream().map(FoldCases::foldBackward).toList(),
            List::of,
            () -> foldBackward(LARGE)),
        new OpCase(
            ConvBnCorrect.class,
            FoldCases::correct,
            () -> List.of(correct("small", SMALL, SIGNS, ordinary(4, 3), 0.01f)),
            () -> correct("large", LARGE_IMAGES, QuantizeCases.gammas(64), ordinary(64, 3), 0.01f)),
        new OpCase(
            ConvBnCorrectBackward.class,
            () -> Grids.ROWS_AND_CHANNELS.stream().map(FoldCases::correctBackward).toList(),
            List::of,
            () -> correctBackward(LARGE_IMAGES)));
  }

  /**
   * @param gamma null for a layer without batch norm
   */
  private static Example foldWeight(
      String name, QuantSpec spec, HostTensor w, boolean bias, float[] gamma, float betaScale) {
    int k = w.shape().dim(0);
    List<HostTensor> in = new ArrayList<>(List.of(w, Tensors.vector(0.03f)));
    if (bias) {
      in.add(Tensors.vector(ordinary(k, 5)));
    }
    if (gamma != null) {
      in.add(Tensors.vector(gamma));
      in.add(Tensors.vector(ordinary(k, 6, betaScale, 0)));
      in.add(Tensors.vector(ordinary(k, 7)));
      in.add(Tensors.vector(between(k, 8, 0.1f, 2)));
    }
    return new Example(
        name
            + " "
            + w.shape()
            + " "
            + spec
            + (bias ? " bias" : "")
            + (gamma != null ? " norm" : ""),
        new FoldWeight(spec, bias, gamma != null, gamma != null ? EPSILON : 0),
        in);
  }

  /** The same layer with learned scales that clamp some weights. */
  private static Example learned(Example plain, ScaleRule rule) {
    FoldWeight op = (FoldWeight) plain.op();
    int k = plain.inputs().get(0).shape().dim(0);
    float[] scale = between(k, 9, 1.5f, 2.5f);
    float[] clip = new float[k];
    float[] lower = new float[k];
    for (int c = 0; c < k; c++) {
      scale[c] /= op.spec().qmax();
      clip[c] = Arithmetic.dequantize(op.spec().qmax(), scale[c], 0);
      lower[c] = Arithmetic.dequantize(op.spec().qmin(), scale[c], 0);
    }
    List<HostTensor> in = new ArrayList<>(plain.inputs());
    in.add(Tensors.vector(scale));
    in.add(Tensors.vector(new int[k]));
    if (rule == ScaleRule.SOFT_CLIP) {
      in.addAll(
          List.of(
              Tensors.vector(lower),
              Tensors.vector(clip),
              Tensors.vector(between(k, 10, 0.1f, 0.4f))));
    }
    return new Example(
        rule + " " + plain.name(),
        new FoldWeight(
            op.spec(), op.hasBias(), op.hasBatchNorm(), op.epsilon(), rule, LEARNED_GRADIENT_SCALE),
        in);
  }

  private static List<Example> learned(List<Example> examples, ScaleRule rule) {
    return examples.stream()
        .filter(e -> ((FoldWeight) e.op()).spec().perChannel())
        .map(e -> learned(e, rule))
        .toList();
  }

  private static List<Example> foldWeightsOfAllRules() {
    List<Example> list = new ArrayList<>(foldWeight());
    list.addAll(learned(foldWeight(), ScaleRule.STEP));
    return list;
  }

  private static List<Example> foldWeightGradientsOfAllRules() {
    List<Example> list = new ArrayList<>(foldWeightGradients());
    list.addAll(learned(foldWeightGradients(), ScaleRule.STEP));
    list.addAll(learned(foldWeightGradients(), ScaleRule.SOFT_CLIP));
    return list;
  }

  private static List<Example> foldWeight() {
    List<Example> list = new ArrayList<>();
    List<QuantSpec> grids = new ArrayList<>(List.of(Grids.S8_POWER));
    Grids.WEIGHTS.forEach(tensor -> grids.addAll(List.of(tensor, perChannel(tensor))));
    for (QuantSpec spec : grids) {
      for (Shape shape : WEIGHTS) {
        float[] gammas = QuantizeCases.gammas(shape.dim(0));
        HostTensor w = normal(shape, 1);
        list.add(foldWeight("plain", spec, w, false, null, 1));
        list.add(foldWeight("plain", spec, w, true, null, 1));
        list.add(foldWeight("folded", spec, w, false, gammas, 1));
      }
      float[] gammas = QuantizeCases.gammas(15);
      HostTensor w = normal(Shape.of(15, 27), 2);
      list.add(foldWeight("beta 1e6", spec, w, false, gammas, 1e6f));
      list.add(foldWeight("beta 1e12", spec, w, false, gammas, 1e12f));
      list.add(foldWeight("beta 0", spec, w, false, gammas, 0));
      HostTensor zero = HostTensor.filled(Shape.of(15, 27), 0);
      list.add(foldWeight("zero weights", spec, zero, false, gammas, 1));
      HostTensor tiny = HostTensor.of(Shape.of(15, 27), ordinary(15 * 27, 3, 1e-38f, 0));
      list.add(foldWeight("tiny weights", spec, tiny, false, gammas, 1));
      list.add(foldWeight("tiny weights", spec, tiny, true, null, 1));
    }
    return list;
  }

  private static List<Example> foldWeightGradients() {
    List<Example> list = new ArrayList<>();
    HostTensor w = normal(SMALL_WEIGHTS, 1);
    for (QuantSpec spec : List.of(Grids.S8, perChannel(Grids.S8))) {
      list.add(foldWeight("plain", spec, w, false, null, 1));
      list.add(foldWeight("plain", spec, w, true, null, 1));
      list.add(foldWeight("folded", spec, w, false, SIGNS, 1));
    }
    return list;
  }

  private static Example foldWeightBackward(QuantSpec spec, Shape shape, boolean norm) {
    int k = shape.dim(0);
    List<HostTensor> in =
        new ArrayList<>(
            List.of(normal(shape, 1), normal(shape, 2), Tensors.vector(ordinary(k, 3))));
    if (norm) {
      in.add(Tensors.vector(QuantizeCases.gammas(k)));
      in.add(Tensors.vector(ordinary(k, 7)));
      in.add(Tensors.vector(between(k, 8, 0.1f, 2)));
    }
    return new Example(
        shape + " " + spec + (norm ? " norm" : ""),
        new FoldWeightBackward(spec, norm, norm ? EPSILON : 0),
        in);
  }

  private static Example learnedBackward(Example plain) {
    FoldWeightBackward op = (FoldWeightBackward) plain.op();
    int k = plain.inputs().get(0).shape().dim(0);
    List<HostTensor> in = new ArrayList<>(plain.inputs());
    in.add(Tensors.vector(between(k, 9, 0.01f, 0.5f)));
    return new Example(
        plain.name() + " learned",
        new FoldWeightBackward(op.spec(), op.hasBatchNorm(), op.epsilon(), true),
        in);
  }

  private static List<Example> foldWeightBackward() {
    List<Example> list = new ArrayList<>();
    for (QuantSpec tensor : Grids.WEIGHTS) {
      for (QuantSpec spec : List.of(tensor, perChannel(tensor))) {
        for (Shape shape : WEIGHTS) {
          list.add(foldWeightBackward(spec, shape, false));
          list.add(foldWeightBackward(spec, shape, true));
          if (spec.perChannel()) {
            list.add(learnedBackward(foldWeightBackward(spec, shape, true)));
          }
        }
      }
    }
    return list;
  }

  private static Example fold(Shape shape, float[] gamma) {
    return Example.of(
        shape.toString(),
        new ConvBnFold(EPSILON),
        normal(shape, 1),
        Tensors.vector(gamma),
        Tensors.vector(between(gamma.length, 2, 0.1f, 2)));
  }

  private static Example foldBackward(Shape shape) {
    int k = shape.dim(0);
    return Example.of(
        shape.toString(),
        new ConvBnFoldBackward(EPSILON),
        normal(shape, 1),
        normal(shape, 2),
        Tensors.vector(QuantizeCases.gammas(k)),
        Tensors.vector(between(k, 3, 0.1f, 2)));
  }

  private static Example correct(
      String name, Shape shape, float[] gamma, float[] beta, float wScale) {
    int c = gamma.length;
    return Example.of(
        name + " " + shape,
        new ConvBnCorrect(EPSILON),
        AccumulatorCases.tensor(shape, 20000, 1),
        Tensors.vector(ordinary(c, 2)),
        Tensors.vector(between(c, 4, 0.1f, 2)),
        Tensors.vector(between(c, 5, 0.1f, 2)),
        Tensors.vector(gamma),
        Tensors.vector(beta),
        Tensors.vector(0.03f),
        Tensors.vector(wScale));
  }

  private static List<Example> correct() {
    List<Example> list = new ArrayList<>();
    for (Shape shape : Grids.ROWS_AND_CHANNELS) {
      int c = shape.dim(1);
      float[] gammas = QuantizeCases.gammas(c);
      list.add(correct("plain", shape, gammas, ordinary(c, 3), 0.01f));
      list.add(correct("bias past 2^30", shape, gammas, ordinary(c, 3), 1e-15f));
      list.add(correct("scale underflows", shape, gammas, ordinary(c, 3), Float.MIN_NORMAL));
    }
    return list;
  }

  private static Example correctBackward(Shape shape) {
    int c = shape.dim(1);
    return Example.of(
        shape.toString(),
        new ConvBnCorrectBackward(EPSILON),
        normal(shape, 1),
        AccumulatorCases.s32(shape, integers(size(shape), 20000, 2)),
        Tensors.vector(ordinary(c, 3)),
        Tensors.vector(between(c, 4, 0.1f, 2)),
        Tensors.vector(between(c, 5, 0.1f, 2)),
        Tensors.vector(QuantizeCases.gammas(c)),
        Tensors.vector(0.03f),
        Tensors.vector(0.01f));
  }
}
