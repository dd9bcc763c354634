package org.quantrain.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.quantrain.autodiff.TrainingGraph;
import org.quantrain.backend.cpu.CpuBackend;
import org.quantrain.data.Augmentation;
import org.quantrain.data.DataSource;
import org.quantrain.data.Datasets;
import org.quantrain.graph.GraphException;
import org.quantrain.graph.Model;
import org.quantrain.graph.Value;
import org.quantrain.op.AllReduce;
import org.quantrain.op.Lowering;
import org.quantrain.pass.AddLoss;
import org.quantrain.pass.Phase;
import org.quantrain.pass.Pipelines;
import org.quantrain.pass.SynchronizeStatistics;
import org.quantrain.plan.Plan;
import org.quantrain.plan.PlanCompiler;
import org.quantrain.plan.PlanOptions;
import org.quantrain.quant.Calibrator;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.quant.Quantizer;
import org.quantrain.quant.Target;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.Collective;
import org.quantrain.runtime.CollectiveException;
import org.quantrain.runtime.Meeting;
import org.quantrain.runtime.Memory;
import org.quantrain.runtime.OverlappedReduction;
import org.quantrain.runtime.ParameterStore;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.zoo.Zoo;

/**
 * Training that several processes share. A process is a thread here, with a backend of one thread;
 * they talk as processes do.
 */
class SeveralProcessesTest {
  private static final int BATCH = 16;

  private static DataSource digits;

  @TempDir Path folder;

  @BeforeAll
  static void read() throws IOException {
    digits = Datasets.load("digits").train();
  }

  @BeforeEach
  void requireGloo() {
    assumeTrue(CpuBackend.whyAlone().isEmpty(), () -> CpuBackend.whyAlone().get());
  }

  private interface Part<T> {
    T run(Backend backend) throws Exception;
  }

  /** What each of so many processes makes of it, by rank. */
  private <T> List<T> together(int processes, Part<T> part) throws Exception {
    Path meeting = Files.createTempDirectory(folder, "meeting");
    ExecutorService threads = Executors.newFixedThreadPool(processes);
    try {
      List<Future<T>> results = new ArrayList<>();
      for (int rank = 0; rank < processes; rank++) {
        int mine = rank;
        results.add(
            threads.submit(
                () -> {
                  try (Backend backend = CpuBackend.open(1)) {
                    backend.meet(new Meeting(meeting, mine, processes));
                    return part.run(backend);
                  }
                }));
      }
      List<T> made = new ArrayList<>();
      for (Future<T> result : results) {
        made.add(result.get());
      }
      return made;
    } finally {
      threads.shutdown();
    }
  }

  /** What a training came to. */
  private record Trained(Map<String, HostTensor> contents, List<Double> losses) {}

  private static Trained train(
      Backend backend, Stage stage, Model model, DataSource images, Recipe recipe, Path checkpoints)
      throws IOException {
    List<Double> losses = new ArrayList<>();
    Listener listener =
        new Listener() {
          @Override
          public void step(Stage at, Phase phase, int epoch, int step, double loss, double rate) {
            losses.add(loss);
          }
        };
    try (Trainer trainer = new Trainer(backend, stage, model, images, recipe, listener, 1)) {
      return new Trained(trainer.run(checkpoints), losses);
    }
  }

  private static Trained alone(Stage stage, Model model, DataSource images, Recipe recipe)
      throws IOException {
    try (Backend backend = CpuBackend.open(1)) {
      return train(backend, stage, model, images, recipe, null);
    }
  }

  /** What two processes came to, which is the same in both. */
  private Trained inTwo(Stage stage, Model model, DataSource images, Recipe recipe)
      throws Exception {
    List<Trained> both =
        together(2, backend -> train(backend, stage, model, images, recipe, null));
    assertSame(both.get(0).contents(), both.get(1).contents());
    assertEquals(both.get(0).losses(), both.get(1).losses());
    return both.get(0);
  }

  private static void assertSame(Map<String, HostTensor> a, Map<String, HostTensor> b) {
    assertEquals(a.keySet(), b.keySet());
    new TreeMap<>(a).forEach((name, t) -> assertEquals(t.buffer(), b.get(name).buffer(), name));
  }

