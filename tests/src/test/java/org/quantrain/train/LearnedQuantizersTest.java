package org.quantrain.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.TreeSet;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.quantrain.Network;
import org.quantrain.QuantizedNetwork;
import org.quantrain.Quantrain;
import org.quantrain.autodiff.TrainingGraph;
import org.quantrain.backend.cpu.CpuBackend;
import org.quantrain.data.DataSource;
import org.quantrain.data.DataSplit;
import org.quantrain.data.Datasets;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Model;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.integer.Claim;
import org.quantrain.integer.IntegerLayer;
import org.quantrain.integer.IntegerModel;
import org.quantrain.integer.IntegerWeights;
import org.quantrain.integer.VerificationReport;
import org.quantrain.op.FakeQuant;
import org.quantrain.op.FoldWeight;
import org.quantrain.op.LearnedGridBackward;
import org.quantrain.op.LearnedQParams;
import org.quantrain.op.Lowering;
import org.quantrain.op.ScaleRule;
import org.quantrain.pass.Phase;
import org.quantrain.pass.Pipelines;
import org.quantrain.plan.Plan;
import org.quantrain.plan.PlanCompiler;
import org.quantrain.plan.PlanOptions;
import org.quantrain.quant.LearnedValues;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.quant.Quantizer;
import org.quantrain.quant.Target;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.ParameterStore;
import org.quantrain.runtime.Sgd;
import org.quantrain.runtime.StepScalars;
import org.quantrain.tensor.HostTensor;
import org.quantrain.testkit.Calibrated;
import org.quantrain.testkit.Networks;
import org.quantrain.testkit.Tensors;
import org.quantrain.testkit.TrainedStep;
import org.quantrain.zoo.Zoo;

/** Every quantizer from the first step to the proven file. */
class LearnedQuantizersTest {
  private static final Recipe SHORT =
      Recipe.defaults().epochs(0, 3).batch(32).validationFraction(0);

  private static Backend backend;
  private static DataSplit digits;
  private static DataSource few;
  private static Quantrain quantrain;
  private static Model trained;

  @TempDir private static Path folder;

  @BeforeAll
  static void train() throws IOException {
    backend = CpuBackend.open();
    quantrain = Quantrain.open();
    digits = Datasets.load("digits");
    few = Datasets.load("digits?limit=320").train();
    Network network = quantrain.network(Zoo.build("lenet", 1, 8, 8, 10, 1));
    network.train(digits.train(), Recipe.forImages(digits.train().size()).epochs(8, 0));
    trained = network.model();
  }

  @AfterAll
  static void close() {
    quantrain.close();
    backend.close();
  }

  private static QuantPolicy policy(Quantizer quantizer, int bits) {
    return QuantPolicy.forTarget(Target.ORT).weights(bits).activations(bits).quantizer(quantizer);
  }

  private static Model resnet(Quantizer quantizer) {
    return Pipelines.quantize(Zoo.build("resnet8", 1, 8, 8, 10, 3), policy(quantizer, 4));
  }

  /** Records the mean loss of each epoch. */
  private static final class Losses implements Listener {
    private final List<Double> of = new ArrayList<>();

    @Override
    public void epoch(EpochResult result) {
      of.add(result.trainLoss());
    }
  }

  private static Map<String, HostTensor> train(
      Model model, Recipe recipe, Listener listener, Path checkpoints) throws IOException {
    try (Trainer trainer = new Trainer(backend, Stage.QAT, model, few, recipe, listener, 2)) {
      return trainer.run(checkpoints);
    }
  }

  private static void assertSame(Map<String, HostTensor> a, Map<String, HostTensor> b) {
    assertEquals(a.keySet(), b.keySet());
    new TreeMap<>(a).forEach((name, t) -> assertEquals(t.buffer(), b.get(name).buffer(), name));
  }

  /** Learned values of a model, by name. */
  private static Map<String, HostTensor> learned(Model model, Map<String, HostTensor> contents) {
    Map<String, HostTensor> found = new TreeMap<>();
    for (Node node : LearnedValues.quantizers(model.graph())) {
      LearnedValues.initial(node).keySet().forEach(n -> found.put(n, contents.get(n)));
    }
    return found;
  }

