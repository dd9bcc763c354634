package org.quantrain.plan;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.sun.management.ThreadMXBean;
import java.lang.management.ManagementFactory;
import java.lang.management.ThreadInfo;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.bytedeco.javacpp.Pointer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.quantrain.autodiff.TrainingGraph;
import org.quantrain.backend.cpu.CpuBackend;
import org.quantrain.graph.Model;
import org.quantrain.op.Lowering;
import org.quantrain.pass.Phase;
import org.quantrain.pass.Pipelines;
import org.quantrain.pass.SynchronizeStatistics;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.quant.Quantizer;
import org.quantrain.quant.Target;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.Meeting;
import org.quantrain.runtime.ParameterStore;
import org.quantrain.runtime.Sgd;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.testkit.Calibrated;
import org.quantrain.testkit.EdgeValues;
import org.quantrain.zoo.Zoo;

/** What the JVM counts while steps run: forward, backward, update, reading the loss. */
class StepCountersTest {
  private static final int BATCH = 2;
  private static final int ROUNDS = 5;
  private static final int STEPS = 20;
  private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  private static final Pattern SEVERAL_CALLS = Pattern.compile("in (\\d+) native calls$");

  private static Backend backend;

  @TempDir private Path folder;

  @BeforeAll
  static void open() {
    backend = CpuBackend.open();
  }

  @AfterAll
  static void close() {
    backend.close();
  }

  private static Model resnet20() {
    return Zoo.build("resnet20", 3, 16, 16, 10, 1);
  }

  private static QuantPolicy policy(int bits) {
    return QuantPolicy.forTarget(Target.ORT).weights(bits).activations(bits);
  }

  @Test
  void aFloatStepLeavesTheJvmAlone() {
    requireNothingCounted(resnet20(), Phase.FLOAT_TRAIN, Lowering.INTEGER);
  }

  @Test
  void aQuantizedStepOnCodesLeavesTheJvmAlone() {
    requireNothingCounted(calibrated(resnet20(), policy(8)), Phase.TRAIN, Lowering.INTEGER);
  }

  @Test
  void aQuantizedStepOnFloatsLeavesTheJvmAlone() {
    requireNothingCounted(calibrated(resnet20(), policy(8)), Phase.TRAIN, Lowering.SIMULATED);
  }

  @Test
  void aFrozenStepLeavesTheJvmAlone() {
    requireNothingCounted(calibrated(resnet20(), policy(8)), Phase.TRAIN_FROZEN, Lowering.INTEGER);
  }

  @Test
  void aStepWithLearnedScalesLeavesTheJvmAlone() {
    Model model = calibrated(resnet20(), policy(4).quantizer(Quantizer.LSQ));
    requireNothingCounted(model, Phase.TRAIN, Lowering.INTEGER);
  }

  @Test
  void stepsOfOtherNetworksLeaveTheJvmAlone() {
    for (String name : new String[] {"mobilenetv2?width=0.25", "vit-tiny?dim=32&depth=1&heads=2"}) {
      Model model = Zoo.build(name, 3, 16, 16, 10, 1);
      requireNothingCounted(calibrated(model, policy(8)), Phase.TRAIN, Lowering.INTEGER);
    }
  }

  /** Batch norm's reductions wait in native code; those of gradients only when they are needed. */
  @Test
  void aStepOfTwoProcessesLeavesTheJvmAloneAndWaitsForEachReductionOnceAtMost() throws Exception {
    assumeTrue(CpuBackend.whyAlone().isEmpty());
    ExecutorService threads = Executors.newFixedThreadPool(2);
    CyclicBarrier together = new CyclicBarrier(2);
    List<Future<?>> both = new ArrayList<>();
    for (int rank = 0; rank < 2; rank++) {
      Meeting meeting = new Meeting(folder, rank, 2);
      both.add(
          threads.submit(
              () -> {
                try (Backend mine = CpuBackend.open(1)) {
                  mine.meet(meeting);
                  requireNothingCounted(mine, together);
                }
                return null;
              }));
    }
    for (Future<?> one : both) {
      one.get();
    }
    threads.shutdown();
  }