  /** Within a part of the tensor's largest magnitude. */
  private static void assertNear(
      Map<String, HostTensor> a, Map<String, HostTensor> b, double part) {
    a.forEach(
        (name, tensor) -> {
          if (tensor.spec().dtype() != DType.F32) {
            assertEquals(tensor.buffer(), b.get(name).buffer(), name);
            return;
          }
          float largest = 0;
          for (float v : tensor.floats()) {
            largest = Math.max(largest, Math.abs(v));
          }
          assertArrayEquals(
              tensor.floats(), b.get(name).floats(), (float) (part * largest), name);
        });
  }

  private static DataSource first(int images) {
    return digits.subset(IntStream.range(0, images).toArray());
  }

  private static Model network() {
    return Zoo.build("resnet8", 1, 8, 8, 10, 3);
  }

  private static Model quantized(Model model, Quantizer quantizer) {
    return Pipelines.quantize(model, QuantPolicy.forTarget(Target.ORT).quantizer(quantizer));
  }

  /** All images train, for one epoch of each stage. */
  private static Recipe recipe() {
    return Recipe.defaults()
        .epochs(1, 1)
        .batch(BATCH)
        .validationFraction(0)
        .augmentation(Augmentation.crop(1));
  }

  @Test
  void reductionsAreExactAndLeaveTheSameBitsInEveryProcess() throws Exception {
    for (int pairs : new int[] {3, 100_000}) { // what is exchanged, and what goes around
      List<ByteBuffer> left =
          together(
              3,
              backend -> {
                ByteBuffer all = ByteBuffer.allocate(pairs * 16 * 5).order(ByteOrder.nativeOrder());
                for (AllReduce.Kind kind : AllReduce.Kind.values()) {
                  all.put(reduced(backend, pairs, kind));
                }
                return all.flip();
              });
      assertEquals(left.get(0), left.get(1));
      assertEquals(left.get(0), left.get(2));
      ByteBuffer sums = left.get(0);
      int section = pairs * 16;
      // Ranks 0, 1, 2 hold rank + i in int64, and pairs whose low halves overflow.
      for (int i = 0; i < 2 * pairs; i++) {
        assertEquals(3 + 3L * i, sums.getLong(8 * i), "sum " + i);
        assertEquals(1 + i, sums.getFloat(2 * section + 4 * i), 1e-6 * (i + 1), "mean " + i);
        assertEquals(i, sums.getInt(3 * section + 4 * i), "min " + i);
        assertEquals(2 + i, sums.getInt(4 * section + 4 * i), "max " + i);
      }
      for (int i = 0; i < pairs; i++) {
        assertEquals(-3L, sums.getLong(section + 16 * i), "low half " + i);
        assertEquals(2L + 3L * i, sums.getLong(section + 16 * i + 8), "high half " + i);
      }
    }
  }

  private static ByteBuffer reduced(Backend backend, int pairs, AllReduce.Kind kind) {
    Collective collective = backend.collective();
    int rank = collective.rank();
    try (Memory memory = backend.allocate(16L * pairs)) {
      ByteBuffer view = memory.host(0, 16L * pairs).buffer();
      for (int i = 0; i < 2 * pairs; i++) {
        switch (kind) {
          case SUM -> view.putLong(8 * i, rank + i);
          case SUM_PAIRS -> view.putLong(8 * i, i % 2 == 0 ? -1 : i / 2);
          case MEAN -> view.putFloat(4 * i, rank + i);
          default -> view.putInt(4 * i, rank + i);
        }
      }
      DType type =
          switch (kind) {
            case SUM, SUM_PAIRS -> DType.S64;
            case MEAN -> DType.F32;
            default -> DType.S32;
          };
      long elements = kind == AllReduce.Kind.SUM_PAIRS ? pairs : 2L * pairs;
      collective.reducing(memory.address(), elements, type, kind).run();
      double[] sum = {rank, 0.5};
      collective.sum(sum);
      assertArrayEquals(new double[] {3, 1.5}, sum);
      ByteBuffer copy = ByteBuffer.allocate(16 * pairs).put(view.rewind());
      return copy.flip();
    }
  }

  @Test
  void floatsAreSummedInTheOrderOfTheRanksWhereverTheyStand() throws Exception {
    float[] parts = {0.1f, 1e8f, -1e8f}; // in another order the small one would be left
    for (int n : new int[] {5, 100_000}) {
      for (ByteBuffer left : together(3, backend -> meanOf(backend, n, parts))) {
        for (int i = 0; i < n; i++) {
          assertEquals(0, left.getFloat(Float.BYTES * i), "element " + i + " of " + n);
        }
      }
    }
  }

