package org.quantrain.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.quantrain.autodiff.TrainingGraph;
import org.quantrain.backend.cpu.CpuBackend;
import org.quantrain.graph.Model;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.op.Conv2d;
import org.quantrain.op.Linear;
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
import org.quantrain.tensor.Shape;
import org.quantrain.testkit.Expected;
import org.quantrain.testkit.Networks;
import org.quantrain.testkit.TrainedStep;
import org.quantrain.zoo.Zoo;

/** Whole training steps through the CUDA kernels, emulated, beside the CPU's. */
class CudaStepTest {
  private static final int BATCH = 3;

  /**
   * Gradients are sums of up to 2,352 floats in another order, layer behind layer; those whose terms
   * cancel are compared with the rounding of terms up to 1.
   */
  private static final double RELATIVE = 2e-4;

  private static final double CANCELLED = 1e-7;

  /** Multiplications of an image, but for lenet's. */
  private static final long LARGEST = 1_000_000;

  private static CpuBackend cpu;
  private static CudaBackend cuda;

  @BeforeAll
  static void open() {
    cpu = CpuBackend.open(2);
    cuda = EmulatedDevice.unrecorded();
  }

  @AfterAll
  static void close() {
    cuda.close();
    cpu.close();
  }

  static Stream<Arguments> networks() {
    QuantPolicy w8a8 = QuantPolicy.forTarget(Target.ORT);
    List<Arguments> all = new ArrayList<>();
    for (Model model :
        List.of(
            Networks.lenetLike(),
            Networks.resnetLike(),
            Networks.mobileLike(),
            Networks.denseLike(),
            Zoo.build("lenet", 1, 28, 28, 10, 1),
            Zoo.build("resnet8", 3, 8, 8, 10, 1),
            Zoo.build("resnet20", 3, 4, 4, 10, 1),
            Zoo.build("mobilenetv1?width=0.25", 3, 8, 8, 10, 1),
            Zoo.build("mobilenetv2?width=0.25", 3, 8, 8, 10, 1),
            Zoo.build("vit-tiny?patch=4&dim=16&depth=2&heads=2", 3, 8, 8, 10, 1))) {
      boolean small = multiplications(model) <= LARGEST || model.name().equals("lenet");
      assertTrue(small, () -> model.name() + " multiplies " + multiplications(model));
      all.add(Arguments.of(model.name() + " W8A8", model, w8a8));
      all.add(
          Arguments.of(
              model.name() + " W4A4 lsq",
              model,
              w8a8.weights(4).activations(4).quantizer(Quantizer.LSQ)));
    }
    return all.stream();
  }

  /** Of convolutions and linear layers. */
  private static long multiplications(Model model) {
    long count = 0;
    for (Node node : model.graph().nodes()) {
      if (node.op() instanceof Conv2d || node.op() instanceof Linear) {
        Shape w = node.input(1).spec().shape();
        Shape y = node.output(0).spec().withBatch(1).shape();
        count += y.elements() * (w.elements() / w.dim(0));
      }
    }
    return count;
  }

  private static Map<String, HostTensor> step(
      Backend backend, TrainingGraph training, Model model, Map<String, HostTensor> contents) {
    try (ParameterStore store =
            new ParameterStore(backend, training.graph().persistent(), contents);
        TrainedStep step = TrainedStep.keepingAll(training, BATCH, store)) {
      step.run(Networks.images(model, BATCH, 7), labels());
      return step.everything();
    }
  }

  private static int[] labels() {
    return new int[] {0, 1, 2};
  }

  /** Sums of floats, whose order is each backend's own, and what follows from them. */
  private static Set<String> sums(TrainingGraph training) {
    Set<String> found = new TreeSet<>();
    int loss = training.graph().nodes().indexOf(lossNode(training));
    for (Node node : training.graph().nodes().subList(loss, training.graph().nodes().size())) {
      node.outputs().forEach(v -> found.add(v.name()));
    }
    return found;
  }

  private static Node lossNode(TrainingGraph training) {
    Value loss = training.graph().outputs().get(1);
    return training.graph().nodes().stream()
        .filter(n -> n.outputs().contains(loss))
        .findFirst()
        .orElseThrow();
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("networks")
  void aStepHasTheCodesOfTheCpuAndItsGradients(String name, Model model, QuantPolicy policy) {
    Model quantized = Pipelines.quantize(model, policy);
    Map<String, HostTensor> contents = new LinkedHashMap<>(quantized.contents());
    TrainingGraph training =
        Pipelines.training(quantized.graph(), Phase.TRAIN, Lowering.INTEGER, 0);
    Map<String, HostTensor> expected = step(cpu, training, model, contents);
    Map<String, HostTensor> actual = step(cuda, training, model, contents);

    assertEquals(expected.keySet(), actual.keySet());
    Set<String> sums = sums(training);
    List<String> differing = new ArrayList<>();
    int compared = 0;
    for (String value : expected.keySet()) {
      HostTensor here = expected.get(value);
      boolean gradient = value.startsWith("gradient of ") || sums.contains(value);
      if (!gradient && here.spec().dtype() != DType.F32) {
        compared++;
        Expected.compareBits(value, here, actual.get(value), differing);
      } else if (here.spec().dtype() == DType.F32) {
        requireClose(value, here.floats(), actual.get(value).floats(), differing);
      }
    }
    assertTrue(compared > 10, "compared only " + compared);
    assertTrue(differing.isEmpty(), differing.size() + ":\n" + String.join("\n", differing));
  }

  private static void requireClose(
      String value, float[] expected, float[] actual, List<String> found) {
    double largest = 0;
    double distance = 0;
    for (int i = 0; i < expected.length; i++) {
      largest = Math.max(largest, Math.abs(expected[i]));
      distance = Math.max(distance, Math.abs((double) expected[i] - actual[i]));
    }
    if (!(distance <= RELATIVE * largest + CANCELLED)) {
      found.add(value + ": " + distance + " of " + largest);
    }
  }
}
