package org.quantrain.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.ArrayList;
import java.util.List;
import java.util.function.LongFunction;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.quantrain.autodiff.TrainingGraph;
import org.quantrain.backend.cpu.CpuBackend;
import org.quantrain.backend.shared.KernelSequence;
import org.quantrain.bench.RepeatedStep;
import org.quantrain.bench.StepKind;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Model;
import org.quantrain.op.Compute;
import org.quantrain.op.Lowering;
import org.quantrain.pass.Phase;
import org.quantrain.pass.Pipelines;
import org.quantrain.plan.Plan;
import org.quantrain.plan.PlanCompiler;
import org.quantrain.plan.PlanOptions;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.quant.Quantizer;
import org.quantrain.quant.Target;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.Binding;
import org.quantrain.runtime.Kernel;
import org.quantrain.runtime.Memory;
import org.quantrain.runtime.ParameterStore;
import org.quantrain.runtime.QuantrainException;
import org.quantrain.zoo.Zoo;

/** Plans for a CUDA device: every one can be prepared, or says what it lacks. */
class CudaPlanTest {
  private static final QuantPolicy W8A8 = QuantPolicy.forTarget(Target.ORT);

  private static CudaBackend cuda;

  @BeforeAll
  static void open() {
    cuda = EmulatedDevice.withoutProducts();
  }

  @AfterAll
  static void close() {
    cuda.close();
  }

  static List<String> networks() {
    return Zoo.names();
  }

  private static String explained(Model model, Phase phase, Lowering lowering, Compute compute) {
    if (phase.trains()) {
      TrainingGraph graph = Pipelines.training(model.graph(), phase, lowering, compute, 0);
      try (ParameterStore store =
              new ParameterStore(cuda, graph.graph().persistent(), model.contents());
          Plan plan = PlanCompiler.compile(graph, 2, cuda, store, PlanOptions.defaults())) {
        return plan.explain();
      }
    }
    Graph graph = Pipelines.evaluation(model.graph(), phase, lowering);
    try (ParameterStore store = new ParameterStore(cuda, graph.persistent(), model.contents());
        Plan plan = PlanCompiler.compile(graph, 2, cuda, store, PlanOptions.defaults())) {
      return plan.explain();
    }
  }

  @ParameterizedTest(name = "{0}")
  @MethodSource("networks")
  void everyPhaseOfEveryNetworkHasAPlan(String name) {
    Model model = Zoo.build(name, 3, 32, 32, 10, 1);
    List<QuantPolicy> policies = new ArrayList<>();
    policies.add(W8A8);
    policies.add(W8A8.weights(4).activations(4).quantizer(Quantizer.LSQ));
    for (Compute compute : Compute.values()) {
      for (Phase phase : List.of(Phase.FLOAT_TRAIN, Phase.FLOAT_EVAL)) {
        assertTrue(explained(model, phase, Lowering.INTEGER, compute).contains(" on cuda: "));
      }
      for (QuantPolicy policy : policies) {
        Model quantized = Pipelines.quantize(model, policy);
        for (Phase phase :
            List.of(
                Phase.CALIBRATE,
                Phase.TRAIN_DELAYED,
                Phase.TRAIN,
                Phase.TRAIN_FROZEN,
                Phase.EVAL)) {
          assertTrue(
              explained(quantized, phase, Lowering.INTEGER, compute).contains(" on cuda: "));
        }
      }
    }
  }

  /** As it is timed beside PyTorch. */
  @Test
  void theQuantizedStepOfResNet50OfFullSizeHasAPlanOnBothDevices() {
    StepKind kind = new StepKind(8, Quantizer.EMA, Lowering.INTEGER, Compute.BF16);
    Model model =
        Pipelines.quantize(Zoo.build("resnet50", 3, 224, 224, 1000, 1), kind.policy());
    try (CpuBackend cpu = CpuBackend.open(2)) {
      for (Backend backend : List.of(cuda, cpu)) {
        try (RepeatedStep step = new RepeatedStep(backend, model, kind, 1)) {
          // Parameters, gradients and velocities, and more.
          assertTrue(step.allocatedBytes() > 3 * Float.BYTES * 25_557_032L);
        }
      }
    }
  }

