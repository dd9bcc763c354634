package org.quantrain.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Locale;
import org.quantrain.ImageBatches;
import org.quantrain.Network;
import org.quantrain.Quantrain;
import org.quantrain.data.DataSource;
import org.quantrain.data.Datasets;
import org.quantrain.integer.IntegerInterpreter;
import org.quantrain.integer.IntegerModel;
import org.quantrain.report.Json;
import org.quantrain.report.Numbers;
import org.quantrain.train.Evaluation;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code quantrain eval}. */
@Command(
    name = "eval",
    description = "Measure the accuracy of a float or integer model, or of both of a run.",
    sortOptions = false,
    abbreviateSynopsis = true,
    optionListHeading = "%nOptions:%n",
    footer = {
      "",
      "The test images are used; 'digits?split=train' takes those for training instead.",
      "",
      "Examples:",
      "  quantrain eval model.w8a8.onnx --data fashion-mnist",
      "  quantrain eval runs/digits-lenet-w8a8-1 --json"
    })
final class EvalCommand extends Verb {
  @Parameters(paramLabel = "FILE|RUN", description = "An ONNX file, or a run's folder.")
  private Path subject;

  @Option(
      names = "--data",
      paramLabel = "SPEC",
      description = "The images; for a run its own by default.")
  private String data;

  @Option(
      names = "--threads",
      paramLabel = "N",
      description = "Threads, 1 to 1024; default: one for each core.")
  private Integer typedThreads;

  EvalCommand(Console console) {
    super(console);
  }

  @Override
  public Integer call() throws Exception {
    int threads = RunConfig.requireThreads("threads", typedThreads);
    boolean isRun = Files.isDirectory(subject);
    SavedRun run = isRun ? SavedRun.open(subject) : null;
    boolean quantized = !isRun && ModelFile.isQuantized(subject);
    if (data == null && !isRun) {
      throw new UsageException("--data is missing: which images?");
    }
    String spec = data == null ? run.config().data() : data;
    Path model = isRun ? run.integerModel() : subject;
    DataSource images = Datasets.load(spec, ModelFile.preprocessing(model)).test();
    ObjectNode result = Json.object();
    try (Quantrain quantrain = Networks.open("auto", threads)) {
      if (isRun) {
        Evaluation real = evaluateFloat(quantrain, run.floatModel(), images);
        Evaluation integer = evaluateInteger(quantrain, run.integerModel(), images);
        put(result, integer);
        put(result.putObject("float"), real);
        put(result.putObject("integer"), integer);
      } else {
        put(
            result,
            quantized
                ? evaluateInteger(quantrain, subject, images)
                : evaluateFloat(quantrain, subject, images));
      }
    }
    console().result(result);
    return Main.OK;
  }

  private Evaluation evaluateFloat(Quantrain quantrain, Path file, DataSource images)
      throws IOException {
    Network network = quantrain.load(file);
    Networks.checkFit(file.toString(), network.model().graph(), images);
    return said("float", network.evaluate(images));
  }

  private Evaluation evaluateInteger(Quantrain quantrain, Path file, DataSource images)
      throws IOException {
    IntegerModel model = IntegerModel.read(file);
    Networks.checkFit(file.toString(), model.toGraph(), images);
    try (IntegerInterpreter interpreter =
        IntegerInterpreter.forLogits(quantrain.backend(), model, ImageBatches.BATCH)) {
      return said("integer", IntegerEvaluation.of(interpreter, images));
    }
  }

  private Evaluation said(String name, Evaluation evaluation) {
    console()
        .fact(
            name,
            String.format(
                Locale.ROOT,
                "top-1 %s  top-5 %s  loss %.4f  (%s images)",
                Numbers.percent(evaluation.top1()),
                Numbers.percent(evaluation.top5()),
                evaluation.loss(),
                Numbers.count(evaluation.images())));
    return evaluation;
  }

  private static void put(ObjectNode json, Evaluation evaluation) {
    Json.put(json, "top1", evaluation.top1());
    Json.put(json, "top5", evaluation.top5());
    Json.put(json, "loss", evaluation.loss());
    json.put("images", evaluation.images());
  }
}
