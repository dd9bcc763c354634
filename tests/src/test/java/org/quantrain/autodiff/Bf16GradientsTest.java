package org.quantrain.autodiff;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.quantrain.backend.cpu.CpuBackend;
import org.quantrain.graph.Model;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.op.Compute;
import org.quantrain.op.LearnedGrid;
import org.quantrain.op.Lowering;
import org.quantrain.pass.Phase;
import org.quantrain.pass.Pipelines;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.quant.Quantizer;
import org.quantrain.quant.Target;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.ParameterStore;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;
import org.quantrain.testkit.Calibrated;
import org.quantrain.testkit.Expected;
import org.quantrain.testkit.Networks;
import org.quantrain.testkit.TrainedStep;
import org.quantrain.zoo.Zoo;

/** Training steps whose products take bf16, beside the same step in float32. */
class Bf16GradientsTest {
  private static final int BATCH = 8;

  /**
   * A bf16 operand is off by 2^-9 of its value at most; errors of terms of both signs average out,
   * those of one layer reach the layers in front of it.
   */
  private static final double BOUND = 0x1p-6;

  /** Where the forward pass is rounded too, some ReLUs and maxima fall otherwise. */
  private static final double FLOAT_BOUND = 0x1p-2;

  private static Backend backend;

  @BeforeAll
  static void open() {
    backend = CpuBackend.open(2);
  }

  @AfterAll
  static void close() {
    backend.close();
  }

  static Stream<Arguments> quantized() {
    QuantPolicy w8a8 = QuantPolicy.forTarget(Target.ORT);
    List<Arguments> all = new ArrayList<>();
    for (Model model :
        List.of(
            Networks.lenetLike(),
            Networks.resnetLike(),
            Networks.mobileLike(),
            Networks.denseLike(),
            transformer())) {
      for (QuantPolicy policy :
          List.of(
              w8a8,
              w8a8.perTensorWeights(),
              w8a8.weights(4).activations(4).quantizer(Quantizer.LSQ))) {
        for (Phase phase : List.of(Phase.TRAIN, Phase.TRAIN_FROZEN)) {
          String weights = policy.perChannelWeights() ? "" : " per tensor";
          all.add(
              Arguments.of(
                  model.name() + " " + policy + weights + " " + phase, model, policy, phase));
        }
      }
    }
    return all.stream();
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("quantized")
  void aQuantizedStepHasTheSameForwardPassAndNearlyTheSameGradients(
      String name, Model model, QuantPolicy policy, Phase phase) {
    Model network = Pipelines.quantize(model, policy);
    Map<String, HostTensor> contents =
        Calibrated.contents(network, backend, Networks.images(model, BATCH, 10));
    Map<String, HostTensor> wide = step(network, model, contents, phase, Compute.F32);
    Map<String, HostTensor> narrow = step(network, model, contents, phase, Compute.BF16);
    // Of a weight per tensor the convolution that gives batch statistics is in float32 in both.
    List<String> found = new ArrayList<>();
    Set<String> forward = forward(network, phase);
    // Real values that the gradients of learned scales compute as they go are nowhere.
    forward.retainAll(wide.keySet());
    assertTrue(forward.stream().anyMatch(v -> v.endsWith(".codes")), forward.toString());
    for (String value : forward) {
      Expected.compareBits(value, wide.get(value), narrow.get(value), found);
    }
    assertTrue(found.isEmpty(), String.join("\n", found));
    assertNear(wide, narrow, network.graph().params(), BOUND);
    assertTrue(
        narrow.values().stream().anyMatch(t -> t.spec().dtype() == DType.BF16),
        "nothing is in bf16");
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("floatNetworks")
  void aFloatStepHasNearlyTheSameLossAndGradients(String name, Model model) {
    Map<String, HostTensor> wide =
        step(model, model, model.contents(), Phase.FLOAT_TRAIN, Compute.F32);
    Map<String, HostTensor> narrow =
        step(model, model, model.contents(), Phase.FLOAT_TRAIN, Compute.BF16);
    assertEquals(wide.get("loss").floats()[0], narrow.get("loss").floats()[0], BOUND);
    assertNear(wide, narrow, model.graph().params(), FLOAT_BOUND);
  }

  static Stream<Arguments> floatNetworks() {
    return Stream.of(
            Networks.lenetLike(), Networks.resnetLike(), Networks.mobileLike(), transformer())
        .map(m -> Arguments.of(m.name(), m));
  }

  /** Products of two activations, also of stretched ones. */
  private static Model transformer() {
    return Zoo.build("vit-tiny?patch=4&dim=16&depth=1&heads=2", 1, 8, 8, Networks.CLASSES, 1);
  }

  private static Map<String, HostTensor> step(
      Model network, Model model, Map<String, HostTensor> contents, Phase phase, Compute compute) {
    TrainingGraph training =
        Pipelines.training(network.graph(), phase, Lowering.INTEGER, compute, 0.1f);
    try (ParameterStore store =
            new ParameterStore(backend, training.graph().persistent(), contents);
        TrainedStep step = TrainedStep.keepingAll(training, BATCH, store)) {
      step.run(Networks.images(model, BATCH, 1), Networks.labels(BATCH));
      Map<String, HostTensor> all = new LinkedHashMap<>(step.everything());
      all.put("loss", step.read(step.lossValue()));
      return all;
    }
  }

  private static Set<String> forward(Model network, Phase phase) {
    // Learned grids are their codes, which are there themselves.
    return Pipelines.forward(network.graph(), phase, Lowering.INTEGER).nodes().stream()
        .filter(n -> !(n.op() instanceof LearnedGrid))
        .map(Node::outputs)
        .flatMap(List::stream)
        .filter(v -> v.spec().dtype() != DType.MASK)
        .map(Value::name)
        .collect(Collectors.toSet());
  }

  /** Each parameter's gradient, the distance relative to its length. */
  private static void assertNear(
      Map<String, HostTensor> wide,
      Map<String, HostTensor> narrow,
      List<Value> params,
      double bound) {
    double largest = 0;
    for (Value param : params) {
      largest = Math.max(largest, length(wide.get("gradient of " + param.name()).floats(), null));
    }
    for (Value param : params) {
      if (param.name().endsWith(".attention.key.bias")) {
        // It moves all scores of a query alike, which softmax does not see: nothing but noise.
        continue;
      }
      float[] a = wide.get("gradient of " + param.name()).floats();
      float[] b = narrow.get("gradient of " + param.name()).floats();
      // A bias in front of batch norm has none but rounding noise.
      double distance = length(a, b) / Math.max(length(a, null), 1e-3 * largest);
      assertTrue(distance <= bound, param + " is off by " + distance);
    }
  }

  private static double length(float[] a, float[] minus) {
    double sum = 0;
    for (int i = 0; i < a.length; i++) {
      double d = a[i] - (minus == null ? 0 : minus[i]);
      sum += d * d;
    }
    return Math.sqrt(sum);
  }
}
