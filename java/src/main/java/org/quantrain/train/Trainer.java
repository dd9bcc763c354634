package org.quantrain.train;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Deque;
import java.util.EnumMap;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.quantrain.autodiff.TrainingGraph;
import org.quantrain.data.Batches;
import org.quantrain.data.DataSource;
import org.quantrain.data.Prefetch;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Model;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.op.AllReduce;
import org.quantrain.op.FakeQuant;
import org.quantrain.op.Lowering;
import org.quantrain.pass.Phase;
import org.quantrain.pass.Pipelines;
import org.quantrain.pass.SynchronizeStatistics;
import org.quantrain.plan.Plan;
import org.quantrain.plan.PlanCompiler;
import org.quantrain.plan.PlanOptions;
import org.quantrain.quant.LearnedValues;
import org.quantrain.quant.QuantizerState;
import org.quantrain.runtime.Arena;
import org.quantrain.runtime.Backend;
import org.quantrain.runtime.Collective;
import org.quantrain.runtime.CollectiveException;
import org.quantrain.runtime.GradientMean;
import org.quantrain.runtime.Kernel;
import org.quantrain.runtime.Memory;
import org.quantrain.runtime.ParameterStore;
import org.quantrain.runtime.QuantrainException;
import org.quantrain.runtime.Sgd;
import org.quantrain.runtime.StepScalars;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;

/**
 * Trains one stage of a network by a recipe and returns the contents of its best epoch.
 *
 * <p>With a checkpoint folder the stage is saved after every epoch and goes on from what is there.
 * The result depends on the network, the images and the recipe, also across a resume; and on the
 * number of threads and the instruction set, because they order the sums of weight gradients.
 *
 * <p>Where the backend has met other processes, each of them runs a trainer of the same network,
 * images and recipe. A process takes its share of every batch; all have the same parameters, state
 * and results, and the first alone saves.
 */
public final class Trainer implements AutoCloseable {
  /** Images per evaluation step; accuracy does not depend on it. */
  private static final int EVALUATION_BATCH = 128;

  private static final String HINT = ". Nothing of this epoch is saved; try a lower learning rate.";

  private final Stage stage;
  private final Recipe recipe;
  private final Listener listener;
  private final DataSource training;

  /** Null if the recipe holds no images out. */
  private final DataSource validation;

  private final int inputThreads;
  private final Batches batches;
  private final String fingerprint;
  private final ParameterStore store;
  private final Collective collective;
  private final Sgd optimizer;

  /** What moves the parameters once the gradients of a step are there. */
  private final List<Kernel> update;

  /** Null if a batch is run in one part. */
  private final GradientMean gradients;

  private final Evaluator evaluator;

  /** Quantizers that learn; empty in the float stage. */
  private final List<Node> learned;

  private final Map<Phase, Plan> plans = new EnumMap<>(Phase.class);
  private final Map<Phase, TrainingStep> trainingSteps = new EnumMap<>(Phase.class);
  private final int epochs;
  private final long totalSteps;
  private Evaluation lastValidation;