  @ParameterizedTest
  @EnumSource(Quantizer.class)
  void trainsAndDeploysToTheBitAtEveryWidth(Quantizer quantizer) throws IOException {
    for (int bits : new int[] {8, 4, 2}) {
      String what = quantizer.id() + " W" + bits + "A" + bits;
      QuantizedNetwork qat = quantrain.network(trained).quantize(policy(quantizer, bits));
      qat.train(digits.train(), SHORT.epochs(0, 0));
      Map<String, HostTensor> calibrated = learned(qat.model(), qat.model().contents());
      Losses losses = new Losses();
      qat.train(digits.train(), SHORT, losses, null);
      assertTrue(losses.of.get(2) < losses.of.get(0), what + ": losses " + losses.of);
      double top1 = qat.evaluate(digits.test()).top1();
      assertTrue(top1 > (bits == 2 ? 80 : 95), what + ": " + top1 + " %");

      Path file = folder.resolve(quantizer.name() + bits + ".onnx");
      qat.export(file);
      VerificationReport report = qat.verify(file, digits.test());
      assertTrue(report.holds(), what + ": " + report);
      for (Claim claim : report.claims()) {
        assertEquals(0, claim.differing(), what + ": " + claim);
        assertTrue(claim.compared() > 100_000, what + ": " + claim);
      }
      Map<String, HostTensor> after = learned(qat.model(), qat.model().contents());
      assertEquals(quantizer == Quantizer.EMA, after.isEmpty());
      after.forEach(
          (name, t) -> {
            // No image is outside the grid, so the offset has no gradient.
            if (!name.equals("input.learned_offset")) {
              assertNotEquals(t.buffer(), calibrated.get(name).buffer(), what + ": " + name);
            }
          });
      assertScalesAreThoseOfTraining(qat.model(), file);
    }
  }

  @ParameterizedTest
  @EnumSource(Quantizer.class)
  void theScaleUsedInTrainingIsBitForBitTheScaleExported(Quantizer quantizer) throws IOException {
    QuantizedNetwork qat = quantrain.network(trained).quantize(policy(quantizer, 3));
    qat.train(few, SHORT.epochs(0, 1));
    Path file = folder.resolve(quantizer.name() + "-scales.onnx");
    qat.export(file);
    assertScalesAreThoseOfTraining(qat.model(), file);
  }

  /** Scales of the frozen training plan against those that the file holds. */
  private static void assertScalesAreThoseOfTraining(Model model, Path file) throws IOException {
    Graph graph =
        Pipelines.training(model.graph(), Phase.TRAIN_FROZEN, Lowering.INTEGER, 0).graph();
    Map<String, Value> scales = new HashMap<>();
    for (Node node : graph.nodes()) {
      if (node.op() instanceof LearnedQParams made && !made.spec().signed()) {
        scales.put(node.name().replace(".qparams", ".codes"), node.output(0));
      } else if (node.op() instanceof FoldWeight) {
        scales.put(node.input(0).name(), node.output(1));
      }
    }
    model.graph().nodes().stream()
        .filter(n -> n.op() instanceof FakeQuant q && !q.rule().isLearned())
        .map(n -> ((FakeQuant) n.op()).quantizer())
        .forEach(q -> graph.value(q + ".scale").ifPresent(v -> scales.put(q + ".codes", v)));
    IntegerModel exported = IntegerModel.read(file);
    Map<String, float[]> written = new HashMap<>();
    exported.codes().forEach(t -> written.put(t.name(), new float[] {t.scale()}));
    for (IntegerLayer layer : exported.layers()) {
      IntegerWeights w =
          layer instanceof IntegerLayer.Conv conv
              ? conv.w()
              : layer instanceof IntegerLayer.Linear linear
                  ? linear.w()
                  : layer instanceof IntegerLayer.Logits logits ? logits.w() : null;
      if (w != null) {
        written.put(w.name(), w.scale().floats());
      }
    }
    List<Value> computed =
        scales.values().stream().filter(v -> v.role() == Value.Role.COMPUTED).toList();
    try (ParameterStore store = new ParameterStore(backend, graph.persistent(), model.contents());
        Plan plan =
            PlanCompiler.compile(graph, 1, backend, store, PlanOptions.defaults().keep(computed))) {
      plan.run();
      // Input, two activations before and after the first linear layer; four weights.
      assertTrue(written.keySet().containsAll(scales.keySet()), scales + " but " + written);
      assertEquals(8, scales.size(), scales.toString());
      scales.forEach(
          (name, value) -> assertArrayEquals(plan.read(value).floats(), written.get(name), name));
    }
  }

