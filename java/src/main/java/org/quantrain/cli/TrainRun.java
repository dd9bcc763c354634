package org.quantrain.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.ZonedDateTime;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoUnit;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import org.quantrain.Network;
import org.quantrain.QuantizedNetwork;
import org.quantrain.Quantrain;
import org.quantrain.data.DataSource;
import org.quantrain.data.DataSplit;
import org.quantrain.data.Datasets;
import org.quantrain.data.Preprocessing;
import org.quantrain.integer.IntegerModel;
import org.quantrain.integer.VerificationReport;
import org.quantrain.report.EpochMetrics;
import org.quantrain.report.HtmlReport;
import org.quantrain.report.Json;
import org.quantrain.report.LayerTable;
import org.quantrain.report.Numbers;
import org.quantrain.report.RunDirectory;
import org.quantrain.report.RunReport;
import org.quantrain.runtime.CollectiveException;
import org.quantrain.runtime.Meeting;
import org.quantrain.train.Evaluation;
import org.quantrain.train.Listener;
import org.quantrain.train.Recipe;

/** One training from its settings to its report. */
final class TrainRun {
  private static final Path RUNS = Path.of("runs");

  private final Console console;
  private final RunDirectory run;
  private final ObjectNode settings;
  private final boolean resumed;
  private RunConfig config; // complete once the data are known
  private DataSplit data;
  private final long started = System.nanoTime();

  private TrainRun(
      Console console, RunDirectory run, ObjectNode settings, RunConfig config, boolean resumed) {
    this.console = console;
    this.run = run;
    this.settings = settings;
    this.config = config;
    this.resumed = resumed;
  }

  /**
   * A new run; its folder is made, and nothing else is left behind if it does not start.
   *
   * @param out null for the next number in the folder of runs
   */
  static TrainRun start(Console console, ObjectNode settings, Path out) throws IOException {
    RunConfig config = checked(settings);
    RunDirectory run =
        out == null ? RunDirectory.createNumbered(RUNS, config.stem()) : RunDirectory.create(out);
    return new TrainRun(console, run, settings, config, false);
  }

  /** An earlier run, from its last checkpoint. */
  static TrainRun resume(Console console, Path folder, ObjectNode machine) throws IOException {
    RunDirectory run = RunDirectory.open(folder);
    ObjectNode settings = ConfigFile.read(run.config());
    settings.setAll(machine);
    return new TrainRun(console, run, settings, checked(settings), true);
  }

  /** Everything that can be known to be wrong without the data. */
  private static RunConfig checked(ObjectNode settings) {
    RunConfig config = merged(settings, 1);
    config.policy();
    config.recipe();
    Networks.checkName(config);
    return config;
  }

  private static RunConfig merged(ObjectNode settings, int trainImages) {
    String model = settings.path("model").asText("");
    return ConfigFile.merge(
        RunConfig.defaults(trainImages, RunConfig.isFile(model)), withFullPaths(settings));
  }

  /** The run must find its files wherever it is rerun from. */
  private static ObjectNode withFullPaths(ObjectNode settings) {
    ObjectNode full = settings.deepCopy();
    String model = settings.path("model").asText("");
    if (RunConfig.isFile(model)) {
      full.put("model", Path.of(model).toAbsolutePath().normalize().toString());
    }
    String source = settings.path("data").asText("");
    if (!source.isEmpty()) {
      full.put("data", Datasets.withFullPath(source));
    }
    return full;
  }

  /** What a model from a file knows about its images; with a new head it may learn others. */
  private Optional<Preprocessing> recorded() throws IOException {
    boolean keeps = RunConfig.isFile(config.model()) && !config.replaceHead();
    return keeps ? ModelFile.preprocessing(Path.of(config.model())) : Optional.empty();
  }

  /** The exit code. */
  int execute() throws IOException {
    RunDirectory.Lock lock = run.lock();
    try {
      return executeAlone();
    } finally {
      lock.close();
    }
  }