  /**
   * @param model its graph has quantizers if the stage is QAT (see {@link Pipelines#quantize})
   * @param inputThreads that read and augment images ahead of the steps; the result is the same for
   *     any number
   * @throws IllegalArgumentException if there are too few images for a batch, or a batch cannot be
   *     shared equally among the processes
   */
  public Trainer(
      Backend backend,
      Stage stage,
      Model model,
      DataSource images,
      Recipe recipe,
      Listener listener,
      int inputThreads) {
    this.stage = stage;
    this.recipe = recipe;
    this.listener = listener;
    this.inputThreads = inputThreads;
    this.collective = backend.collective();
    int held = (int) (images.size() * recipe.validationFraction());
    int[] order = shuffled(images.size(), recipe.seed());
    this.validation = held == 0 ? null : images.subset(Arrays.copyOf(order, held));
    this.training = images.subset(Arrays.copyOfRange(order, held, order.length));
    if (training.size() < recipe.batch()) {
      throw new IllegalArgumentException(
          "batch: expected at most the "
              + training.size()
              + " training images, got "
              + recipe.batch());
    }
    if (validation != null && held < collective.size()) {
      throw new IllegalArgumentException(
          "validation: expected an image for each of %d processes, got %d"
              .formatted(collective.size(), held));
    }
    this.batches = shuffledBatches().with(recipe.augmentation());
    this.epochs = stage == Stage.FLOAT ? recipe.floatEpochs() : recipe.qatEpochs();
    this.totalSteps = (long) epochs * batches.batchesPerEpoch();
    this.fingerprint = fingerprint(model, images);

    Map<Phase, Graph> forward = new EnumMap<>(Phase.class);
    Map<Phase, TrainingGraph> backward = new EnumMap<>(Phase.class);
    for (Phase phase : phases()) {
      if (phase.trains()) {
        backward.put(
            phase,
            shared(
                Pipelines.training(
                    model.graph(), phase, lowering(phase), recipe.compute(), recipe.smoothing())));
      } else {
        forward.put(phase, Pipelines.evaluation(model.graph(), phase, lowering(phase)));
      }
    }
    if (collective.size() > 1) {
      forward.computeIfPresent(
          Phase.CALIBRATE, (phase, g) -> SynchronizeStatistics.apply(g, collective.size()));
    }
    Map<String, Value> persistent = new LinkedHashMap<>();
    if (collective.size() > 1) {
      // So that gradients which are there one after another lie side by side.
      backward
          .values()
          .forEach(
              t ->
                  t.inOrderOfGradients().forEach(v -> persistent.putIfAbsent(v.name(), v)));
    }
    forward.values().forEach(g -> g.persistent().forEach(v -> persistent.putIfAbsent(v.name(), v)));
    backward
        .values()
        .forEach(t -> t.graph().persistent().forEach(v -> persistent.putIfAbsent(v.name(), v)));
    this.store = new ParameterStore(backend, persistent.values(), model.contents());
    backward.forEach(
        (phase, t) ->
            plans.put(
                phase,
                PlanCompiler.compile(t, partSize(), backend, store, trainingOptions())));
    if (forward.containsKey(Phase.CALIBRATE)) {
      plans.put(
          Phase.CALIBRATE,
          PlanCompiler.compile(
              forward.get(Phase.CALIBRATE), partSize(), backend, store, PlanOptions.defaults()));
    }
    Graph evaluation = forward.get(stage == Stage.FLOAT ? Phase.FLOAT_EVAL : Phase.EVAL);
    this.evaluator = new Evaluator(evaluation, EVALUATION_BATCH, store, inputThreads);
    this.learned = LearnedValues.quantizers(model.graph());
    this.optimizer =
        new Sgd(
            store,
            new Sgd.Options(recipe.momentum(), recipe.weightDecay(), false),
            v -> LearnedValues.decays(model.graph(), v.name()));
    this.update =
        collective.size() == 1 || bucketsGradients()
            ? List.of(optimizer.kernel())
            : List.of(sharingGradients(), optimizer.kernel());
    this.gradients =
        recipe.accumulate() == 1 ? null : new GradientMean(store, recipe.accumulate());
    store.scalars().set(StepScalars.Slot.OBSERVER_MOMENTUM, recipe.observerMomentum());
  }

  /** The graph of one process of those there are. */
  private TrainingGraph shared(TrainingGraph training) {
    int processes = collective.size();
    return processes == 1
        ? training
        : SynchronizeStatistics.apply(training, processes, recipe.syncBatchNorm());
  }

  /** Gradients of a batch in parts are complete only when none is computed any more. */
  private boolean bucketsGradients() {
    return collective.size() > 1 && recipe.accumulate() == 1;
  }

  private PlanOptions trainingOptions() {
    PlanOptions options = PlanOptions.defaults();
    return bucketsGradients() ? options.meanGradients(PlanOptions.BUCKET_BYTES) : options;
  }

  /** The gradients of a process's images become the mean over all processes. */
  private Kernel sharingGradients() {
    Memory gradients = store.memory(Arena.GRADS);
    long elements = gradients.bytes() / Float.BYTES;
    return collective.reducing(
        gradients.address(), elements, DType.F32, AllReduce.Kind.MEAN);
  }