  /** In steps the learned offsets have fractions; what is written are the nearest integers. */
  @Test
  void aLearnedZeroPointIsAnIntegerAtExport() throws IOException {
    QuantizedNetwork qat =
        quantrain
            .network(Zoo.build("resnet8", 1, 8, 8, 10, 3))
            .quantize(policy(Quantizer.LSQ_PLUS, 4));
    qat.train(few, SHORT.epochs(0, 1));
    Path file = folder.resolve("zero-points.onnx");
    qat.export(file);
    Map<String, Integer> written = new HashMap<>();
    IntegerModel.read(file).codes().forEach(t -> written.put(t.name(), t.zeroPoint()));
    int fractions = 0;
    for (Node node : LearnedValues.quantizers(qat.model().graph())) {
      FakeQuant quant = (FakeQuant) node.op();
      if (quant.rule() == ScaleRule.STEP_AND_OFFSET) {
        Map<String, HostTensor> contents = qat.model().contents();
        float offset = contents.get(quant.quantizer() + ".learned_offset").floats()[0];
        float scale = contents.get(quant.quantizer() + ".learned_scale").floats()[0];
        double steps = -(offset / Math.abs(scale));
        double nearest = Math.max(0, Math.min(quant.spec().qmax(), Math.rint(steps)));
        assertEquals((int) nearest, written.get(quant.quantizer() + ".codes"), quant.quantizer());
        fractions += Math.abs(steps - nearest) > 1e-3 ? 1 : 0;
      }
    }
    assertTrue(fractions > 2, fractions + " zero-points were rounded");
  }

  /** The learned step counts by its magnitude: past 0 it quantizes as before and learns on. */
  @Test
  void aLearnedScaleNeverTurnsNegative() {
    Model model = resnet(Quantizer.LSQ);
    HostTensor images = Networks.images(model, 32, 1);
    int[] labels = Networks.labels(32);
    TrainingGraph training =
        Pipelines.training(model.graph(), Phase.TRAIN_FROZEN, Lowering.INTEGER, 0);
    Map<String, HostTensor> contents = Calibrated.contents(model, backend, images);
    Map<String, HostTensor> crossed = new HashMap<>(contents);
    List<String> learned = List.copyOf(learned(model, contents).keySet());
    for (String name : learned) {
      float[] negated = contents.get(name).floats();
      for (int i = 0; i < negated.length; i++) {
        negated[i] = -negated[i];
      }
      crossed.put(name, Tensors.vector(negated));
    }
    try (ParameterStore above =
            new ParameterStore(backend, training.graph().persistent(), contents);
        ParameterStore below = new ParameterStore(backend, training.graph().persistent(), crossed);
        TrainedStep aboveStep = TrainedStep.keepingAll(training, 32, above);
        TrainedStep belowStep = TrainedStep.keepingAll(training, 32, below);
        Sgd aboveSgd = new Sgd(above, new Sgd.Options(0.9f, 0, false));
        Sgd belowSgd = new Sgd(below, new Sgd.Options(0.9f, 0, false))) {
      above.scalars().set(StepScalars.Slot.LEARNING_RATE, 0.01f);
      below.scalars().set(StepScalars.Slot.LEARNING_RATE, 0.01f);
      float first = 0;
      for (int i = 0; i < 30; i++) {
        aboveStep.run(images, labels);
        belowStep.run(images, labels);
        first = i == 0 ? belowStep.loss() : first;
        assertEquals(aboveStep.loss(), belowStep.loss(), "step " + i);
        Map<String, HostTensor> values = belowStep.everything();
        for (Node node : training.graph().nodes()) {
          if (node.op() instanceof LearnedQParams) {
            for (float scale : values.get(node.output(0).name()).floats()) {
              assertTrue(scale > 0 && Float.isFinite(scale), node.name() + ": " + scale);
            }
          }
        }
        aboveSgd.step();
        belowSgd.step();
      }
      assertTrue(belowStep.loss() < first, "from " + first + " to " + belowStep.loss());
      for (String name : learned) {
        float[] expected = above.get(name).floats();
        float[] mirrored = below.get(name).floats();
        for (int i = 0; i < expected.length; i++) {
          assertEquals(expected[i], -mirrored[i], name);
        }
      }
    }
  }

  /** A peer's quantization mode never reached its training: every quantizer trained the same. */
  @Test
  void theQuantizationModeReachesTheQatPath() throws IOException {
    Map<Quantizer, Map<String, Long>> graphs = new HashMap<>();
    Map<Quantizer, HostTensor> weights = new HashMap<>();
    for (Quantizer quantizer : Quantizer.values()) {
      Model model = resnet(quantizer);
      Map<String, Long> rules = new TreeMap<>();
      Pipelines.training(model.graph(), Phase.TRAIN, Lowering.INTEGER, 0).graph().nodes().stream()
          .map(Node::op)
          .filter(LearnedGridBackward.class::isInstance)
          .forEach(op -> rules.merge(((LearnedGridBackward) op).rule().name(), 1L, Long::sum));
      graphs.put(quantizer, rules);
      weights.put(
          quantizer, train(model, SHORT, Listener.silent(), null).get("block1.conv1.weight"));
    }
    assertEquals(Map.of(), graphs.get(Quantizer.EMA));
    assertEquals(new TreeSet<>(List.of("STEP")), graphs.get(Quantizer.LSQ).keySet());
    assertEquals(
        new TreeSet<>(List.of("STEP", "STEP_AND_OFFSET")), graphs.get(Quantizer.LSQ_PLUS).keySet());
    assertEquals(new TreeSet<>(List.of("CLIP")), graphs.get(Quantizer.PACT).keySet());
    assertEquals(
        new TreeSet<>(List.of("SOFT_CLIP", "SOFT_RANGE")), graphs.get(Quantizer.DSQ).keySet());
    for (Quantizer a : Quantizer.values()) {
      for (Quantizer b : Quantizer.values()) {
        if (a != b) {
          assertNotEquals(weights.get(a).buffer(), weights.get(b).buffer(), a + " and " + b);
        }
      }
    }
  }

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

