package org.quantrain.op;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.ShapeException;
import org.quantrain.graph.Value;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.TensorSpec;

/**
 * The deployed weights of a convolution or linear layer, batch norm's running statistics folded in:
 * what EVAL and TRAIN_FROZEN run and export writes. Inputs w [K,...], x scale [1], then a bias [K]
 * if {@code hasBias}, or gamma, beta, mean, variance [K] if {@code hasBatchNorm} (not both), then
 * for a learned rule what {@link LearnedGrid} has after its x. Outputs codes, w scale [K], out
 * scale [K] = x scale * w scale, bias [K] int32.
 */
public record FoldWeight(
    QuantSpec spec,
    boolean hasBias,
    boolean hasBatchNorm,
    float epsilon,
    ScaleRule rule,
    float gradientScale)
    implements Op {
  /** With scales from the largest magnitudes. */
  public FoldWeight(QuantSpec spec, boolean hasBias, boolean hasBatchNorm, float epsilon) {
    this(spec, hasBias, hasBatchNorm, epsilon, ScaleRule.OBSERVED, 1);
  }

  public FoldWeight {
    if (rule.isLearned() && !spec.perChannel()) {
      throw new ShapeException("learned weight scales are per channel");
    }
    if (spec.powerOfTwo() && spec.perChannel()) {
      throw new ShapeException("folded scales are powers of two per tensor only");
    }
    if (hasBatchNorm && !(epsilon > 0)) {
      throw new ShapeException("epsilon: expected more than 0, got " + epsilon);
    }
    if (hasBias && hasBatchNorm) {
      throw new ShapeException(
          "a bias before batch norm moves nothing but the mean; fold it there first");
    }
  }

  @Override
  public List<TensorSpec> infer(List<TensorSpec> in) {
    int learned = learnedInput();
    int count = learned + (rule.isLearned() ? 2 + rule.operands() : 0);
    Expect.count(in, count, count);
    int k = in.get(0).shape().dim(0);
    Expect.vectors(in, 1, 2, DType.F32, 1);
    Expect.vectors(in, 2, learned, DType.F32, k);
    if (rule.isLearned()) {
      LearnedGrid.expectOperands(spec, in.get(0), in, learned);
    }
    return List.of(in.get(0).as(DType.S8), TensorSpec.f32(k), TensorSpec.f32(k), TensorSpec.s32(k));
  }

  /** Index of gamma among the inputs; beta, mean and variance follow. */
  public static final int GAMMA = 2;

  /** Index of the learned scale; zero-point and learned values follow. */
  public int learnedInput() {
    return 2 + (hasBias ? 1 : 0) + (hasBatchNorm ? 4 : 0);
  }

  @Override
  public List<Value> vjp(GraphBuilder b, Node node, List<Value> outputGrads) {
    List<Value> in =
        new ArrayList<>(List.of(node.input(0), outputGrads.get(0), outputGrads.get(3)));
    if (hasBatchNorm) {
      in.add(node.input(GAMMA));
      in.add(node.input(GAMMA + 2));
      in.add(node.input(GAMMA + 3));
    }
    if (rule.isLearned()) {
      in.add(node.input(learnedInput()));
    }
    Node grad =
        b.node(
            node.name() + ".dw",
            new FoldWeightBackward(spec, hasBatchNorm, epsilon, rule.isLearned()),
            in);
    List<Value> grads = new ArrayList<>(Arrays.asList(grad.output(0), null));
    if (hasBias) {
      grads.add(grad.output(1));
    }
    if (hasBatchNorm) {
      grads.addAll(Arrays.asList(grad.output(2), grad.output(3), null, null));
    }
    if (rule.isLearned()) {
      // So far the gradient of the weights on their grid, before batch norm.
      List<Value> learned = node.inputs().subList(learnedInput(), node.inputs().size());
      List<Value> grid = new ArrayList<>(List.of(node.input(0), grad.output(0)));
      grid.addAll(learned);
      LearnedGridBackward op = new LearnedGridBackward(spec, rule, gradientScale);
      Node backward = b.node(node.name() + ".dgrid", op, grid);
      grads.set(0, backward.output(0));
      grads.addAll(op.operandGradients(backward));
    }
    return grads;
  }
}
