package org.quantrain.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.quantrain.backend.cpu.CpuBackend;
import org.quantrain.data.Augmentation;
import org.quantrain.data.DataSource;
import org.quantrain.data.Datasets;
import org.quantrain.graph.Model;
import org.quantrain.op.Lowering;
import org.quantrain.pass.Phase;
import org.quantrain.pass.Pipelines;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.quant.Target;
import org.quantrain.runtime.Backend;
import org.quantrain.tensor.HostTensor;
import org.quantrain.zoo.Zoo;

class TrainerTest {
  private static final Recipe SHORT =
      Recipe.defaults().epochs(3, 4).batch(32).augmentation(Augmentation.crop(1));

  private static Backend backend;
  private static DataSource images;

  @TempDir Path folder;

  @BeforeAll
  static void open() throws IOException {
    backend = CpuBackend.open();
    images = Datasets.load("digits?limit=256").train();
  }

  @AfterAll
  static void close() {
    backend.close();
  }

  private static Model floatModel() {
    return Zoo.build("resnet8", 1, 8, 8, 10, 3);
  }

  private static Model quantized() {
    return Pipelines.quantize(
        floatModel(), QuantPolicy.forTarget(Target.ORT).weights(4).activations(4));
  }

  private static Map<String, HostTensor> train(
      Stage stage, Model model, Recipe recipe, Listener listener, Path checkpoints)
      throws IOException {
    return train(stage, model, recipe, listener, checkpoints, 2);
  }

  private static Map<String, HostTensor> train(
      Stage stage,
      Model model,
      Recipe recipe,
      Listener listener,
      Path checkpoints,
      int inputThreads)
      throws IOException {
    try (Trainer trainer =
        new Trainer(backend, stage, model, images, recipe, listener, inputThreads)) {
      return trainer.run(checkpoints);
    }
  }

  private static void assertSame(Map<String, HostTensor> a, Map<String, HostTensor> b) {
    assertEquals(a.keySet(), b.keySet());
    new TreeMap<>(a).forEach((name, t) -> assertEquals(t.buffer(), b.get(name).buffer(), name));
  }

  /**
   * Stops a training as a killed process does: after an epoch was saved, in the middle of the next.
   */
  private static Listener killedIn(int epoch) {
    return new Listener() {
      @Override
      public void step(Stage stage, Phase phase, int at, int step, double loss, double rate) {
        if (at == epoch && step == 3) {
          throw new IllegalStateException("killed");
        }
      }
    };
  }

  @Test
  void aKilledTrainingGoesOnToTheSameBytes() throws IOException {
    for (Stage stage : Stage.values()) {
      Model model = stage == Stage.FLOAT ? floatModel() : quantized();
      Path whole = folder.resolve(stage + "-whole");
      Path parts = folder.resolve(stage + "-parts");
      Map<String, HostTensor> expected = train(stage, model, SHORT, Listener.silent(), whole);
      assertThrows(
          IllegalStateException.class, () -> train(stage, model, SHORT, killedIn(1), parts));
      assertThrows(
          IllegalStateException.class, () -> train(stage, model, SHORT, killedIn(3), parts));
      assertSame(expected, train(stage, model, SHORT, Listener.silent(), parts));
      String file = stage.id() + ".safetensors";
      assertEquals(-1, Files.mismatch(whole.resolve(file), parts.resolve(file)), stage.id());
    }
  }

  @Test
  void theThreadsThatPrepareImagesChangeNothing() throws IOException {
    Model model = quantized();
    Map<String, HostTensor> one = train(Stage.QAT, model, SHORT, Listener.silent(), null, 1);
    assertThrows(
        IllegalStateException.class,
        () -> train(Stage.QAT, model, SHORT, killedIn(3), folder, 3));
    assertSame(one, train(Stage.QAT, model, SHORT, Listener.silent(), folder, 4));
  }

  @Test
  void aFinishedTrainingIsNotTrainedAgain() throws IOException {
    Map<String, HostTensor> first = train(Stage.QAT, quantized(), SHORT, Listener.silent(), folder);
    assertSame(first, train(Stage.QAT, quantized(), SHORT, killedIn(1), folder));
  }

  @Test
  void theCheckpointOfAnotherRunIsRefused() throws IOException {
    train(Stage.FLOAT, floatModel(), SHORT, Listener.silent(), folder);
    CheckpointException e =
        assertThrows(
            CheckpointException.class,
            () -> train(Stage.FLOAT, floatModel(), SHORT.seed(99), Listener.silent(), folder));
    assertTrue(e.getMessage().contains("another run"), e.getMessage());
  }

