package org.quantrain.autodiff;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.quantrain.backend.cpu.CpuBackend;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Model;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.op.BatchNorm;
import org.quantrain.op.Compute;
import org.quantrain.op.LearnedGrid;
import org.quantrain.op.LearnedGridBackward;
import org.quantrain.op.Lowering;
import org.quantrain.op.ScaleRule;
import org.quantrain.pass.Phase;
import org.quantrain.pass.Pipelines;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.quant.Quantizer;
import org.quantrain.quant.Target;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.ParameterStore;
import org.quantrain.tensor.HostTensor;
import org.quantrain.testkit.Calibrated;
import org.quantrain.testkit.Networks;
import org.quantrain.testkit.Surrogate;
import org.quantrain.testkit.TrainedStep;
import org.quantrain.zoo.Zoo;

/**
 * Gradients of whole training steps, float and quantized, against differences of what the step
 * computes in real numbers.
 */
class TrainingGradientTest {
  private static final int BATCH = 4;

  private static Backend backend;

  @BeforeAll
  static void open() {
    backend = CpuBackend.open(2);
  }

  @AfterAll
  static void close() {
    backend.close();
  }

  private static List<Model> models() {
    return List.of(
        Networks.lenetLike(),
        Networks.resnetLike(),
        Networks.mobileLike(),
        Networks.denseLike(),
        Networks.subsampledShortcut());
  }

  private static Model resnet8() {
    return Zoo.build("resnet8", 1, 8, 8, Networks.CLASSES, 7);
  }

  private static final QuantPolicy W8A8 = QuantPolicy.forTarget(Target.ORT);

  static Stream<Arguments> floatModels() {
    return Stream.concat(models().stream(), Stream.of(resnet8()))
        .map(m -> Arguments.of(m.name(), m));
  }

  static Stream<Arguments> quantizedModels() {
    List<QuantPolicy> policies =
        List.of(
            W8A8,
            W8A8.weights(4).activations(4),
            W8A8.perTensorWeights(),
            W8A8.perTensorWeights().weights(4).activations(4));
    List<Arguments> all = new ArrayList<>();
    for (Model model : models()) {
      for (QuantPolicy policy : policies) {
        for (Phase phase : List.of(Phase.TRAIN, Phase.TRAIN_FROZEN)) {
          all.add(quantized(model, policy, phase));
        }
      }
    }
    all.add(quantized(Networks.decoderLike(), policies.get(1), Phase.TRAIN));
    all.add(quantized(Networks.decoderLike(), policies.get(1), Phase.TRAIN_FROZEN));
    // The whole network of the zoo, once for each road.
    all.add(quantized(resnet8(), policies.get(1), Phase.TRAIN));
    all.add(quantized(resnet8(), policies.get(1), Phase.TRAIN_FROZEN));
    all.add(quantized(resnet8(), policies.get(2), Phase.TRAIN));
    for (Quantizer quantizer : Quantizer.values()) {
      if (quantizer != Quantizer.EMA) {
        QuantPolicy learned = W8A8.weights(4).activations(4).quantizer(quantizer);
        for (Phase phase : List.of(Phase.TRAIN, Phase.TRAIN_FROZEN)) {
          models().forEach(m -> all.add(quantized(m, learned, phase)));
        }
      }
    }
    return all.stream();
  }