  /** This process's share of the training images. */
  private Batches shuffledBatches() {
    return Batches.shuffled(training, recipe.batch(), recipe.seed())
        .share(collective.rank(), collective.size(), recipe.accumulate());
  }

  /** Images of one run of a training plan. */
  private int partSize() {
    return batches.batchSize() / recipe.accumulate();
  }

  private List<Phase> phases() {
    if (stage == Stage.FLOAT) {
      return List.of(Phase.FLOAT_TRAIN, Phase.FLOAT_EVAL);
    }
    List<Phase> phases =
        new ArrayList<>(List.of(Phase.CALIBRATE, Phase.TRAIN, Phase.TRAIN_FROZEN, Phase.EVAL));
    if (recipe.quantDelaySteps() > 0) {
      phases.add(Phase.TRAIN_DELAYED);
    }
    return phases;
  }

  private Lowering lowering(Phase phase) {
    return phase == Phase.TRAIN ? recipe.trainLowering() : Lowering.INTEGER;
  }

  /** Phase of step {@code step} of the stage, counted from 0. */
  Phase phaseAt(long step) {
    if (stage == Stage.FLOAT) {
      return Phase.FLOAT_TRAIN;
    }
    if (step < recipe.quantDelaySteps()) {
      return Phase.TRAIN_DELAYED;
    }
    return step < Math.round(totalSteps * (double) recipe.freezeFrom())
        ? Phase.TRAIN
        : Phase.TRAIN_FROZEN;
  }

  /**
   * @param checkpoints folder to save to and go on from, or null
   * @return contents of the best epoch: highest validation accuracy, then lowest validation loss;
   *     the last without validation
   * @throws CheckpointException if the folder's checkpoint is corrupt or belongs to another run
   * @throws CollectiveException if another process is gone, or has come to other contents
   * @throws NonFiniteException if the loss or a gradient is NaN or Inf
   */
  public Map<String, HostTensor> run(Path checkpoints) throws IOException {
    listener.stageStarted(stage, epochs, batches.batchesPerEpoch());
    Path file = checkpoints == null ? null : checkpoints.resolve(stage.id() + ".safetensors");
    Checkpoint last;
    boolean resumes = file != null && Files.exists(file);
    if (resumes) {
      last = resume(file);
    } else {
      calibrate();
      Map<String, HostTensor> start = store.snapshot();
      last =
          new Checkpoint(
              stage, fingerprint, 0, 0, -1, Double.MAX_VALUE, start, store.velocities(), start);
    }
    agree(last);
    if (!resumes) {
      save(last, file);
    }
    Batches.Position start = new Batches.Position(last.epochs(), 0);
    long steps = (long) (epochs - last.epochs()) * batches.batchesPerEpoch();
    try (Prefetch ahead = new Prefetch(batches, start, steps, inputThreads)) {
      for (int epoch = last.epochs(); epoch < epochs; epoch++) {
        last = epoch(epoch, ahead, last);
        agree(last);
        save(last, file);
      }
    }
    return last.best();
  }

  private void save(Checkpoint checkpoint, Path file) throws IOException {
    if (file != null && collective.rank() == 0) {
      checkpoint.write(file);
    }
  }

  /** All processes have come here, and with the same contents. */
  private void agree(Checkpoint checkpoint) {
    if (collective.size() == 1) {
      return;
    }
    double[] digests = new double[collective.size()];
    digests[collective.rank()] = checkpoint.crc();
    collective.sum(digests);
    for (int rank = 1; rank < digests.length; rank++) {
      if (digests[rank] != digests[0]) {
        throw new CollectiveException(
            "%s epoch %d: process %d has other contents than process 0; they must train the same"
                    .formatted(stage.id(), checkpoint.epochs(), rank)
                + " network on the same images by the same recipe, with as many threads each");
      }
    }
  }

