package org.quantrain.pass;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import org.quantrain.autodiff.TrainingGraph;
import org.quantrain.backend.cpu.CpuBackend;
import org.quantrain.graph.Model;
import org.quantrain.op.Compute;
import org.quantrain.op.Lowering;
import org.quantrain.plan.MemoryPlanner;
import org.quantrain.plan.Plan;
import org.quantrain.plan.PlanCompiler;
import org.quantrain.plan.PlanOptions;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.quant.Quantizer;
import org.quantrain.quant.Target;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.ParameterStore;
import org.quantrain.tensor.HostTensor;
import org.quantrain.testkit.Expected;
import org.quantrain.testkit.Networks;
import org.quantrain.testkit.TrainedStep;
import org.quantrain.zoo.Zoo;

/** What a training step computes late or again: the same bits, in less memory. */
class LessMemoryTest {
  private static final int BATCH = 6;

  private static Backend backend;

  @BeforeAll
  static void open() {
    backend = CpuBackend.open(2);
  }

  @AfterAll
  static void close() {
    backend.close();
  }

  private static TrainingGraph asDifferentiated(Model model, Phase phase, Lowering lowering) {
    return Pipelines.differentiated(model.graph(), phase, lowering, Compute.F32, 0.1f);
  }

  static Stream<Arguments> quantized() {
    QuantPolicy w8a8 = QuantPolicy.forTarget(Target.ORT);
    QuantPolicy w4a4 = w8a8.weights(4).activations(4);
    List<Arguments> all = new ArrayList<>();
    for (Model model :
        List.of(
            Networks.lenetLike(),
            Networks.mobileLike(),
            Networks.resnetLike(),
            Networks.denseLike(),
            Networks.subsampledShortcut(),
            Zoo.build("vit-tiny?patch=4&dim=16&depth=1&heads=2", 1, 8, 8, 5, 1))) {
      for (QuantPolicy policy :
          List.of(
              w8a8,
              w8a8.perTensorWeights(),
              w4a4.quantizer(Quantizer.LSQ),
              w4a4.quantizer(Quantizer.LSQ_PLUS),
              w4a4.quantizer(Quantizer.PACT),
              w4a4.quantizer(Quantizer.DSQ))) {
        if (policy.quantizer() == Quantizer.DSQ && model.name().startsWith("vit")) {
          // Its ranges would have to be calibrated before a scale follows from them.
          continue;
        }
        for (Phase phase : List.of(Phase.TRAIN, Phase.TRAIN_FROZEN)) {
          String weights = policy.perChannelWeights() ? " " : " per tensor ";
          all.add(
              Arguments.of(
                  model.name() + " " + policy + weights + phase,
                  model,
                  Pipelines.quantize(model, policy),
                  phase));
        }
      }
    }
    return all.stream();
  }

  /** Loss, state, parameters and gradients after two steps. */
  private static Map<String, HostTensor> steps(TrainingGraph training, Model model, Model network) {
    try (ParameterStore store =
            new ParameterStore(backend, training.graph().persistent(), network.contents());
        TrainedStep step = TrainedStep.of(training, BATCH, store, MemoryPlanner.greedy())) {
      for (int i = 0; i < 2; i++) {
        step.run(Networks.images(model, BATCH, i), Networks.labels(BATCH));
      }
      return step.everything();
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("quantized")
  void lossStateAndGradientsAreTheSameBits(String name, Model model, Model network, Phase phase) {
    for (Lowering lowering : List.of(Lowering.INTEGER, Lowering.SIMULATED)) {
      Map<String, HostTensor> expected =
          steps(asDifferentiated(network, phase, lowering), model, network);
      TrainingGraph training = Pipelines.training(network.graph(), phase, lowering, 0.1f);
      Map<String, HostTensor> actual = steps(training, model, network);
      assertEquals(expected.keySet(), actual.keySet());
      List<String> found = new ArrayList<>();
      expected.forEach((value, t) -> Expected.compareBits(value, t, actual.get(value), found));
      assertTrue(found.isEmpty(), found.size() + " differ\n" + String.join("\n", found));
    }
  }

  /** The logits are real values that the loss reads. */
  @ParameterizedTest
  @ValueSource(strings = {"resnet20", "mobilenetv2?width=0.5"})
  void gradientsOfLearnedStepsReadIntegers(String net) {
    QuantPolicy lsq =
        QuantPolicy.forTarget(Target.ORT).weights(4).activations(4).quantizer(Quantizer.LSQ);
    Model model = Pipelines.quantize(Zoo.build(net, 3, 32, 32, 10, 1), lsq);
    TrainingGraph training =
        Pipelines.training(model.graph(), Phase.TRAIN, Lowering.INTEGER, 0.1f);
    Map<String, Long> kinds =
        training.graph().nodes().stream()
            .collect(Collectors.groupingBy(n -> n.op().kind(), Collectors.counting()));
    assertEquals(1, kinds.get("DequantizeAcc"));
    assertEquals(null, kinds.get("Relu"));
    assertEquals(null, kinds.get("ReluBackward"));
  }

  private static long bytes(TrainingGraph training, Model model) {
    try (ParameterStore store =
            new ParameterStore(backend, training.graph().persistent(), model.contents());
        Plan plan =
            PlanCompiler.compile(training, 64, backend, store, PlanOptions.defaults())) {
      return plan.memory().acts();
    }
  }

  @Test
  void aStepTakesAFractionOfTheMemory() {
    QuantPolicy w8a8 = QuantPolicy.forTarget(Target.ORT);
    QuantPolicy lsq = w8a8.weights(4).activations(4).quantizer(Quantizer.LSQ);
    for (String net : List.of("resnet20", "mobilenetv2?width=0.5")) {
      for (QuantPolicy policy : List.of(w8a8, lsq)) {
        Model model = Pipelines.quantize(Zoo.build(net, 3, 32, 32, 10, 1), policy);
        long before =
            bytes(asDifferentiated(model, Phase.TRAIN, Lowering.INTEGER), model);
        long after =
            bytes(Pipelines.training(model.graph(), Phase.TRAIN, Lowering.INTEGER, 0.1f), model);
        double most = policy == lsq ? 0.35 : 0.6;
        assertTrue(after <= most * before, net + " " + policy + ": " + after + " of " + before);
      }
    }
  }
}