  private static Arguments quantized(Model model, QuantPolicy policy, Phase phase) {
    String weights = policy.perChannelWeights() ? "per channel" : "per tensor";
    return Arguments.of(
        model.name() + " " + policy + " " + weights + " " + phase, model, policy, phase);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("floatModels")
  void aFloatStepsGradientIsTheDerivativeOfItsLoss(String name, Model model) {
    TrainingGraph training =
        Pipelines.training(model.graph(), Phase.FLOAT_TRAIN, Lowering.INTEGER, 0.1f);
    try (ParameterStore store =
            new ParameterStore(backend, training.graph().persistent(), model.contents());
        TrainedStep step = TrainedStep.keepingAll(training, BATCH, store)) {
      step.run(Networks.images(model, BATCH, 1), Networks.labels(BATCH));
      check(name, training, step, deadBiases(model.graph()));
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("quantizedModels")
  void aQuantizedStepsGradientIsTheDerivativeOfItsSurrogate(
      String name, Model model, QuantPolicy policy, Phase phase) {
    Model quantized = Pipelines.quantize(model, policy);
    TrainingGraph train =
        Pipelines.training(quantized.graph(), Phase.TRAIN, Lowering.INTEGER, 0.1f);
    // The surrogate walks the forward pass; LessMemoryTest compares the order that is trained in.
    TrainingGraph training =
        Pipelines.differentiated(quantized.graph(), phase, Lowering.INTEGER, Compute.F32, 0.1f);
    Set<Value> persistent = new HashSet<>(train.graph().persistent());
    persistent.addAll(training.graph().persistent());
    Map<String, HostTensor> contents =
        Calibrated.contents(quantized, backend, Networks.images(model, BATCH, 10));
    try (ParameterStore store = new ParameterStore(backend, persistent, contents);
        TrainedStep before = TrainedStep.keepingAll(train, BATCH, store);
        TrainedStep step = TrainedStep.keepingAll(training, BATCH, store)) {
      // Another batch first, so that neither ranges nor running statistics are those of this one.
      for (int i = 0; i < 5; i++) {
        before.run(Networks.images(model, BATCH, 10 + i), Networks.labels(BATCH));
      }
      step.run(Networks.images(model, BATCH, 1), Networks.labels(BATCH));
      check(name, training, step, Set.of());
    }
  }

  /** Biases that batch norm takes off again: their gradient is rounding noise around 0. */
  private static Set<String> deadBiases(Graph graph) {
    Set<String> names = new HashSet<>();
    graph.nodes().stream()
        .filter(n -> n.inputs().size() == 3)
        .filter(
            n -> graph.consumers(n.output(0)).stream().allMatch(c -> c.op() instanceof BatchNorm))
        .forEach(n -> names.add(n.input(2).name()));
    return names;
  }

  private static void check(
      String name, TrainingGraph training, TrainedStep step, Set<String> dead) {
    Map<Value, double[]> leaves = step.leaves();
    Map<Value, double[]> gradients = new HashMap<>(step.gradients());
    assertEquals(Set.copyOf(training.graph().params()), gradients.keySet());
    gradients.keySet().removeIf(v -> dead.contains(v.name()));
    Surrogate surrogate = new Surrogate(step.forward(), step::read, leaves);
    double loss = surrogate.evaluate(leaves).get(step.lossValue())[0];
    assertEquals(step.loss(), loss, 1e-5 * Math.abs(loss), name + ": loss at the base point");
    List<String> found = new ArrayList<>();
    boolean stairs =
        step.forward().stream()
            .anyMatch(n -> n.op() instanceof LearnedGrid g && g.rule() == ScaleRule.SOFT_CLIP);
    new FiniteDifferences(
            leaves,
            gradients,
            stairs,
            addedBy(training, step),
            point -> surrogate.evaluate(point).get(step.lossValue())[0])
        .check(name, found);
    assertTrue(found.isEmpty(), found.size() + " differ\n" + String.join("\n", found));
  }

  /** For the ends and softness of every soft staircase, the magnitudes of its gradient's terms. */
  private static Map<Value, double[]> addedBy(TrainingGraph training, TrainedStep step) {
    Map<String, double[]> terms = new HashMap<>();
    for (Node node : training.graph().nodes()) {
      if (node.op() instanceof LearnedGridBackward grid
          && grid.rule().learned().contains("softness")) {
        float[] dy = step.read(node.input(1)).floats();
        double[] added = new double[step.read(node.output(3)).floats().length];
        for (int i = 0; i < dy.length; i++) {
          added[i / (dy.length / added.length)] += Math.abs(dy[i]);
        }
        String quantizer = node.input(6).name().replace("softness", "");
        grid.rule().learned().forEach(name -> terms.put(quantizer + name, added));
      }
    }
    Map<Value, double[]> all = new HashMap<>();
    for (Value param : training.graph().params()) {
      if (terms.containsKey(param.name())) {
        all.put(param, terms.get(param.name()));
      }
    }
    assertEquals(terms.size(), all.size(), () -> "parameters of the staircases " + terms.keySet());
    return all;
  }
}