  private static void requireNothingCounted(Backend mine, CyclicBarrier together)
      throws Exception {
    Model model = Zoo.build("resnet8", 3, 16, 16, 10, 1);
    TrainingGraph training =
        SynchronizeStatistics.apply(
            Pipelines.training(model.graph(), Phase.FLOAT_TRAIN, Lowering.INTEGER, 0), 2, true);
    PlanOptions options = PlanOptions.defaults().meanGradients(1 << 14);
    try (ParameterStore store =
            new ParameterStore(mine, training.graph().persistent(), model.contents());
        Plan plan = PlanCompiler.compile(training, BATCH, mine, store, options);
        Sgd sgd = new Sgd(store, new Sgd.Options(0.9f, 1e-4f, false))) {
      plan.input(plan.graph().inputs().get(0)).put(0, images(model).bytes());
      long reductions =
          plan.explain().lines().filter(line -> line.contains("mean over 2 processes")).count();
      assertTrue(reductions > 3, plan.explain());
      steps(plan, sgd);
      long[] beside =
          Thread.getAllStackTraces().keySet().stream()
              .filter(thread -> thread.getName().equals("quantrain-communication"))
              .mapToLong(Thread::getId)
              .toArray();
      assertTrue(beside.length > 0);
      together.await(60, TimeUnit.SECONDS);
      long pointers = Pointer.totalCount();
      together.await(60, TimeUnit.SECONDS);
      ThreadInfo before = THREADS.getThreadInfo(Thread.currentThread().getId());
      long least = Long.MAX_VALUE;
      long leastBeside = Long.MAX_VALUE;
      for (int round = 0; round < ROUNDS; round++) {
        long startBeside = allocated(beside);
        long start = THREADS.getCurrentThreadAllocatedBytes();
        steps(plan, sgd);
        least = Math.min(least, THREADS.getCurrentThreadAllocatedBytes() - start);
        leastBeside = Math.min(leastBeside, allocated(beside) - startBeside);
      }
      ThreadInfo after = THREADS.getThreadInfo(Thread.currentThread().getId());
      together.await(60, TimeUnit.SECONDS);
      long pointersAfter = Pointer.totalCount();
      together.await(60, TimeUnit.SECONDS);
      assertEquals(0, least, "bytes on the heap");
      assertEquals(0, leastBeside, "bytes on the heap by the threads that communicate");
      assertEquals(pointers, pointersAfter, "pointers that own memory");
      assertEquals(before.getBlockedCount(), after.getBlockedCount(), "waits for a lock");
      long waits = after.getWaitedCount() - before.getWaitedCount();
      assertTrue(waits <= reductions * ROUNDS * STEPS, waits + " waits");
    }
  }

  private static long allocated(long[] threads) {
    long bytes = 0;
    for (long thread : threads) {
      bytes += THREADS.getThreadAllocatedBytes(thread);
    }
    return bytes;
  }

  private static Model calibrated(Model model, QuantPolicy policy) {
    Model quantized = Pipelines.quantize(model, policy);
    return new Model(
        quantized.name(),
        quantized.graph(),
        Calibrated.contents(quantized, backend, images(model)));
  }

  private static HostTensor images(Model model) {
    Shape shape = model.graph().inputs().get(0).spec().shape().withBatch(BATCH);
    return HostTensor.of(shape, EdgeValues.ordinary((int) shape.elements(), 1));
  }

  private static void requireNothingCounted(Model model, Phase phase, Lowering lowering) {
    TrainingGraph training = Pipelines.training(model.graph(), phase, lowering, 0);
    try (ParameterStore store =
            new ParameterStore(backend, training.graph().persistent(), model.contents());
        Plan plan = PlanCompiler.compile(training, BATCH, backend, store, PlanOptions.defaults());
        Sgd sgd = new Sgd(store, new Sgd.Options(0.9f, 1e-4f, false))) {
      plan.input(plan.graph().inputs().get(0)).put(0, images(model).bytes());
      requireFewNativeCalls(plan);
      steps(plan, sgd); // classes and views are there afterwards
      long pointers = Pointer.totalCount();
      long pointerBytes = Pointer.totalBytes();
      ThreadInfo before = THREADS.getThreadInfo(Thread.currentThread().getId());
      long allocated = leastAllocated(plan, sgd);
      ThreadInfo after = THREADS.getThreadInfo(Thread.currentThread().getId());
      assertEquals(0, allocated, "bytes on the heap");
      assertEquals(pointers, Pointer.totalCount(), "pointers that own memory");
      assertEquals(pointerBytes, Pointer.totalBytes(), "bytes that pointers own");
      assertEquals(before.getBlockedCount(), after.getBlockedCount(), "waits for a lock");
      assertEquals(before.getWaitedCount(), after.getWaitedCount(), "waits for a notification");
    }
  }

  /** What steps allocate they allocate every time; what the JVM does once, such as linking, not. */
  private static long leastAllocated(Plan plan, Sgd sgd) {
    long least = Long.MAX_VALUE;
    for (int round = 0; round < ROUNDS && least > 0; round++) {
      long start = THREADS.getCurrentThreadAllocatedBytes();
      steps(plan, sgd);
      least = Math.min(least, THREADS.getCurrentThreadAllocatedBytes() - start);
    }
    return least;
  }

  private static void steps(Plan plan, Sgd sgd) {
    float sum = 0;
    for (int i = 0; i < STEPS; i++) {
      plan.run();
      sgd.step();
      sum += plan.readFloat(plan.graph().outputs().get(1));
    }
    assertTrue(Float.isFinite(sum));
  }

  /**
   * One for each node; two where weights are brought into an order before a product or their
   * gradient out of it behind, where a scale follows from an updated range, and where batch norm
   * takes its statistics first; three where in addition floats are made of codes, of which oneDNN
   * forms the gradient of weights. A concatenation takes one for each part, and so do sums that
   * float units add up in parts.
   */
  private static void requireFewNativeCalls(Plan plan) {
    for (String line : plan.explain().lines().toList()) {
      Matcher several = SEVERAL_CALLS.matcher(line);
      boolean inParts = line.contains(" Concat ") || line.contains("integer-valued floats");
      if (several.find() && !inParts) {
        int most = line.contains(" Conv2dBackwardWeights ") ? 3 : 2;
        assertTrue(Integer.parseInt(several.group(1)) <= most, line);
      }
    }
  }
}
