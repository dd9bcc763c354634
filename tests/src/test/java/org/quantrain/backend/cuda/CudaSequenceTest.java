package org.quantrain.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.quantrain.backend.cpu.CpuBackend;
import org.quantrain.graph.Value;
import org.quantrain.runtime.Arena;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.Feed;
import org.quantrain.runtime.Fetch;
import org.quantrain.runtime.GradientMean;
import org.quantrain.runtime.Kernel;
import org.quantrain.runtime.Memory;
import org.quantrain.runtime.ParameterStore;
import org.quantrain.runtime.Sgd;
import org.quantrain.runtime.StepScalars;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/** What is recorded as a CUDA graph does what its kernels do one by one. */
class CudaSequenceTest {
  private static final int SIZE = 70;
  private static final int STEPS = 5;
  private static final Value PARAM = new Value("w", TensorSpec.f32(SIZE), Value.Role.PARAM);

  /** Steps of two parts each with gradients from the host and a rate that changes. */
  private static List<float[]> steps(Backend backend) {
    List<float[]> found = new ArrayList<>();
    try (ParameterStore store =
            new ParameterStore(
                backend, List.of(PARAM), Map.of("w", HostTensor.filled(Shape.of(SIZE), 1)));
        Sgd sgd = new Sgd(store, new Sgd.Options(0.9f, 0.1f, true));
        GradientMean mean = new GradientMean(store, 2);
        Feed gradient = store.memory(Arena.GRADS).feed(store.offset(PARAM), 4 * SIZE);
        Fetch weights = store.memory(Arena.PARAMS).fetch(store.offset(PARAM), 4 * SIZE);
        Kernel first = backend.sequence(List.of(mean.after(0)));
        Kernel last = backend.sequence(List.of(mean.after(1), sgd.kernel()))) {
      for (int step = 0; step < STEPS; step++) {
        store.scalars().set(StepScalars.Slot.LEARNING_RATE, 0.1f * (step + 1));
        for (int part = 0; part < 2; part++) {
          FloatBuffer buffer = gradient.next().asFloatBuffer();
          for (int i = 0; i < SIZE; i++) {
            buffer.put(i * (part + 1) - 3 * step);
          }
          gradient.push();
          (part == 0 ? first : last).run();
        }
        weights.pull();
        if (step > 0) {
          found.add(taken(weights));
        }
      }
      found.add(taken(weights));
    }
    return found;
  }

  private static float[] taken(Fetch weights) {
    float[] values = new float[SIZE];
    weights.take().asFloatBuffer().get(values);
    return values;
  }

  private static IntStream orders() {
    return EmulatedDevice.orders();
  }

  @ParameterizedTest
  @MethodSource("orders")
  void replayedStepsAreThoseOfTheCpuInEveryOrderOfStreams(int order) {
    List<float[]> expected;
    try (Backend cpu = CpuBackend.open(1)) {
      expected = ofTheCpu(cpu);
    }
    try (Backend cuda = EmulatedDevice.recording(order)) {
      List<float[]> actual = steps(cuda);
      assertEquals(STEPS, actual.size());
      for (int i = 0; i < STEPS; i++) {
        assertArrayEquals(expected.get(i), actual.get(i), "step " + i);
      }
    }
  }

  /** Where a fetch is the memory itself, it is read at once. */
  private static List<float[]> ofTheCpu(Backend cpu) {
    List<float[]> found = new ArrayList<>();
    try (ParameterStore store =
            new ParameterStore(
                cpu, List.of(PARAM), Map.of("w", HostTensor.filled(Shape.of(SIZE), 1)));
        Sgd sgd = new Sgd(store, new Sgd.Options(0.9f, 0.1f, true));
        GradientMean mean = new GradientMean(store, 2)) {
      FloatBuffer gradient =
          store.memory(Arena.GRADS).host(store.offset(PARAM), 4 * SIZE).buffer().asFloatBuffer();
      for (int step = 0; step < STEPS; step++) {
        store.scalars().set(StepScalars.Slot.LEARNING_RATE, 0.1f * (step + 1));
        for (int part = 0; part < 2; part++) {
          for (int i = 0; i < SIZE; i++) {
            gradient.put(i, i * (part + 1) - 3 * step);
          }
          mean.after(part).run();
        }
        sgd.step();
        found.add(store.get("w").floats());
      }
    }
    return found;
  }

  /** A plan runs in the sequences of several parts of a step, each of which is recorded. */
  @Test
  void aSequenceInOthersIsNotRecordedByItself() {
    try (CudaBackend cuda = EmulatedDevice.recording();
        Memory memory = cuda.allocate(64)) {
      Kernel inner = cuda.sequence(List.of(memory.zeroing(0, 32), memory.zeroing(32, 32)));
      Kernel first = cuda.sequence(List.of(inner, memory.zeroing(0, 64)));
      Kernel last = cuda.sequence(List.of(inner, memory.zeroing(0, 16)));
      try (inner;
          first;
          last) {
        long before = cuda.counters().launches();
        first.run();
        last.run();
        assertEquals(3 + 3, cuda.counters().launches() - before);
        first.run();
        last.run();
        before = cuda.counters().launches();
        first.run();
        last.run();
        assertEquals(2, cuda.counters().launches() - before);
      }
    }
  }

  @Test
  void aStepIsOneLaunchThatNeitherAllocatesNorWaits() {
    try (CudaBackend cuda = EmulatedDevice.recording();
        ParameterStore store =
            new ParameterStore(
                cuda, List.of(PARAM), Map.of("w", HostTensor.filled(Shape.of(SIZE), 1)));
        Sgd sgd = new Sgd(store, new Sgd.Options(0.9f, 0, false));
        GradientMean mean = new GradientMean(store, 2);
        Kernel step = cuda.sequence(List.of(mean.after(0), mean.after(1), sgd.kernel()))) {
      step.run();
      step.run();
      Cuda.Counters before = cuda.counters();
      for (int i = 0; i < 10; i++) {
        step.run();
      }
      Cuda.Counters after = cuda.counters();
      assertEquals(10, after.launches() - before.launches());
      assertEquals(0, after.allocations() - before.allocations());
      assertEquals(0, after.waits() - before.waits());
    }
  }
}