  /** With a delay that ends inside an epoch, and one that ends between two. */
  @ParameterizedTest
  @EnumSource(value = Quantizer.class, names = "EMA", mode = EnumSource.Mode.EXCLUDE)
  void quantDelayCountsStepsCorrectlyWithManyLayersAndSurvivesResume(Quantizer quantizer)
      throws IOException {
    int steps = few.size() / SHORT.batch();
    for (int delay : new int[] {steps + 3, steps}) {
      Recipe recipe = SHORT.observation(2, delay, 0.8f, 0.05f);
      List<Phase> phases = new ArrayList<>();
      Listener recorder =
          new Listener() {
            @Override
            public void step(Stage s, Phase phase, int epoch, int step, double loss, double rate) {
              phases.add(phase);
            }
          };
      Path whole = folder.resolve(quantizer + "-whole-" + delay);
      Path parts = folder.resolve(quantizer + "-parts-" + delay);
      Map<String, HostTensor> expected = train(resnet(quantizer), recipe, recorder, whole);
      assertEquals(delay, phases.stream().filter(p -> p == Phase.TRAIN_DELAYED).count());
      assertEquals(Phase.TRAIN, phases.get(delay));
      for (int epoch : new int[] {2, 3}) {
        assertThrows(
            IllegalStateException.class,
            () -> train(resnet(quantizer), recipe, killedIn(epoch), parts));
      }
      assertSame(expected, train(resnet(quantizer), recipe, Listener.silent(), parts));
      assertEquals(
          -1, Files.mismatch(whole.resolve("qat.safetensors"), parts.resolve("qat.safetensors")));
    }
  }

  /** During the delay learned values stand still; they start from the weights at its end. */
  @Test
  void learnedValuesStartAfterTheDelay() throws IOException {
    int steps = few.size() / SHORT.batch();
    Model model = resnet(Quantizer.LSQ);
    Recipe delayed = SHORT.observation(2, 3 * steps, 1f, 0.05f);
    Map<String, HostTensor> atEnd = train(model, delayed, Listener.silent(), null);
    // The same weights, calibrated on the same images: no step of training.
    Map<String, HostTensor> again =
        train(model.withContents(atEnd), delayed.epochs(0, 0), Listener.silent(), null);
    assertSame(learned(model, again), learned(model, atEnd));
    assertNotEquals(
        learned(model, train(model, delayed.epochs(0, 0), Listener.silent(), null)),
        learned(model, atEnd));
  }

  @ParameterizedTest
  @EnumSource(value = Quantizer.class, names = "EMA", mode = EnumSource.Mode.EXCLUDE)
  void bothLoweringsTrainTheSameNetwork(Quantizer quantizer) throws IOException {
    assertSame(
        train(resnet(quantizer), SHORT, Listener.silent(), null),
        train(resnet(quantizer), SHORT.trainLowering(Lowering.SIMULATED), Listener.silent(), null));
  }

  @Test
  void weightDecayActsOnTheClipsOfPactAndOnNoOtherLearnedValue() {
    for (Quantizer quantizer : Quantizer.values()) {
      Model model = resnet(quantizer);
      learned(model, model.contents())
          .keySet()
          .forEach(
              name ->
                  assertEquals(
                      quantizer == Quantizer.PACT,
                      LearnedValues.decays(model.graph(), name),
                      name));
    }
  }

  @Test
  void learnedWeightScalesPerTensorAreRefused() {
    QuantPolicy perTensor = QuantPolicy.forTarget(Target.ORT).perTensorWeights();
    for (Quantizer quantizer : List.of(Quantizer.LSQ, Quantizer.LSQ_PLUS, Quantizer.DSQ)) {
      IllegalArgumentException e =
          assertThrows(IllegalArgumentException.class, () -> perTensor.quantizer(quantizer));
      assertTrue(e.getMessage().contains("per channel"), e.getMessage());
    }
    assertEquals(Quantizer.PACT, perTensor.quantizer(Quantizer.PACT).quantizer());
  }
}