  private Checkpoint resume(Path file) throws IOException {
    Checkpoint saved = Checkpoint.read(file);
    if (!saved.fingerprint().equals(fingerprint) || saved.stage() != stage) {
      throw new CheckpointException(
          "checkpoint " + file + " belongs to another run: network, data or recipe differ");
    }
    store.restore(saved.contents());
    saved.velocities().forEach(store::setVelocity);
    return saved;
  }

  /** Observed ranges go on from what they are, learned values start anew. */
  private void calibrate() {
    Plan plan = plans.get(Phase.CALIBRATE);
    if (plan == null) {
      return;
    }
    for (Node node : learned) {
      String quantizer = ((FakeQuant) node.op()).quantizer();
      store.restore(QuantizerState.initial(quantizer, LearnedValues.scales(node)));
    }
    Batches inOrder = shuffledBatches();
    StepInput input = new StepInput(inOrder, recipe.accumulate());
    int count = Math.min(recipe.calibrationBatches(), inOrder.batchesPerEpoch());
    try (Prefetch ahead = new Prefetch(inOrder, Batches.Position.START, count, inputThreads)) {
      for (int b = 0; b < count; b++) {
        input.take(ahead, plan);
        for (int part = 0; part < recipe.accumulate(); part++) {
          input.feed(part, plan);
          plan.run();
        }
      }
    }
    for (Node node : learned) {
      store.restore(LearnedValues.start((FakeQuant) node.op(), store::get));
    }
  }

  /** After steps in float: learned values start from the weights as they are now. */
  private void endOfDelay(Phase phase) {
    if (phase == Phase.TRAIN_DELAYED && !learned.isEmpty()) {
      calibrate();
    }
  }

  private TrainingStep training(Phase phase) {
    return trainingSteps.computeIfAbsent(
        phase,
        p ->
            new TrainingStep(
                store.backend(), plans.get(p), gradients, update, recipe.accumulate()));
  }

  /** A part of a step that was run. */
  private record Part(TrainingStep training, Phase phase, int step, int part, float rate) {}

  /** What the parts of an epoch give, when the device has got there. */
  private final class Results {
    private final int epoch;
    private final Deque<Part> running = new ArrayDeque<>();
    private float stepLoss;
    private double loss;
    private long correct;

    Results(int epoch) {
      this.epoch = epoch;
    }

    void await(Part part) {
      running.add(part);
      collect(store.backend().stepsAhead());
    }

    /** Takes results until so many parts are left to run. */
    void collect(int left) {
      while (running.size() > left) {
        Part part = running.remove();
        TrainingStep.Result result = part.training.take();
        stepLoss += result.loss() / recipe.accumulate();
        correct += result.correct();
        if (part.part == recipe.accumulate() - 1) {
          // Gradients of a step that the host has left behind are looked at when its loss says so.
          if (store.backend().stepsAhead() == 0 || !Float.isFinite(stepLoss)) {
            requireFinite(stepLoss, epoch, part.step);
          }
          loss += stepLoss;
          listener.step(stage, part.phase, epoch + 1, part.step + 1, stepLoss, part.rate);
          stepLoss = 0;
        }
      }
    }
  }

  private Checkpoint epoch(int epoch, Prefetch ahead, Checkpoint before) {
    int steps = batches.batchesPerEpoch();
    LrSchedule schedule =
        stage == Stage.FLOAT
            ? new LrSchedule(
                recipe.floatLearningRate(), Math.min(steps, totalSteps / 10), totalSteps)
            : new LrSchedule(recipe.qatLearningRate(), 0, totalSteps);
    long started = System.nanoTime();
    Phase phase = null;
    StepInput input = new StepInput(batches, recipe.accumulate());
    Results results = new Results(epoch);
    for (int b = 0; b < steps; b++) {
      long step = (long) epoch * steps + b;
      if (phase != phaseAt(step)) {
        results.collect(0);
        endOfDelay(phase);
        phase = phaseAt(step);
      }
      TrainingStep training = training(phase);
      input.take(ahead, training.plan());
      float rate = schedule.at(step);
      store.scalars().set(StepScalars.Slot.LEARNING_RATE, rate);
      for (int part = 0; part < recipe.accumulate(); part++) {
        input.feed(part, training.plan());
        runPart(training, part, epoch, b);
        results.await(new Part(training, phase, b, part, rate));
      }
    }
    results.collect(0);
    requireFinite(0, epoch, steps - 1);
    endOfDelay(phase);
    double seconds = (System.nanoTime() - started) / 1e9;
    long seen = (long) steps * recipe.batch();

    Checkpoint after = keepBest(epoch + 1, before);
    listener.epoch(
        new EpochResult(
            stage,
            phase,
            epoch + 1,
            epochs,
            schedule.at((long) epoch * steps + steps - 1),
            results.loss / steps,
            100.0 * results.correct / seen,
            lastValidation == null ? Double.NaN : lastValidation.loss(),
            lastValidation == null ? Double.NaN : lastValidation.top1(),
            seconds,
            seen / seconds));
    return after;
  }

