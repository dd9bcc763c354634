package org.quantrain.pass;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;
import org.quantrain.autodiff.TrainingGraph;
import org.quantrain.backend.cpu.CpuBackend;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Model;
import org.quantrain.graph.Value;
import org.quantrain.op.Lowering;
import org.quantrain.plan.Plan;
import org.quantrain.plan.PlanCompiler;
import org.quantrain.plan.PlanOptions;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.quant.Target;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.ParameterStore;
import org.quantrain.runtime.StepScalars;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;
import org.quantrain.testkit.Expected;
import org.quantrain.testkit.Networks;
import org.quantrain.testkit.Oracle;
import org.quantrain.testkit.Tensors;
import org.quantrain.testkit.TrainedStep;

/**
 * Batch norm where other systems got it wrong: biases before it, gammas of nothing, the step at
 * which it freezes.
 */
class BatchNormNumericsTest {
  private static final int BATCH = 6;
  private static final float BN_MOMENTUM = 0.1f;

  private static Backend backend;

  @BeforeAll
  static void open() {
    backend = CpuBackend.open(2);
  }

  @AfterAll
  static void close() {
    backend.close();
  }

  private static QuantPolicy policy(boolean perChannel) {
    QuantPolicy policy = QuantPolicy.forTarget(Target.ORT);
    return perChannel ? policy : policy.perTensorWeights();
  }

  private static Model with(Model model, Map<String, HostTensor> contents) {
    Map<String, HostTensor> all = new HashMap<>(model.contents());
    all.putAll(contents);
    return model.withContents(all);
  }

  private static ParameterStore store(Model model, TrainingGraph... graphs) {
    Set<Value> persistent = new HashSet<>();
    for (TrainingGraph g : graphs) {
      persistent.addAll(g.graph().persistent());
    }
    return new ParameterStore(backend, persistent, model.contents());
  }

  private static HostTensor logits(Plan plan, Model model, long seed) {
    plan.input(plan.graph().inputs().get(0)).put(0, Networks.images(model, BATCH, seed).bytes());
    plan.run();
    return plan.read(plan.graph().outputs().get(0));
  }

  private static void assertNear(HostTensor expected, HostTensor actual, double relative) {
    double[] a = Tensors.logical(expected);
    double[] b = Tensors.logical(actual);
    double largest = 0;
    for (double x : a) {
      largest = Math.max(largest, Math.abs(x));
    }
    assertArrayEquals(a, b, relative * largest);
  }

  // ---- a bias before batch norm

  @ParameterizedTest
  @ValueSource(strings = {"FLOAT_TRAIN", "FLOAT_EVAL"})
  void aNetworkWithAbsorbedBiasesComputesWhatItDidWithThem(Phase phase) {
    Model biased = Networks.oneLayer(8, true);
    biased =
        with(
            biased,
            Map.of(
                "bn1.mean", Tensors.vector(0.3f, -0.2f, 1, 0, 2, -1, 0.5f, 0.1f),
                "bn1.var", Tensors.vector(2, 0.5f, 1, 1.5f, 3, 0.25f, 1, 2)));
    Model absorbed = AbsorbBias.apply(biased);
    assertTrue(absorbed.graph().value("conv1.bias").isEmpty());
    Graph a = Pipelines.forward(biased.graph(), phase, Lowering.INTEGER);
    Graph b = Pipelines.forward(absorbed.graph(), phase, Lowering.INTEGER);
    try (ParameterStore with = new ParameterStore(backend, a.persistent(), biased.contents());
        ParameterStore without = new ParameterStore(backend, b.persistent(), absorbed.contents());
        Plan biasedPlan = PlanCompiler.compile(a, BATCH, backend, with, PlanOptions.defaults());
        Plan absorbedPlan =
            PlanCompiler.compile(b, BATCH, backend, without, PlanOptions.defaults())) {
      for (int i = 0; i < 3; i++) {
        // Float sums of other numbers: a few units in the last place of what is added up.
        assertNear(logits(biasedPlan, biased, i), logits(absorbedPlan, biased, i), 1e-5);
      }
      float[] mean = with.get("bn1.mean").floats();
      float[] shifted = without.get("bn1.mean").floats();
      float[] bias = biased.contents().get("conv1.bias").floats();
      for (int c = 0; c < mean.length; c++) {
        assertEquals(mean[c] - bias[c], shifted[c], 1e-5, "running mean of channel " + c);
      }
    }
  }

  // ---- gamma of nothing

  /** A network whose gammas are zero, nearly zero and negative, beta not zero. */
  private static Model degenerate() {
    float[] gamma = {0f, -0f, 1e-30f, -1e-30f, Float.MIN_VALUE, -0.8f, 0.9f, -1e-12f};
    float[] beta = {0.7f, -0.6f, 0.5f, 0.4f, 0.3f, 0.2f, -0.1f, 0.8f};
    return with(
        Networks.oneLayer(8, false),
        Map.of("bn1.gamma", Tensors.vector(gamma), "bn1.beta", Tensors.vector(beta)));
  }

