package org.quantrain.pass;

import java.util.HashMap;
import java.util.Map;
import org.quantrain.autodiff.Backprop;
import org.quantrain.autodiff.TrainingGraph;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Model;
import org.quantrain.graph.Node;
import org.quantrain.op.BatchNorm;
import org.quantrain.op.Compute;
import org.quantrain.op.FakeQuant;
import org.quantrain.op.Lowering;
import org.quantrain.pass.LowerToInteger.Mode;
import org.quantrain.quant.Calibrator;
import org.quantrain.quant.LearnedValues;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.quant.QuantizerState;
import org.quantrain.tensor.HostTensor;

/** The named orders of passes: from a model to the graph of each phase. */
public final class Pipelines {
  private Pipelines() {}

  /** A model with quantizers in its graph and their initial state in its contents. */
  public static Model quantize(Model model, QuantPolicy policy) {
    boolean moves = policy.target().movesAnyRank();
    Model plain = AbsorbBias.apply(moves ? ConvolveTransposed.apply(model) : model);
    Graph poolable = PoolEverything.apply(plain.graph());
    Model pooled = new Model(plain.name(), poolable, plain.contents());
    if (policy.target().contract().powersOfTwo()) {
      pooled = ConvolveAverages.apply(pooled);
    }
    Graph early = ActivateEarly.apply(pooled.graph());
    Graph graph = InsertQuantizers.apply(InsertIdentities.apply(early), policy);
    Map<String, HostTensor> contents = new HashMap<>(pooled.contents());
    contents.putAll(InsertIdentities.contents(graph));
    for (Node node : graph.nodes()) {
      if (node.op() instanceof FakeQuant quant && hasState(node)) {
        contents.putAll(QuantizerState.initial(quant.quantizer(), LearnedValues.scales(node)));
      }
    }
    LearnedValues.quantizers(graph).forEach(n -> contents.putAll(LearnedValues.initial(n)));
    return new Model(model.name(), graph, contents);
  }

  /** Scales of weights are recomputed at each step, unless they are learned. */
  private static boolean hasState(Node quantizer) {
    return !quantizer.input(0).isPersistent() || ((FakeQuant) quantizer.op()).rule().isLearned();
  }

  /**
   * The forward graph of a phase, outputs (logits). FLOAT phases take a graph without quantizers,
   * the others one with.
   */
  public static Graph forward(Graph graph, Phase phase, Lowering lowering) {
    return forward(graph, phase, lowering, Compute.F32);
  }

  private static Graph forward(Graph graph, Phase phase, Lowering lowering, Compute compute) {
    return switch (phase) {
      case FLOAT_TRAIN ->
          NarrowProducts.apply(SetBatchNormMode.apply(graph, BatchNorm.Mode.TRAIN), compute);
      case FLOAT_EVAL -> SetBatchNormMode.apply(graph, BatchNorm.Mode.FROZEN);
      case CALIBRATE ->
          SetBatchNormMode.apply(ObserveRanges.calibrating(graph), BatchNorm.Mode.FROZEN);
      case TRAIN_DELAYED ->
          NarrowProducts.apply(
              SetBatchNormMode.apply(ObserveRanges.apply(graph), BatchNorm.Mode.TRAIN), compute);
      case TRAIN ->
          LowerToInteger.apply(
              SetBatchNormMode.apply(graph, BatchNorm.Mode.TRAIN), Mode.TRAIN, lowering, compute);
      case TRAIN_FROZEN ->
          LowerToInteger.apply(
              SetBatchNormMode.apply(graph, BatchNorm.Mode.FROZEN),
              Mode.TRAIN_FROZEN,
              lowering,
              compute);
      case EVAL ->
          LowerToInteger.apply(
              SetBatchNormMode.apply(graph, BatchNorm.Mode.FROZEN), Mode.EVAL, lowering);
    };
  }

  /** The graph that collects what a calibrator needs; it has quantizers, and computes in float. */
  public static Graph calibration(Graph graph, Calibrator calibrator) {
    return SetBatchNormMode.apply(
        ObserveRanges.calibrating(graph, calibrator), BatchNorm.Mode.FROZEN);
  }

  /** The graph that makes scales and zero-points of ranges, see {@link ObserveRanges#found}. */
  public static Graph foundRanges(Graph graph) {
    return ObserveRanges.found(graph);
  }

  /**
   * What a network with quantizers computes without them. A quantizer's value has its quantizer's
   * name.
   */
  public static Graph withoutQuantizers(Graph graph) {
    return SetBatchNormMode.apply(ObserveRanges.nothing(graph), BatchNorm.Mode.FROZEN);
  }

  /** The training graph of a phase: outputs (logits, loss, correct) and gradients in float32. */
  public static TrainingGraph training(
      Graph graph, Phase phase, Lowering lowering, float smoothing) {
    return training(graph, phase, lowering, Compute.F32, smoothing);
  }

  /**
   * The training graph of a phase: outputs (logits, loss, correct) and gradients.
   *
   * @param compute operands of the products in the gradients and in a forward pass in floats
   */
  public static TrainingGraph training(
      Graph graph, Phase phase, Lowering lowering, Compute compute, float smoothing) {
    return RecomputeSums.apply(
        FuseLearnedGradients.apply(
            ComputeLate.apply(differentiated(graph, phase, lowering, compute, smoothing))));
  }

  /**
   * The training graph of a phase in the order of differentiation: the whole forward pass, then the
   * gradients. It gives the same bits, and keeps more of them.
   */
  public static TrainingGraph differentiated(
      Graph graph, Phase phase, Lowering lowering, Compute compute, float smoothing) {
    if (!phase.trains()) {
      throw new IllegalArgumentException(phase + " does not train");
    }
    return EliminateDead.apply(
        Backprop.of(AddLoss.apply(forward(graph, phase, lowering, compute), smoothing)));
  }

  /** The evaluation graph of a phase: outputs (logits, loss, correct). */
  public static Graph evaluation(Graph graph, Phase phase, Lowering lowering) {
    return AddLoss.apply(forward(graph, phase, lowering), 0);
  }
}
