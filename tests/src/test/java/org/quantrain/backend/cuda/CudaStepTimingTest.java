package org.quantrain.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.quantrain.backend.cpu.CpuBackend;
import org.quantrain.bench.RepeatedStep;
import org.quantrain.bench.StepKind;
import org.quantrain.bench.StepTiming;
import org.quantrain.graph.Model;
import org.quantrain.op.Compute;
import org.quantrain.op.Lowering;
import org.quantrain.testkit.Networks;

/** What is timed on a GPU, on the emulator: that it is a training step, and what of it counts. */
class CudaStepTimingTest {
  private static final int BATCH = 4;
  private static final Model NETWORK = Networks.lenetLike();

  static List<StepKind> kinds() {
    return StepKind.all(List.of(Lowering.INTEGER), List.of(Compute.values()));
  }

  @ParameterizedTest
  @MethodSource("kinds")
  void everyKindOfStepIsTimedAndTrains(StepKind kind) {
    try (CudaBackend cuda = EmulatedDevice.unrecorded()) {
      StepTiming timing = StepTiming.measure(cuda, NETWORK, kind, BATCH, 3);
      assertTrue(timing.fastest() > 0, timing.toString());
      assertTrue(timing.fastest() <= timing.median(), timing.toString());
      assertTrue(timing.median() <= timing.slowest(), timing.toString());
      assertTrue(timing.loss() < Math.log(Networks.CLASSES), timing.toString());
      assertTrue(timing.grownBytes().isPresent());
    }
  }

  @Test
  void aStepHasTheLossOfTheCpuAndWaitsForNothing() {
    StepKind kind = kinds().get(0);
    try (CudaBackend cuda = EmulatedDevice.unrecorded();
        CpuBackend cpu = CpuBackend.open(1)) {
      Model network = kind.of(cpu, NETWORK, RepeatedStep.images(NETWORK, BATCH));
      try (RepeatedStep here = new RepeatedStep(cpu, network, kind, BATCH);
          RepeatedStep there = new RepeatedStep(cuda, network, kind, BATCH)) {
        here.run();
        there.run();
        assertEquals(here.loss(), there.loss(), 1e-5);
        Cuda.Counters before = cuda.counters();
        there.run();
        there.run();
        Cuda.Counters after = cuda.counters();
        assertEquals(0, after.allocations() - before.allocations());
        assertEquals(0, after.waits() - before.waits());
      }
    }
  }
}
