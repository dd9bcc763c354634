package org.quantrain.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.quantrain.backend.cpu.CpuBackend;
import org.quantrain.bench.StepComparison;
import org.quantrain.bench.StepKind;
import org.quantrain.graph.Model;
import org.quantrain.op.Compute;
import org.quantrain.op.Lowering;
import org.quantrain.pass.Pipelines;
import org.quantrain.testkit.Networks;
import org.quantrain.zoo.Zoo;

/** Whole training steps through the CUDA kernels, emulated, beside the CPU's. */
class CudaStepTest {
  private static final int BATCH = 3;

  /** Gradients are sums of up to 2,352 floats in another order, layer behind layer. */
  private static final double RELATIVE = 2e-4;

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
      boolean small = Networks.multiplications(model) <= LARGEST || model.name().equals("lenet");
      assertTrue(small, () -> model.name() + " multiplies " + Networks.multiplications(model));
      for (StepKind kind : StepKind.all(List.of(Lowering.INTEGER), List.of(Compute.F32))) {
        if (kind.bits() > 0) {
          all.add(Arguments.of(model.name() + " " + kind, model, kind));
        }
      }
    }
    return all.stream();
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("networks")
  void aStepHasTheCodesOfTheCpuAndItsGradients(String name, Model model, StepKind kind) {
    Model quantized = Pipelines.quantize(model, kind.policy());
    StepComparison step = StepComparison.of(cpu, cuda, quantized, kind, BATCH);
    assertTrue(step.compared() > 100, "compared only " + step.compared());
    assertEquals(0, step.differing(), () -> String.join("\n", step.differences()));
    List<StepComparison.Distance> far =
        step.distances().stream().filter(d -> !(d.relative() <= RELATIVE)).toList();
    assertTrue(far.isEmpty(), far::toString);
  }
}
