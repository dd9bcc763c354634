package org.quantrain.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.quantrain.backend.cpu.CpuBackend;
import org.quantrain.data.DataSource;
import org.quantrain.data.Datasets;
import org.quantrain.graph.Model;
import org.quantrain.pass.Phase;
import org.quantrain.pass.Pipelines;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.quant.Target;
import org.quantrain.runtime.Backend;
import org.quantrain.tensor.HostTensor;
import org.quantrain.testkit.Expected;
import org.quantrain.train.Listener;
import org.quantrain.train.Recipe;
import org.quantrain.train.Stage;
import org.quantrain.train.Trainer;
import org.quantrain.zoo.Zoo;

/** Training on a device whose results come a step later and whose steps are recorded. */
class CudaTrainingTest {
  private static final int STEPS = 5;

  /** What a training gave, and the device's counters when it told of each step. */
  private record Run(
      List<Double> losses, Map<String, HostTensor> contents, List<Cuda.Counters> counters) {}

  private static Run run(Backend backend, Model model, Recipe recipe) throws IOException {
    DataSource images = Datasets.load("digits?limit=48").train();
    List<Double> losses = new ArrayList<>();
    List<Cuda.Counters> counters = new ArrayList<>();
    Listener listener =
        new Listener() {
          @Override
          public void step(Stage stage, Phase phase, int at, int step, double loss, double rate) {
            assertEquals(losses.size() % STEPS + 1, step);
            losses.add(loss);
            if (backend instanceof CudaBackend cuda) {
              counters.add(cuda.counters());
            }
          }
        };
    try (Trainer trainer = new Trainer(backend, Stage.QAT, model, images, recipe, listener, 1)) {
      return new Run(losses, trainer.run(null), counters);
    }
  }

  private static Model w8a8(String network) {
    return Pipelines.quantize(
        Zoo.build(network, 1, 8, 8, 10, 3), QuantPolicy.forTarget(Target.ORT));
  }

  /** The last two of ten steps have their statistics and ranges frozen: another plan. */
  private static Recipe recipe(int parts) {
    return Recipe.defaults().epochs(0, 2).batch(8).accumulate(parts);
  }

  @Test
  void everyStepsLossIsThatOfTheCpuAlsoInParts() throws IOException {
    Model model = w8a8("lenet");
    for (int parts : new int[] {1, 2}) {
      List<Double> expected;
      try (Backend cpu = CpuBackend.open(1)) {
        expected = run(cpu, model, recipe(parts)).losses();
      }
      List<Double> actual;
      try (Backend cuda = EmulatedDevice.unrecorded()) {
        actual = run(cuda, model, recipe(parts)).losses();
      }
      assertEquals(2 * STEPS, expected.size());
      assertEquals(expected.size(), actual.size());
      for (int i = 0; i < expected.size(); i++) {
        // Gradients are summed in another order, and steps amplify it.
        assertEquals(expected.get(i), actual.get(i), 1e-3 * (i + 1), "step " + i);
      }
      assertTrue(!expected.get(0).equals(expected.get(9)));
    }
  }

  /** A network, parts of a batch, and an order of streams. */
  private static Stream<Arguments> trainings() {
    return Stream.of(
        Arguments.of("lenet", 1, 2),
        Arguments.of("lenet", 2, 4),
        Arguments.of("lenet", 1, 6),
        Arguments.of("resnet8", 1, 8));
  }

  /** Its first step runs kernel by kernel, the second is recorded, the others are replayed. */
  @ParameterizedTest(name = "{0} in {1} parts, order {2}")
  @MethodSource("trainings")
  void aRecordedTrainingHasTheBitsOfOneKernelByKernel(String network, int parts, int order)
      throws IOException {
    Model model = w8a8(network);
    Run expected;
    try (Backend cuda = EmulatedDevice.unrecorded()) {
      expected = run(cuda, model, recipe(parts));
    }
    Run actual;
    try (Backend cuda = EmulatedDevice.recording(order)) {
      actual = run(cuda, model, recipe(parts));
    }
    assertEquals(expected.losses(), actual.losses());
    assertEquals(expected.contents().keySet(), actual.contents().keySet());
    List<String> differing = new ArrayList<>();
    expected
        .contents()
        .forEach((name, t) -> Expected.compareBits(name, t, actual.contents().get(name), differing));
    assertEquals(List.of(), differing);
  }

  /**
   * Where the device is done when the host asks, the host never waits; where it does nothing before
   * it must, only for the two results of a step before. A batch is transferred by two copies for
   * each of its tensors, as is the learning rate, and its results by one.
   */
  @ParameterizedTest(name = "{0} parts, order {1}")
  @CsvSource({"1, 0", "1, 8", "2, 0", "2, 8"})
  void aReplayedStepAllocatesNothingAndWaitsForNoKernel(int parts, int order) throws IOException {
    int transfers = parts * (2 * 2 + 2) + 2;
    try (Backend cuda = EmulatedDevice.recording(order)) {
      List<Cuda.Counters> counters = run(cuda, w8a8("lenet"), recipe(parts)).counters();
      // The host tells of a step when the next is enqueued, so these are the fourth and fifth.
      for (int told = 2; told < STEPS - 1; told++) {
        Cuda.Counters before = counters.get(told - 1);
        Cuda.Counters after = counters.get(told);
        assertEquals(0, after.allocations() - before.allocations());
        assertEquals(parts + transfers, after.launches() - before.launches());
        assertEquals(order == 0 ? 0 : 2 * parts, after.waits() - before.waits());
      }
    }
  }
}