  private int executeAlone() throws IOException {
    Quantrain quantrain = null;
    try {
      Network network;
      QuantizedNetwork quantized;
      try {
        data = Datasets.load(config.data(), recorded());
        requireOwnTestImages();
        config = merged(settings, data.train().size());
        requireBatch(config.recipe(), data.train());
        quantrain = Networks.open(config);
        network = Networks.network(quantrain, config, data.train());
        quantized = Networks.quantized(network, config);
        if (!resumed) {
          run.write(run.config(), ConfigFile.write(config));
        }
      } catch (IOException | RuntimeException | Error e) {
        run.discard();
        throw e;
      }
      sayStart(quantrain, network);
      Thread hook = new Thread(this::sayResume, "quantrain-interrupted");
      Runtime.getRuntime().addShutdownHook(hook);
      try {
        return trainAndProve(quantrain, network, quantized);
      } catch (IOException e) {
        throw located(e);
      } finally {
        removeHook(hook);
      }
    } finally {
      if (quantrain != null) {
        quantrain.close();
      }
    }
  }

  /**
   * What a further process of a run does: it takes its share of every batch, and leaves what is
   * written and said to the first.
   *
   * @param settings of the machine; the others are the run's
   */
  static void join(Console console, Path folder, ObjectNode settings, Meeting meeting)
      throws IOException {
    TrainRun joined = resume(console, folder, settings);
    joined.data = Datasets.load(joined.config.data(), joined.recorded());
    joined.config = merged(joined.settings, joined.data.train().size());
    try (Quantrain quantrain = Networks.open(joined.config, meeting.rank())) {
      Network network = Networks.network(quantrain, joined.config, joined.data.train());
      QuantizedNetwork quantized = Networks.quantized(network, joined.config);
      Processes.join(quantrain, meeting);
      joined.train(network, quantized, Listener.silent(), () -> {});
    }
  }

  /** A full disk says neither where nor what to do. */
  private IOException located(IOException e) {
    return e.getClass() != IOException.class
        ? e
        : new IOException(
            "%s: %s; go on later with: quantrain train --resume %s"
                .formatted(run.path(), e.getMessage(), run.path()),
            e);
  }