  private static ByteBuffer meanOf(Backend backend, int n, float[] parts) {
    try (Memory memory = backend.allocate(4L * n);
        OverlappedReduction mean =
            backend.collective().overlappingMean(memory.address(), n)) {
      ByteBuffer view = memory.host(0, 4L * n).buffer();
      while (view.hasRemaining()) {
        view.putFloat(parts[backend.collective().rank()]);
      }
      mean.begin().run();
      mean.await().run();
      return ByteBuffer.allocate(4 * n).order(ByteOrder.nativeOrder()).put(view.rewind()).flip();
    }
  }

  @Test
  void whoWaitsForAReductionHearsThatAnotherProcessIsGone() {
    ExecutionException e =
        assertThrows(
            ExecutionException.class,
            () ->
                together(
                    2,
                    backend ->
                        backend.collective().rank() == 0
                            ? meanOf(backend, 100_000, new float[] {1})
                            : null));
    assertTrue(e.getCause() instanceof CollectiveException, e.toString());
    assertTrue(e.getMessage().contains("process 0 of 2 lost the others"), e.getMessage());
  }

  @Test
  void gradientsInBucketsHaveTheBitsOfOneReduction() throws Exception {
    List<Map<String, HostTensor>> found =
        together(
            3,
            backend -> {
              TrainingGraph training =
                  SynchronizeStatistics.apply(
                      Pipelines.training(
                          network().graph(), Phase.FLOAT_TRAIN, Lowering.INTEGER, 0),
                      3,
                      true);
              List<Value> values = new ArrayList<>(training.inOrderOfGradients());
              values.addAll(training.graph().persistent());
              try (ParameterStore store =
                  new ParameterStore(backend, values, network().contents())) {
                PlanOptions options = PlanOptions.defaults();
                Map<String, HostTensor> own = gradients(training, store, options, 0);
                Map<String, HostTensor> mean =
                    gradients(training, store, options.meanGradients(Long.MAX_VALUE), 1);
                assertSame(
                    mean, gradients(training, store, options.meanGradients(20_000), 5));
                assertSame(
                    mean, gradients(training, store, options.meanGradients(1), own.size()));
                String bias = "fc.bias";
                assertNotEquals(mean.get(bias).buffer(), own.get(bias).buffer());
                return mean;
              }
            });
    assertSame(found.get(0), found.get(1));
    assertSame(found.get(0), found.get(2));
  }

  /** What a run leaves; its plan says where so many reductions stand. */
  private static Map<String, HostTensor> gradients(
      TrainingGraph training, ParameterStore store, PlanOptions options, int reductions) {
    try (Plan plan = PlanCompiler.compile(training, BATCH, store.backend(), store, options)) {
      int rank = store.backend().collective().rank();
      float[] pixels = new float[digits.imageFloats()];
      FloatBuffer images = plan.input(plan.graph().inputs().get(0)).asFloatBuffer();
      IntBuffer labels = plan.input(AddLoss.LABELS).asIntBuffer();
      for (int i = 0; i < BATCH; i++) {
        digits.read(rank * BATCH + i, pixels, 0);
        images.put(pixels);
        labels.put(digits.label(rank * BATCH + i));
      }
      plan.run();
      List<String> lines = plan.explain().lines().toList();
      List<String> begun = lines.stream().filter(l -> l.contains("mean over 3 processes")).toList();
      assertEquals(reductions, begun.size(), plan.explain());
      for (int i = 0; i < begun.size(); i++) {
        String bucket = "bucket " + (i + 1) + " of " + reductions;
        assertTrue(begun.get(i).contains(bucket), begun.get(i));
      }
      assertFalse(reductions > 1 && begun.get(0).endsWith("beside 0 nodes"), plan.explain());
      Map<String, HostTensor> left = new TreeMap<>();
      store.params().forEach(v -> left.put(v.name(), store.gradient(v.name())));
      return left;
    }
  }

  /** 20 steps: the same images in the same batches, and only the order of float sums differs. */
  @Test
  void floatTrainingInTwoProcessesComesToTheWeightsOfOne() throws Exception {
    DataSource images = first(20 * BATCH);
    Trained one = alone(Stage.FLOAT, network(), images, recipe());
    assertEquals(20, one.losses().size());
    assertNear(
        one.contents(), inTwo(Stage.FLOAT, network(), images, recipe()).contents(), 1e-5);
  }

