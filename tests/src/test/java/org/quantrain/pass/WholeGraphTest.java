package org.quantrain.pass;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.quantrain.autodiff.TrainingGraph;
import org.quantrain.backend.cpu.CpuBackend;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Model;
import org.quantrain.op.Lowering;
import org.quantrain.plan.MemoryPlanner;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.quant.Target;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.ParameterStore;
import org.quantrain.tensor.HostTensor;
import org.quantrain.testkit.Expected;
import org.quantrain.testkit.Networks;
import org.quantrain.testkit.TrainedStep;
import org.quantrain.zoo.Zoo;

/** Whole quantized training steps that must be the same to the bit, however they are executed. */
class WholeGraphTest {
  private static final int BATCH = 6;
  private static final int STEPS = 3;

  private static Backend oneThread;
  private static Backend twoThreads;

  @BeforeAll
  static void open() {
    oneThread = CpuBackend.open(1);
    twoThreads = CpuBackend.open(2);
  }

  @AfterAll
  static void close() {
    oneThread.close();
    twoThreads.close();
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
            Zoo.build("resnet8", 3, 8, 8, Networks.CLASSES, 4))) {
      for (QuantPolicy policy : List.of(w8a8, w4a4, w8a8.perTensorWeights())) {
        String name =
            model.name() + " " + policy + (policy.perChannelWeights() ? "" : " per tensor");
        all.add(Arguments.of(name, model, Pipelines.quantize(model, policy)));
      }
    }
    return all.stream();
  }

  static Stream<Arguments> perChannel() {
    return quantized().filter(a -> !((String) a.get()[0]).endsWith("per tensor"));
  }

  private interface MakeStep {
    TrainedStep of(TrainingGraph training, ParameterStore store);
  }

  /**
   * What is there after a few TRAIN steps and one TRAIN_FROZEN step on the ranges that they left.
   */
  private static Map<String, HostTensor> run(
      Backend backend, Model model, Model quantized, Lowering lowering, MakeStep make) {
    TrainingGraph train = Pipelines.training(quantized.graph(), Phase.TRAIN, lowering, 0);
    TrainingGraph frozen = Pipelines.training(quantized.graph(), Phase.TRAIN_FROZEN, lowering, 0);
    Map<String, HostTensor> found = new LinkedHashMap<>();
    try (ParameterStore store =
            new ParameterStore(backend, train.graph().persistent(), quantized.contents());
        TrainedStep step = make.of(train, store);
        TrainedStep last = make.of(frozen, store)) {
      for (int i = 0; i < STEPS; i++) {
        step.run(Networks.images(model, BATCH, i), Networks.labels(BATCH));
      }
      step.everything().forEach((name, t) -> found.put("TRAIN " + name, t));
      last.run(Networks.images(model, BATCH, STEPS), Networks.labels(BATCH));
      last.everything().forEach((name, t) -> found.put("TRAIN_FROZEN " + name, t));
    }
    return found;
  }

  private static void assertSame(
      Map<String, HostTensor> expected, Map<String, HostTensor> actual, int atLeast) {
    assertEquals(expected.keySet(), actual.keySet());
    assertTrue(expected.size() >= atLeast, "compared only " + expected.keySet());
    List<String> found = new ArrayList<>();
    expected.forEach((name, t) -> Expected.compareBits(name, t, actual.get(name), found));
    assertTrue(found.isEmpty(), found.size() + " differ\n" + String.join("\n", found));
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("quantized")
  void integerAndSimulatedLoweringHaveTheSameCodesStatisticsAndGradients(
      String name, Model model, Model quantized) {
    Map<String, HostTensor> integer =
        run(
            twoThreads,
            model,
            quantized,
            Lowering.INTEGER,
            (t, s) -> TrainedStep.keepingAll(t, BATCH, s));
    Map<String, HostTensor> simulated =
        run(
            twoThreads,
            model,
            quantized,
            Lowering.SIMULATED,
            (t, s) -> TrainedStep.keepingAll(t, BATCH, s));
    assertSame(integer, simulated, 100);
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("quantized")
  void plannersAndRunsMakeNoDifference(String name, Model model, Model quantized) {
    MakeStep greedy = (t, s) -> TrainedStep.of(t, BATCH, s, MemoryPlanner.greedy());
    MakeStep naive = (t, s) -> TrainedStep.of(t, BATCH, s, MemoryPlanner.naive());
    Map<String, HostTensor> first = run(twoThreads, model, quantized, Lowering.INTEGER, greedy);
    assertSame(first, run(twoThreads, model, quantized, Lowering.INTEGER, greedy), 20);
    assertSame(first, run(twoThreads, model, quantized, Lowering.INTEGER, naive), 20);
  }

  /**
   * With a scale per channel everything before the gradients is integers and elementwise floats,
   * batch statistics included. (Gradients of weights are float products, whose roundings depend on
   * the number of threads; with a scale per tensor so do the statistics.)
   */
  @ParameterizedTest(name = "{0}")
  @MethodSource("perChannel")
  void theForwardPassAndItsStatisticsDoNotDependOnThreads(
      String name, Model model, Model quantized) {
    MakeStep all = (t, s) -> TrainedStep.keepingAll(t, BATCH, s);
    Map<String, HostTensor> two = run(twoThreads, model, quantized, Lowering.INTEGER, all);
    Map<String, HostTensor> one = run(oneThread, model, quantized, Lowering.INTEGER, all);
    Set<String> forward = new HashSet<>();
    for (Phase phase : List.of(Phase.TRAIN, Phase.TRAIN_FROZEN)) {
      Graph graph = Pipelines.evaluation(quantized.graph(), phase, Lowering.INTEGER);
      graph.persistent().forEach(v -> forward.add(phase + " " + v.name()));
      graph.nodes().forEach(n -> n.outputs().forEach(v -> forward.add(phase + " " + v.name())));
    }
    two.keySet().retainAll(forward);
    one.keySet().retainAll(forward);
    assertSame(two, one, 50);
  }
}