  private static void removeHook(Thread hook) {
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      // It is running: the process is about to end.
    }
  }

  private void sayResume() {
    console.warn("interrupted; go on with: quantrain train --resume " + run.path());
  }

  /** Training is judged by images that it did not see. */
  private void requireOwnTestImages() {
    if (data.isShared()) {
      throw new UsageException(
          "data: with %s the network would be tested on the images it was trained on"
              .formatted(config.data()));
    }
  }

  private static void requireBatch(Recipe recipe, DataSource train) {
    int held = (int) (train.size() * recipe.validationFraction());
    if (train.size() - held < recipe.batch()) {
      throw new UsageException(
          "batch: %d images, but only %d of %s are left to train with"
              .formatted(recipe.batch(), train.size() - held, train.name()));
    }
  }

  private void sayStart(Quantrain quantrain, Network network) {
    DataSource images = data.train();
    console.fact("run", run.path() + (resumed ? " (resumed)" : ""));
    console.fact(
        "data",
        "%s: %s training and %s test images, %dx%dx%d, %d classes"
            .formatted(
                config.data(),
                Numbers.count(images.size()),
                Numbers.count(data.test().size()),
                images.channels(),
                images.height(),
                images.width(),
                images.classes()));
    long parameters = network.layers().stream().mapToLong(layer -> layer.parameters()).sum();
    console.fact(
        "model",
        "%s, %s parameters, %s for %s"
            .formatted(
                config.modelName(), Numbers.count(parameters), config.bits(), config.target()));
    console.fact("device", quantrain.describe());
    if (config.processes() > 1) {
      console.fact(
          "shared",
          "by %d processes, each with %d of the %d images of a batch"
              .formatted(
                  config.processes(), config.batch() / config.processes(), config.batch()));
    }
  }

  /** What happens between the stages. */
  private interface BetweenStages {
    void run() throws IOException;
  }

  /** Both stages; returns the quantized network as trained. */
  private QuantizedNetwork train(
      Network network, QuantizedNetwork untrained, Listener listener, BetweenStages between)
      throws IOException {
    Recipe recipe = config.recipe();
    QuantizedNetwork quantized = untrained;
    if (recipe.floatEpochs() > 0) {
      network.train(data.train(), recipe, listener, run.checkpoints());
      quantized = network.quantize(config.policy());
    }
    between.run();
    quantized.train(data.train(), recipe, listener, run.checkpoints());
    return quantized;
  }

  private int trainAndProve(Quantrain quantrain, Network network, QuantizedNetwork untrained)
      throws IOException {
    QuantizedNetwork quantized;
    try (Processes others = Processes.start(config, run.path());
        RunListener listener =
            new RunListener(console, run, config.recipe().floatEpochs())) {
      try {
        others.meet(quantrain);
        quantized =
            train(
                network,
                untrained,
                listener,
                () -> network.export(run.floatModel(), Results.metadata(data.train())));
      } catch (CollectiveException e) {
        throw new FailureException(others.explain(e));
      }
    } catch (UncheckedIOException e) {
      throw e.getCause();
    }
    Path integerModel = run.integerModel(config.bits(), config.suffix());
    quantized.export(
        integerModel, Results.metadata(config.quantizer(), run.floatModel(), data.train()));

    console.fact("verify", "every code of " + Numbers.count(data.test().size()) + " test images");
    Evaluation real = network.evaluate(data.test());
    Evaluation integer = quantized.evaluate(data.test());
    VerificationReport verification = quantized.verify(integerModel, data.test());
    run.write(run.verification(), Json.pretty(Claims.toJson(verification)));
    RunReport report = report(quantrain, real, integer, verification);
    run.write(run.report(), HtmlReport.render(report));
    finish(real, integer, verification);
    return verification.holds() ? Main.OK : Main.FAILED;
  }

  private RunReport report(
      Quantrain quantrain, Evaluation real, Evaluation integer, VerificationReport verification)
      throws IOException {
    IntegerModel model = IntegerModel.read(run.integerModel(config.bits(), config.suffix()));
    return new RunReport(
        run.name(),
        config.modelName(),
        config.data(),
        config.bits(),
        config.target(),
        outcome(run.floatModel(), real),
        outcome(run.integerModel(config.bits(), config.suffix()), integer),
        Claims.of(verification),
        run.readMetrics(),
        LayerTable.of(model.toGraph(), model.contents()),
        environment(quantrain, verification),
        ConfigFile.write(config));
  }

  private static RunReport.Outcome outcome(Path file, Evaluation evaluation) throws IOException {
    return new RunReport.Outcome(
        file.getFileName().toString(), evaluation.top1(), evaluation.images(), Files.size(file));
  }

  private Map<String, String> environment(Quantrain quantrain, VerificationReport verification)
      throws IOException {
    double seconds =
        run.readMetrics().stream()
            .mapToDouble(EpochMetrics::seconds)
            .filter(Double::isFinite)
            .sum();
    Map<String, String> facts = new LinkedHashMap<>();
    facts.put("Command", console.command());
    facts.put("Rerun", "quantrain train --config " + run.config());
    facts.put("Quantrain", Version.NUMBER);
    facts.put("Runtime", verification.runtime().toString());
    facts.put("Backend", quantrain.describe());
    facts.put("Processor", Processor.detect().toString());
    facts.put(
        "Java",
        "%s (%s), %s %s"
            .formatted(
                System.getProperty("java.version"),
                System.getProperty("java.vendor"),
                System.getProperty("os.name"),
                System.getProperty("os.version")));
    facts.put("Seed", Long.toString(config.seed()));
    facts.put("Training time", Numbers.duration(seconds));
    facts.put(
        "Finished",
        ZonedDateTime.now()
            .truncatedTo(ChronoUnit.SECONDS)
            .format(DateTimeFormatter.ISO_OFFSET_DATE_TIME));
    return facts;
  }

  private void finish(Evaluation real, Evaluation integer, VerificationReport verification) {
    console.fact("report", run.report().toString());
    Results.sayFloat(console, real);
    Results.sayInteger(console, config.bits(), integer);
    Claims.say(console, verification);

    ObjectNode result = Json.object();
    result.put("run", run.path().toString()).put("report", run.report().toString());
    result.put("model", config.model()).put("data", config.data()).put("bits", config.bits());
    Results.put(result.putObject("float"), run.floatModel(), real);
    Results.put(
        result.putObject("integer"), run.integerModel(config.bits(), config.suffix()), integer);
    Claims.put(result, verification);
    Json.put(result, "seconds", (System.nanoTime() - started) / 1e9);
    console.result(result);
  }
}