  @Test
  void afterAStepOnIntegersRangesAndStatisticsHaveTheBitsOfOneProcess() throws Exception {
    Model model = quantized(network(), Quantizer.EMA);
    Recipe recipe = recipe().observation(1, 0, 1, 0.05f);
    Trained one = alone(Stage.QAT, model, first(BATCH), recipe);
    Trained two = inTwo(Stage.QAT, model, first(BATCH), recipe);
    assertEquals(1, one.losses().size());
    int compared = 0;
    for (Value state : Pipelines.forward(model.graph(), Phase.TRAIN, recipe.trainLowering()).persistent()) {
      if (state.role() == Value.Role.STATE) {
        String name = state.name();
        assertEquals(
            one.contents().get(name).buffer(), two.contents().get(name).buffer(), name);
        compared++;
      }
    }
    assertTrue(compared > 50, compared + " states");
  }

  @Test
  void quantizedTrainingInTwoProcessesHasTheLossesOfOneAndIsTheSameAgain() throws Exception {
    Model start =
        network().withContents(alone(Stage.FLOAT, network(), digits, recipe().epochs(3, 1)).contents());
    Model model = quantized(start, Quantizer.EMA);
    Recipe recipe = recipe().batch(64).learningRates(0.05f, 0.001f);
    List<Double> one = alone(Stage.QAT, model, digits, recipe).losses();
    Trained two = inTwo(Stage.QAT, model, digits, recipe);
    assertEquals(one.size(), two.losses().size());
    for (int i = 0; i < one.size(); i++) {
      assertEquals(one.get(i), two.losses().get(i), 1e-3, "step " + (i + 1));
    }
    assertSame(two.contents(), inTwo(Stage.QAT, model, digits, recipe).contents());
  }

  /** Every way in which a state can move; processes that come apart are found by themselves. */
  @Test
  void processesStayTogetherWhateverIsTrained() throws Exception {
    DataSource images = first(96);
    Recipe recipe = recipe().validationFraction(0.2f).observation(2, 2, 0.8f, 0.05f);
    for (Quantizer quantizer : List.of(Quantizer.EMA, Quantizer.LSQ)) {
      Model model = quantized(network(), quantizer);
      inTwo(Stage.QAT, model, images, recipe);
      inTwo(Stage.QAT, model, images, recipe.syncBatchNorm(false));
    }
    Model perTensor =
        Pipelines.quantize(network(), QuantPolicy.forTarget(Target.ORT).perTensorWeights());
    inTwo(Stage.QAT, perTensor, images, recipe);
    inTwo(Stage.QAT, perTensor, images, recipe.syncBatchNorm(false));
    inTwo(Stage.FLOAT, network(), images, recipe.syncBatchNorm(false));
  }

  @Test
  void aBatchInPartsIsSharedPartByPart() throws Exception {
    DataSource images = first(4 * BATCH);
    Recipe recipe = recipe().accumulate(2);
    Trained one = alone(Stage.FLOAT, network(), images, recipe);
    assertNear(one.contents(), inTwo(Stage.FLOAT, network(), images, recipe).contents(), 1e-5);
  }

  @Test
  void theFirstProcessAloneSavesAndAllGoOnFromThere() throws Exception {
    DataSource images = first(64);
    Recipe recipe = recipe().epochs(3, 1);
    Path checkpoints = Files.createDirectory(folder.resolve("checkpoints"));
    List<Trained> whole =
        together(
            2,
            b -> train(b, Stage.FLOAT, network(), images, recipe, b.collective().rank() == 0 ? checkpoints : null));
    Path file = checkpoints.resolve("float.safetensors");
    assertEquals(3, Checkpoint.read(file).epochs());
    byte[] saved = Files.readAllBytes(file);
    List<Trained> again =
        together(2, b -> train(b, Stage.FLOAT, network(), images, recipe, checkpoints));
    assertSame(whole.get(1).contents(), again.get(1).contents());
    assertArrayEquals(saved, Files.readAllBytes(file));
  }

  @Test
  void processesThatDoNotTrainTheSameSaySo() {
    DataSource images = first(64);
    ExecutionException e =
        assertThrows(
            ExecutionException.class,
            () ->
                together(
                    2,
                    b ->
                        train(
                            b,
                            Stage.FLOAT,
                            Zoo.build("lenet", 1, 8, 8, 10, b.collective().rank()),
                            images,
                            recipe(),
                            null)));
    assertTrue(e.getCause() instanceof CollectiveException, e.toString());
    assertTrue(e.getMessage().contains("process 1 has other contents"), e.getMessage());
  }

