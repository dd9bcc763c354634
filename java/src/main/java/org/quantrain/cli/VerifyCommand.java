package org.quantrain.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Iterator;
import org.quantrain.ImageBatches;
import org.quantrain.Quantrain;
import org.quantrain.data.DataSource;
import org.quantrain.data.Datasets;
import org.quantrain.data.Preprocessing;
import org.quantrain.integer.BitExactVerifier;
import org.quantrain.integer.ImageBatch;
import org.quantrain.integer.IntegerModel;
import org.quantrain.integer.SampledInterpreter;
import org.quantrain.integer.VerificationReport;
import org.quantrain.op.Contract;
import org.quantrain.report.Json;
import org.quantrain.report.Numbers;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code quantrain verify}. */
@Command(
    name = "verify",
    header = "Prove that an integer model computes the same codes everywhere.",
    description = {
      "",
      "V2: the runtime (ONNX Runtime or TensorFlow Lite, by the file) gives the codes of the"
          + " integer",
      "interpreter, for every tensor.",
      "V3: so does the network that was trained; needs the run.",
      "Exit code 1 if a code differs or the file was changed after it was written."
    },
    sortOptions = false,
    abbreviateSynopsis = true,
    optionListHeading = "%nOptions:%n",
    footer = {
      "",
      "Examples:",
      "  quantrain verify runs/digits-lenet-w8a8-1",
      "  quantrain verify model.w8a8.onnx --data 'fashion-mnist?limit=1000'",
      "  quantrain verify model.w8a8.tflite --contract tflite"
    })
final class VerifyCommand extends Verb {
  @Parameters(
      paramLabel = "FILE|RUN",
      description = "An integer ONNX or TensorFlow Lite file, or a run's folder.")
  private Path subject;

  @Option(
      names = "--data",
      paramLabel = "SPEC",
      description = "Its test images; default: those of the run, or generated images for a file.")
  private String data;

  @Option(
      names = "--threads",
      paramLabel = "N",
      description = "Threads, 1 to 1024; default: one for each core.")
  private Integer typedThreads;

  @Option(
      names = "--contract",
      paramLabel = "NAME",
      description =
          "The arithmetic, if not the file's: a TensorFlow Lite file runs as xnnpack (with the"
              + " default delegate) or as tflite (without delegates).")
  private String contract;

  private int threads;

  VerifyCommand(Console console) {
    super(console);
  }

  @Override
  public Integer call() throws Exception {
    threads = RunConfig.requireThreads("threads", typedThreads);
    VerificationReport report =
        Files.isDirectory(subject) ? verifyRun(SavedRun.open(subject)) : verifyFile(subject);
    report.headroomLine().ifPresent(line -> console().fact("headroom", line));
    Claims.say(console(), report);
    ObjectNode result = Json.object();
    result.put("file", report.file()).put("images", report.images()).put("holds", report.holds());
    result.put("digestMatches", report.digestMatches());
    Claims.put(result, report);
    console().result(result);
    return report.holds() ? Main.OK : Main.FAILED;
  }

  private VerificationReport verifyRun(SavedRun run) throws IOException {
    Path file = run.integerModel();
    IntegerModel model = IntegerModel.read(file);
    String spec = data == null ? run.config().data() : data;
    DataSource images = load(spec, file, model);
    say(file, model);
    console().fact("data", "%s, %s images".formatted(spec, Numbers.count(images.size())));
    if (!run.hasCheckpoint()) {
      console().fact("V3", "not checked: the run has no checkpoint of its quantized stage");
      return verify(file, model, images);
    }
    if (contract != null && !contract.equals(model.contract().id())) {
      console().fact("V3", "not checked: the run was trained for " + model.contract().id());
      return verify(file, model, images);
    }
    try (Quantrain quantrain = Networks.open("auto", threads)) {
      return run.quantizedNetwork(quantrain, images).verify(file, images);
    }
  }

  private VerificationReport verifyFile(Path file) throws IOException {
    if (!ModelFile.isQuantized(file)) {
      throw new FailureException(file + ": not an integer model; it has no quantized values");
    }
    IntegerModel model = IntegerModel.read(file);
    DataSource images = data == null ? null : load(data, file, model);
    say(file, model);
    console()
        .fact(
            "data",
            images == null
                ? (GeneratedImages.BATCH * GeneratedImages.BATCHES) + " generated images"
                : "%s, %s images".formatted(data, Numbers.count(images.size())));
    return verify(file, model, images);
  }

  private static DataSource load(String spec, Path file, IntegerModel model) throws IOException {
    return Datasets.load(spec, Preprocessing.read(file.toString(), model.metadata())).test();
  }

  private void say(Path file, IntegerModel model) {
    console().fact("file", file.toString());
    console().fact("contract", contract == null ? model.contract().id() : contract);
    Claims.sayDigest(console(), model);
  }

  /** V2. */
  private VerificationReport verify(Path file, IntegerModel read, DataSource images)
      throws IOException {
    Contract arithmetic = contract == null ? read.contract() : arithmetic();
    IntegerModel model = read.withContract(arithmetic);
    if (images != null) {
      Networks.checkFit(file.toString(), model.toGraph(), images);
    }
    Iterator<ImageBatch> batches =
        images == null ? new GeneratedImages(model) : ImageBatches.of(images);
    int batch = images == null ? GeneratedImages.BATCH : ImageBatches.BATCH;
    try (Quantrain quantrain = Networks.open("auto", threads);
        SampledInterpreter interpreter =
            SampledInterpreter.of(quantrain.backend(), model, batch)) {
      return BitExactVerifier.of(file).withContract(arithmetic).verify(interpreter, null, batches);
    }
  }

  private Contract arithmetic() {
    try {
      return Contract.of(contract);
    } catch (IllegalArgumentException e) {
      throw new UsageException(e.getMessage(), e);
    }
  }
}