  private static void assertFinite(Map<String, HostTensor> values) {
    values.forEach(
        (name, t) -> {
          if (t.spec().dtype() == DType.F32) {
            for (float x : t.floats()) {
              assertTrue(Float.isFinite(x), name + " holds " + x);
            }
          }
        });
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void gammasOfNothingStayFiniteAndTheirChannelsAreBeta(boolean perChannel) {
    Model model = degenerate();
    Model quantized = Pipelines.quantize(model, policy(perChannel));
    TrainingGraph train = Pipelines.training(quantized.graph(), Phase.TRAIN, Lowering.INTEGER, 0);
    TrainingGraph frozen =
        Pipelines.training(quantized.graph(), Phase.TRAIN_FROZEN, Lowering.INTEGER, 0);
    try (ParameterStore store = store(quantized, train, frozen);
        TrainedStep step = TrainedStep.keepingAll(train, BATCH, store);
        TrainedStep last = TrainedStep.keepingAll(frozen, BATCH, store)) {
      for (int i = 0; i < 4; i++) {
        step.run(Networks.images(model, BATCH, i), Networks.labels(BATCH));
        assertFinite(step.everything());
      }
      last.run(Networks.images(model, BATCH, 9), Networks.labels(BATCH));
      assertFinite(last.everything());
      float scale = store.get("relu1.scale").floats()[0];
      int zero = store.get("relu1.zero_point").ints()[0];
      float[] gamma = model.contents().get("bn1.gamma").floats();
      float[] beta = model.contents().get("bn1.beta").floats();
      for (TrainedStep s : List.of(step, last)) {
        int[] codes = s.everything().get("relu1.codes").codes();
        for (int i = 0; i < codes.length; i++) {
          int c = i % gamma.length;
          if (Math.abs(gamma[c]) < 1e-9) {
            float real = (codes[i] - zero) * scale;
            // Half a step of the grid, and half a unit of the bias, which is far below it.
            assertEquals(Math.max(beta[c], 0), real, 0.51 * scale, "gamma " + gamma[c]);
          }
        }
      }
    }
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void evaluatedCodesOfDegenerateGammasAreThoseOfPlainIntegerArithmetic(boolean perChannel) {
    assertCodesAreThoseOfTheOracle(degenerate(), policy(perChannel));
  }

  @ParameterizedTest
  @ValueSource(strings = {"lenet", "resnet", "mobile"})
  void evaluatedCodesAreThoseOfPlainIntegerArithmetic(String name) {
    Model model =
        switch (name) {
          case "lenet" -> Networks.lenetLike();
          case "resnet" -> Networks.resnetLike();
          default -> Networks.mobileLike();
        };
    assertCodesAreThoseOfTheOracle(model, policy(true));
    assertCodesAreThoseOfTheOracle(model, policy(true).weights(4).activations(4));
    assertCodesAreThoseOfTheOracle(model, policy(false));
  }

  /**
   * EVAL and TRAIN_FROZEN on the backend, and EVAL in plain Java, after some steps of training
   * statistics.
   */
  private static void assertCodesAreThoseOfTheOracle(Model model, QuantPolicy policy) {
    Model quantized = Pipelines.quantize(model, policy);
    TrainingGraph train = Pipelines.training(quantized.graph(), Phase.TRAIN, Lowering.INTEGER, 0);
    TrainingGraph frozen =
        Pipelines.training(quantized.graph(), Phase.TRAIN_FROZEN, Lowering.INTEGER, 0);
    Graph forward = Pipelines.forward(quantized.graph(), Phase.EVAL, Lowering.INTEGER);
    List<Value> all = new ArrayList<>();
    forward.nodes().forEach(n -> all.addAll(n.outputs()));
    try (ParameterStore store = store(quantized, train, frozen);
        TrainedStep step = TrainedStep.keepingAll(train, BATCH, store);
        TrainedStep last = TrainedStep.keepingAll(frozen, BATCH, store);
        Plan plan =
            PlanCompiler.compile(
                forward, BATCH, backend, store, PlanOptions.defaults().keep(all))) {
      for (int i = 0; i < 4; i++) {
        step.run(Networks.images(model, BATCH, i), Networks.labels(BATCH));
      }
      HostTensor images = Networks.images(model, BATCH, 9);
      last.run(images, Networks.labels(BATCH));
      logits(plan, model, 9);

      Map<String, HostTensor> given = new HashMap<>(store.snapshot());
      given.put("input", images);
      Map<Value, HostTensor> plain = Oracle.run(forward, given, 0);
      Map<String, HostTensor> byName = new HashMap<>();
      plain.forEach((v, t) -> byName.put(v.name(), t));
      Map<String, HostTensor> trained = last.everything();
      List<String> found = new ArrayList<>();
      for (Value v : all) {
        Expected.compareBits("EVAL " + v.name(), byName.get(v.name()), plan.read(v), found);
        Expected.compareBits(
            "TRAIN_FROZEN " + v.name(), byName.get(v.name()), trained.get(v.name()), found);
      }
      assertTrue(found.isEmpty(), String.join("\n", found));
    }
  }

  // ---- the step at which statistics freeze

  /**
   * The running statistics are made those of the batch, but for the unbiased variance: over n rows
   * the gain then changes by 1 / (2 n), so that a value of at most 255 codes moves by 255 / (2 *
   * 384) = 0.33 codes, and rounding makes it one code at most. Folding batch norm twice would scale
   * every channel by gamma / sigma again.
   */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void theStepThatFreezesStatisticsContinuesWhereTrainingWas(boolean perChannel) {
    Model model = Networks.oneLayer(8, false);
    Model quantized = Pipelines.quantize(model, policy(perChannel));
    TrainingGraph train = Pipelines.training(quantized.graph(), Phase.TRAIN, Lowering.INTEGER, 0);
    TrainingGraph frozen =
        Pipelines.training(quantized.graph(), Phase.TRAIN_FROZEN, Lowering.INTEGER, 0);
    HostTensor images = Networks.images(model, BATCH, 1);
    try (ParameterStore store = store(quantized, train, frozen);
        TrainedStep step = TrainedStep.keepingAll(train, BATCH, store);
        TrainedStep last = TrainedStep.keepingAll(frozen, BATCH, store)) {
      store.scalars().set(StepScalars.Slot.OBSERVER_MOMENTUM, 1);
      for (int i = 0; i < 3; i++) {
        Map<String, HostTensor> before = store.snapshot();
        step.run(images, Networks.labels(BATCH));
        for (String name : List.of("bn1.mean", "bn1.var")) {
          store.set(name, batchStatistic(before.get(name), store.get(name)));
        }
      }
      step.run(images, Networks.labels(BATCH));
      int[] trained = step.everything().get("relu1.codes").codes();
      float loss = step.loss();
      Map<String, HostTensor> before = store.snapshot();
      last.run(images, Networks.labels(BATCH));
      assertSameContents(before, store.snapshot());
      int[] frozenCodes = last.everything().get("relu1.codes").codes();
      int moved = 0;
      for (int i = 0; i < trained.length; i++) {
        assertTrue(
            Math.abs(trained[i] - frozenCodes[i]) <= 1,
            "code " + i + " was " + trained[i] + ", became " + frozenCodes[i]);
        moved += trained[i] == frozenCodes[i] ? 0 : 1;
      }
      assertTrue(moved < trained.length / 4, moved + " of " + trained.length + " moved");
      assertEquals(loss, last.loss(), 0.01 * loss);
    }
  }

  /** What a running statistic moved towards. */
  private static HostTensor batchStatistic(HostTensor before, HostTensor after) {
    float[] from = before.floats();
    float[] to = after.floats();
    for (int c = 0; c < to.length; c++) {
      to[c] = from[c] + (to[c] - from[c]) / BN_MOMENTUM;
    }
    return Tensors.vector(to);
  }

  private static void assertSameContents(
      Map<String, HostTensor> before, Map<String, HostTensor> after) {
    List<String> found = new ArrayList<>();
    before.forEach((name, t) -> Expected.compareBits(name, t, after.get(name), found));
    assertTrue(found.isEmpty(), "a frozen step changed " + String.join("\n", found));
  }

  @Test
  void runningStatisticsMoveByTheMomentumAndKeepTheUnbiasedVariance() {
    Model model = Networks.oneLayer(8, false);
    for (boolean perChannel : new boolean[] {true, false}) {
      Model quantized = Pipelines.quantize(model, policy(perChannel));
      TrainingGraph train = Pipelines.training(quantized.graph(), Phase.TRAIN, Lowering.INTEGER, 0);
      try (ParameterStore store = store(quantized, train);
          TrainedStep step = TrainedStep.keepingAll(train, BATCH, store)) {
        step.run(Networks.images(model, BATCH, 1), Networks.labels(BATCH));
        Map<String, HostTensor> values = step.everything();
        double[] mean = new double[8];
        double[] square = new double[8];
        double rows = BATCH * 64;
        int[] acc = values.get("conv1.acc").ints();
        float[] w = perChannel ? values.get("conv1.weight.codes:1").floats() : new float[] {1};
        float unit = perChannel ? store.get("input.scale").floats()[0] : 1;
        float[] plain = perChannel ? null : values.get("conv1").floats();
        double[] y = new double[8 * (int) rows];
        for (int i = 0; i < y.length; i++) {
          // Per channel from the accumulator (of sign(gamma) w), per tensor from the float
          // convolution.
          y[i] = perChannel ? (double) acc[i] * unit * w[i % 8] * sign(model, i % 8) : plain[i];
          mean[i % 8] += y[i] / rows;
        }
        for (int i = 0; i < y.length; i++) {
          square[i % 8] += (y[i] - mean[i % 8]) * (y[i] - mean[i % 8]) / (rows - 1);
        }
        for (int c = 0; c < 8; c++) {
          float m = BN_MOMENTUM;
          assertEquals(m * mean[c], store.get("bn1.mean").floats()[c], 1e-6);
          assertEquals(1 + m * (square[c] - 1), store.get("bn1.var").floats()[c], 1e-6);
        }
      }
    }
  }

  private static double sign(Model model, int channel) {
    return model.contents().get("bn1.gamma").floats()[channel] < 0 ? -1 : 1;
  }
}