  @Test
  void bothLoweringsTrainTheSameNetwork() throws IOException {
    assertSame(
        train(Stage.QAT, quantized(), SHORT, Listener.silent(), null),
        train(
            Stage.QAT,
            quantized(),
            SHORT.trainLowering(Lowering.SIMULATED),
            Listener.silent(),
            null));
  }

  /** The same images in the same steps; only the order of float sums differs. */
  @Test
  void aBatchInPartsTrainsAsAWholeOneWhereNothingDependsOnTheBatch() throws IOException {
    Model model = Zoo.build("vit-tiny?dim=16&depth=1&heads=2&patch=4", 1, 8, 8, 10, 1);
    Recipe recipe = SHORT.learningRates(0.01f, 0.01f);
    Map<String, HostTensor> whole = train(Stage.FLOAT, model, recipe, Listener.silent(), null);
    Map<String, HostTensor> parts =
        train(Stage.FLOAT, model, recipe.accumulate(4), Listener.silent(), null);
    whole.forEach(
        (name, tensor) ->
            assertArrayEquals(tensor.floats(), parts.get(name).floats(), 1e-4f, name));
  }

  @Test
  void partsThatAreNotEqualAreRefused() {
    assertThrows(IllegalArgumentException.class, () -> SHORT.batch(32).accumulate(3));
    assertThrows(IllegalArgumentException.class, () -> SHORT.batch(32).accumulate(32));
    assertThrows(IllegalArgumentException.class, () -> SHORT.accumulate(0));
  }

  @Test
  void quantizersStartAfterTheirDelayAndFreezeLate() throws IOException {
    Recipe recipe = SHORT.observation(2, 5, 0.5f, 0.05f);
    List<Phase> phases = new ArrayList<>();
    Listener recorder =
        new Listener() {
          @Override
          public void step(Stage stage, Phase phase, int epoch, int step, double loss, double r) {
            phases.add(phase);
          }
        };
    train(Stage.QAT, quantized(), recipe, recorder, null);
    int steps = phases.size();
    assertEquals(5, phases.stream().filter(p -> p == Phase.TRAIN_DELAYED).count());
    assertEquals(Phase.TRAIN_DELAYED, phases.get(4));
    assertEquals(Phase.TRAIN, phases.get(5));
    assertEquals(Phase.TRAIN, phases.get(steps / 2 - 1));
    assertEquals(Phase.TRAIN_FROZEN, phases.get(steps / 2));
    assertEquals(Phase.TRAIN_FROZEN, phases.get(steps - 1));
  }

  @Test
  void frozenStepsMoveNeitherRangesNorStatistics() throws IOException {
    Recipe allFrozen = SHORT.observation(4, 0, 0f, 0.05f).validationFraction(0);
    Model model = quantized();
    Map<String, HostTensor> calibrated =
        train(Stage.QAT, model, allFrozen.epochs(1, 0), Listener.silent(), null);
    Map<String, HostTensor> after =
        train(Stage.QAT, model, allFrozen.epochs(1, 1), Listener.silent(), null);
    int compared = 0;
    for (String name : calibrated.keySet()) {
      if (name.endsWith(".scale") || name.endsWith(".mean") || name.endsWith(".var")) {
        assertEquals(calibrated.get(name).buffer(), after.get(name).buffer(), name);
        compared++;
      }
    }
    assertTrue(compared > 20, "only " + compared);
    assertTrue(
        !calibrated.get("conv1.weight").buffer().equals(after.get("conv1.weight").buffer()),
        "the weights should still train");
  }

  @Test
  void aDivergedLossStopsWithStepAndLayer() {
    Recipe wild = SHORT.learningRates(1e30f, 1e30f);
    NonFiniteException e =
        assertThrows(
            NonFiniteException.class,
            () -> train(Stage.FLOAT, floatModel(), wild, Listener.silent(), folder));
    assertTrue(e.getMessage().startsWith("float epoch 1, step"), e.getMessage());
    assertTrue(e.getMessage().contains("gradient of"), e.getMessage());
  }

  @Test
  void moreImagesPerStepThanThereAreIsRefused() {
    IllegalArgumentException e =
        assertThrows(
            IllegalArgumentException.class,
            () -> train(Stage.FLOAT, floatModel(), SHORT.batch(1000), Listener.silent(), null));
    assertTrue(e.getMessage().startsWith("batch: expected at most"), e.getMessage());
  }
}