  private Checkpoint keepBest(int epoch, Checkpoint before) {
    Map<String, HostTensor> contents = store.snapshot();
    int correct = 0;
    double loss = 0;
    if (validation != null) {
      lastValidation = evaluator.evaluateShared(validation, collective);
      correct = lastValidation.correct1();
      loss = lastValidation.loss();
    }
    boolean better =
        validation == null
            || correct > before.bestCorrect()
            || (correct == before.bestCorrect() && loss <= before.bestLoss());
    return new Checkpoint(
        stage,
        fingerprint,
        epoch,
        better ? epoch : before.bestEpoch(),
        better ? correct : before.bestCorrect(),
        better ? loss : before.bestLoss(),
        contents,
        store.velocities(),
        better ? contents : before.best());
  }

  /**
   * A scale that overflowed is refused by the kernel that reads it; the user hears which step it
   * was.
   */
  private void runPart(TrainingStep training, int part, int epoch, int step) {
    try {
      training.run(part);
    } catch (CollectiveException e) {
      throw e;
    } catch (QuantrainException e) {
      // A device that runs behind the host looks at no values: the learning rate is not to blame.
      if (store.backend().stepsAhead() > 0) {
        throw e;
      }
      throw new NonFiniteException(where(epoch, step) + e.getMessage() + HINT);
    }
  }

  private String where(int epoch, int step) {
    return stage.id() + " epoch " + (epoch + 1) + ", step " + (step + 1) + ": ";
  }

  private void requireFinite(float loss, int epoch, int step) {
    List<String> gradients = store.nonFiniteGradients();
    if (Float.isFinite(loss) && gradients.isEmpty()) {
      return;
    }
    throw new NonFiniteException(
        where(epoch, step)
            + "loss is "
            + loss
            + (gradients.isEmpty()
                ? ""
                : ", NaN or Inf in the gradient of " + gradients.get(gradients.size() - 1))
            + (gradients.size() < 2 ? "" : " and of " + (gradients.size() - 1) + " more")
            + HINT);
  }

  private static int[] shuffled(int n, long seed) {
    int[] order = new int[n];
    for (int i = 0; i < n; i++) {
      order[i] = i;
    }
    Random random = new Random(seed);
    for (int i = n - 1; i > 0; i--) {
      int j = random.nextInt(i + 1);
      int t = order[i];
      order[i] = order[j];
      order[j] = t;
    }
    return order;
  }

  /** What the result depends on: recipe, graph, initial contents, name and size of the data. */
  private String fingerprint(Model model, DataSource images) {
    try {
      MessageDigest sha = MessageDigest.getInstance("SHA-256");
      String text =
          stage + "\n" + recipe + "\n" + images.name() + " " + images.size() + "\n" + model.graph();
      sha.update(text.getBytes(StandardCharsets.UTF_8));
      new TreeMap<>(model.contents())
          .forEach(
              (name, t) -> {
                sha.update(name.getBytes(StandardCharsets.UTF_8));
                sha.update(t.buffer());
              });
      return HexFormat.of().formatHex(sha.digest());
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  @Override
  public void close() {
    trainingSteps.values().forEach(TrainingStep::close);
    plans.values().forEach(Plan::close);
    evaluator.close();
    optimizer.close();
    if (gradients != null) {
      gradients.close();
    }
    store.close();
  }
}