  @Test
  void aBatchThatCannotBeSharedIsRefused() {
    ExecutionException e =
        assertThrows(
            ExecutionException.class,
            () ->
                together(
                    2, b -> train(b, Stage.FLOAT, network(), first(64), recipe().batch(15), null)));
    assertTrue(e.getMessage().contains("expected a multiple of 2"), e.getMessage());
  }

  @Test
  void processesThatCalibrateTogetherFindTheBitsOfOne() throws Exception {
    Model model = quantized(network(), Quantizer.EMA);
    for (Calibrator calibrator : Calibrator.values()) {
      for (int images : new int[] {300, 40}) { // five batches, and one that two processes lack
        Map<String, HostTensor> one;
        try (Backend backend = CpuBackend.open(1)) {
          one = Calibration.run(backend, model, first(images), calibrator);
        }
        for (Map<String, HostTensor> found :
            together(3, b -> Calibration.run(b, model, first(images), calibrator))) {
          assertSame(one, found);
        }
      }
    }
  }

  @Test
  void batchesOfTheCallerAreSharedAmongTheProcessesThatCalibrate() throws Exception {
    Model model = quantized(network(), Quantizer.EMA);
    List<List<HostTensor>> batches = new ArrayList<>();
    for (int i = 1; i <= 5; i++) {
      Shape shape = Shape.of(i, 1, 8, 8); // widest last, so that bins differ
      batches.add(List.of(HostTensor.filled(shape, i * i * i * i)));
    }
    for (Calibrator calibrator : Calibrator.values()) {
      Map<String, HostTensor> one;
      try (Backend backend = CpuBackend.open(1)) {
        one = Calibration.run(backend, model, batches, calibrator);
      }
      for (Map<String, HostTensor> found :
          together(2, b -> Calibration.run(b, model, batches, calibrator))) {
        assertSame(one, found);
      }
    }
  }

  @Test
  void allProcessesThatCalibrateHearOfAValueThatOneOfThemSaw() {
    Model model = quantized(network(), Quantizer.EMA);
    List<List<HostTensor>> batches =
        List.of(
            List.of(HostTensor.filled(Shape.of(1, 1, 8, 8), 1)),
            List.of(HostTensor.filled(Shape.of(1, 1, 8, 8), Float.POSITIVE_INFINITY)));
    for (Calibrator calibrator : Calibrator.values()) {
      List<String> told = new CopyOnWriteArrayList<>();
      assertThrows(
          ExecutionException.class,
          () ->
              together(
                  2,
                  b -> {
                    NonFiniteException e =
                        assertThrows(
                            NonFiniteException.class,
                            () -> Calibration.run(b, model, batches, calibrator));
                    told.add(e.getMessage());
                    throw e;
                  }));
      assertEquals(2, told.size(), told.toString());
    }
  }

  @Test
  void allProcessesThatCalibrateHearThatOneCannot() {
    Model model = quantized(network(), Quantizer.EMA);
    List<List<HostTensor>> batches =
        List.of(
            List.of(HostTensor.filled(Shape.of(1, 1, 8, 8), 1)),
            List.of(HostTensor.filled(Shape.of(1, 1, 9, 9), 1)));
    List<String> told = new CopyOnWriteArrayList<>();
    assertThrows(
        ExecutionException.class,
        () ->
            together(
                2,
                b -> {
                  RuntimeException e =
                      assertThrows(
                          RuntimeException.class,
                          () -> Calibration.run(b, model, batches, Calibrator.MINMAX));
                  told.add(e.getMessage());
                  throw e;
                }));
    assertEquals(2, told.size(), told.toString());
    assertTrue(told.stream().anyMatch(m -> m.contains("another process")), told.toString());
  }

  @Test
  void processesWithoutAnyBatchFindWhatOneWouldFind() throws Exception {
    Model model = quantized(network(), Quantizer.EMA);
    Map<String, HostTensor> one;
    try (Backend backend = CpuBackend.open(1)) {
      one = Calibration.run(backend, model, List.of(), Calibrator.MINMAX);
    }
    for (Map<String, HostTensor> found :
        together(2, b -> Calibration.run(b, model, List.of(), Calibrator.MINMAX))) {
      assertSame(one, found);
    }
  }

  @Test
  void aStateThatWouldComeApartIsRefused() {
    Model model = quantized(network(), Quantizer.EMA);
    GraphException e =
        assertThrows(
            GraphException.class,
            () ->
                SynchronizeStatistics.apply(
                    Pipelines.calibration(model.graph(), Calibrator.of("percentile")), 2));
    assertTrue(e.getMessage().contains("Histogram"), e.getMessage());
  }
}