  @Test
  void aPlanThatIsTooLargeNamesTheBatchThatWouldFit() {
    Model model = Zoo.build("resnet18", 3, 224, 224, 10, 1);
    TrainingGraph graph = Pipelines.training(model.graph(), Phase.FLOAT_TRAIN, Lowering.INTEGER, 0);
    try (ParameterStore store =
        new ParameterStore(cuda, graph.graph().persistent(), model.contents())) {
      int large = 2_000;
      String message =
          assertThrows(QuantrainException.class, () -> compile(graph, large, store)).getMessage();
      assertTrue(
          message.matches(
              "out of memory: values of a batch of 2,000 need [0-9,]+ MB on cuda, which has"
                  + " [0-9,]+ MB left; a batch of [0-9]+ would fit: take a smaller one, or run it in"
                  + " equal parts \\(--accumulate\\)"),
          message);
      int fits = fitting(message);
      compile(graph, fits, store);
      // The next larger one is refused, too, before anything is allocated.
      long before = cuda.counters().allocations();
      assertThrows(QuantrainException.class, () -> compile(graph, fits + 1, store));
      assertEquals(before, cuda.counters().allocations());
    }
  }

  private static int fitting(String message) {
    return Integer.parseInt(message.replaceAll(".*a batch of ([0-9]+) would fit.*", "$1"));
  }

  private static void compile(TrainingGraph graph, int batch, ParameterStore store) {
    PlanCompiler.compile(graph, batch, store.backend(), store, PlanOptions.defaults()).close();
  }

  /** A kernel that wants as much workspace as its first operand has bytes, many times. */
  private static Kernel wantingWorkspace(Binding binding) {
    return new KernelSequence(List.of()) {
      @Override
      public long workspaceBytes() {
        return 16 * binding.input(0).spec().bytes();
      }
    };
  }

  @Test
  void theWorkspaceOfALibraryCounts() {
    Model model = Zoo.build("resnet18", 3, 224, 224, 10, 1);
    TrainingGraph graph = Pipelines.training(model.graph(), Phase.FLOAT_TRAIN, Lowering.INTEGER, 0);
    int large = 2_000;
    int without;
    try (CudaBackend device = EmulatedDevice.withoutProducts();
        ParameterStore store =
            new ParameterStore(device, graph.graph().persistent(), model.contents())) {
      without =
          fitting(
              assertThrows(QuantrainException.class, () -> compile(graph, large, store))
                  .getMessage());
    }
    try (CudaBackend wanting = EmulatedDevice.withProducts(CudaPlanTest::wantingWorkspace);
        ParameterStore store =
            new ParameterStore(wanting, graph.graph().persistent(), model.contents())) {
      long before = wanting.counters().allocations();
      String message =
          assertThrows(QuantrainException.class, () -> compile(graph, without, store))
              .getMessage();
      assertTrue(
          message.startsWith("out of memory: values and workspace of a batch of " + without),
          message);
      assertEquals(before, wanting.counters().allocations());
      int fits = fitting(message);
      assertTrue(fits < without, message);
      compile(graph, fits, store);
      assertThrows(QuantrainException.class, () -> compile(graph, fits + 1, store));
    }
  }

  /** Something that takes what is left of the device, but for so many bytes, behind the others. */
  private static final class Greedy extends KernelSequence {
    private final CudaBackend device;
    private final long left;
    private Memory taken;

    Greedy(CudaBackend device, long left) {
      super(List.of());
      this.device = device;
      this.left = left;
    }

    @Override
    public void readyConstants(LongFunction<Memory> allocate) {
      long free = device.freeBytes().getAsLong();
      if (free > left) {
        taken = allocate.apply(free - left);
      }
    }

    @Override
    public void close() {
      if (taken != null) {
        taken.close();
      }
    }
  }

  @Test
  void aPlanThatFailsHalfWayGivesEverythingBack() {
    Model model = Zoo.build("lenet", 1, 28, 28, 10, 1);
    TrainingGraph graph = Pipelines.training(model.graph(), Phase.FLOAT_TRAIN, Lowering.INTEGER, 0);
    int batch = 2048;
    // Both buffers of the images, with what is lost at their ends, but not those of the labels.
    long left = 2L * batch * 28 * 28 * Float.BYTES + 3 * 4096;
    CudaBackend[] greedy = new CudaBackend[1];
    try (CudaBackend device =
            EmulatedDevice.withProducts(binding -> new Greedy(greedy[0], left));
        ParameterStore store =
            new ParameterStore(device, graph.graph().persistent(), model.contents())) {
      greedy[0] = device;
      long before = device.freeBytes().getAsLong();
      String message =
          assertThrows(QuantrainException.class, () -> compile(graph, batch, store)).getMessage();
      assertTrue(message.contains("out of memory"), message);
      assertEquals(before, device.freeBytes().getAsLong());
    }
  }

  @Test
  void theDeviceIsDescribed() {
    String text = cuda.description();
    assertTrue(text.startsWith("cuda: emulator, compute capability 8.0, "), text);
  }

  @Test
  void aDeviceThatIsNotThereIsNamed() {
    String message =
        assertThrows(QuantrainException.class, () -> EmulatedDevice.numbered(9)).getMessage();
    assertTrue(message.startsWith("no device cuda:9: "), message);
  }
}
