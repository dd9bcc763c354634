package org.quantrain.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import org.quantrain.LayerError;
import org.quantrain.Network;
import org.quantrain.QuantizedNetwork;
import org.quantrain.Quantrain;
import org.quantrain.data.DataSource;
import org.quantrain.data.DataSplit;
import org.quantrain.data.Datasets;
import org.quantrain.integer.Accuracy;
import org.quantrain.integer.VerificationReport;
import org.quantrain.quant.Calibrator;
import org.quantrain.report.Json;
import org.quantrain.report.Numbers;
import org.quantrain.train.Evaluation;

/** One float model made an integer model, from its settings to the proof. */
final class PostTraining {
  /** Images that the error of each layer is measured on: its ratio hardly moves with more. */
  private static final int ERROR_IMAGES = 256;

  private final Console console;
  private final RunConfig config;
  private final Path model;
  private final Path out;
  private final Calibrator calibrator;
  private final long started = System.nanoTime();

  PostTraining(
      Console console, RunConfig config, Path model, Path out, Calibrator calibrator) {
    this.console = console;
    this.config = config;
    this.model = model;
    this.out = out;
    this.calibrator = calibrator;
  }

  /**
   * The exit code.
   *
   * @param calibrationImages at most so many training images
   */
  int execute(int calibrationImages) throws IOException {
    if (ModelFile.isQuantized(model)) {
      throw new FailureException(
          model + ": an integer model already; quantize takes a float model");
    }
    if (Files.exists(out) && Files.isSameFile(model, out)) {
      throw new UsageException("out: " + out + " is the float model itself; name another file");
    }
    DataSplit data = Datasets.load(config.data(), ModelFile.preprocessing(model));
    DataSource calibration = data.train().limit(calibrationImages, Datasets.LIMIT_SEED);
    try (Quantrain quantrain = Networks.open(config)) {
      Network network = quantrain.load(model);
      Networks.checkFit(model.toString(), network.model().graph(), data.test());
      QuantizedNetwork quantized = Networks.quantized(network, config);
      say(quantrain, data, calibration);

      Evaluation real = network.evaluate(data.test());
      if (!Double.isFinite(real.loss())) {
        throw new FailureException(
            "%s gives NaN or infinite logits on %s; is the normalization the model's?"
                .formatted(model, config.data()));
      }
      Results.sayFloat(console, real);
      quantized.calibrate(calibration, calibrator);
      quantized.export(out, Results.metadata(calibrator.id(), model, calibration));
      List<LayerError> errors =
          quantized.layerErrors(data.test().limit(ERROR_IMAGES, Datasets.LIMIT_SEED));
      sayErrors(errors);
      Evaluation integer = quantized.evaluate(data.test());
      Results.sayInteger(console, config.bits(), integer);
      console.fact("verify", "every code of " + Numbers.count(data.test().size()) + " images");
      VerificationReport verification = quantized.verify(out, data.test());
      finish(real, integer, errors, verification);
      return verification.holds() ? Main.OK : Main.FAILED;
    }
  }

  private void say(Quantrain quantrain, DataSplit data, DataSource calibration) {
    console.fact(
        "model",
        "%s, %s for %s, ranges by %s"
            .formatted(model, config.bits(), config.target(), calibrator.id()));
    console.fact(
        "data",
        "%s: ranges from %s images, tested on %s"
            .formatted(
                config.data(),
                Numbers.count(calibration.size()),
                Numbers.count(data.test().size())));
    console.fact("device", quantrain.describe());
  }

  private void sayErrors(List<LayerError> errors) {
    TextTable table =
        new TextTable("layer", "kind", "bits", ">weights dB", ">result dB", ">scale", ">zero");
    for (LayerError e : errors) {
      boolean codes = e.bits() < 32;
      table.add(
          e.name(),
          e.kind(),
          (e.weightBits() == 0 ? "" : "W" + e.weightBits()) + (codes ? "A" + e.bits() : ""),
          decibels(e.weightSqnr()),
          decibels(e.sqnr()),
          codes ? Numbers.real(e.scale()) : "",
          codes ? Integer.toString(e.zeroPoint()) : "");
    }
    console.say("");
    console.say("Signal to quantization noise (float against codes), layer by layer:");
    table.lines().forEach(console::say);
    console.say("");
  }

  private static String decibels(double value) {
    if (Double.isNaN(value)) {
      return "";
    }
    return Double.isInfinite(value) ? "exact" : String.format(Locale.ROOT, "%.1f", value);
  }

  private void finish(
      Evaluation real, Evaluation integer, List<LayerError> errors, VerificationReport verification)
      throws IOException {
    long floatBytes = Files.size(model);
    long bytes = Files.size(out);
    console.fact(
        "file",
        "%s, %s, %.2f of the float file's %s"
            .formatted(
                out,
                Numbers.bytes(bytes),
                (double) bytes / floatBytes,
                Numbers.bytes(floatBytes)));
    for (Accuracy accuracy : verification.accuracy()) {
      console.fact("", accuracy.toString());
    }
    Claims.say(console, verification);

    ObjectNode result = Json.object();
    result.put("model", model.toString()).put("data", config.data()).put("bits", config.bits());
    result.put("calibrator", calibrator.id());
    Results.put(result.putObject("float").put("bytes", floatBytes), model, real);
    Results.put(result.putObject("integer").put("bytes", bytes), out, integer);
    ArrayNode layers = result.putArray("layers");
    for (LayerError e : errors) {
      ObjectNode layer = layers.addObject().put("name", e.name()).put("kind", e.kind());
      layer.put("weightBits", e.weightBits()).put("bits", e.bits());
      Json.put(layer, "weightSqnr", e.weightSqnr());
      Json.put(layer, "sqnr", e.sqnr());
      Json.put(layer, "scale", e.scale());
      layer.put("zeroPoint", e.zeroPoint());
    }
    Claims.putAccuracy(result, verification);
    Claims.put(result, verification);
    Json.put(result, "seconds", (System.nanoTime() - started) / 1e9);
    console.result(result);
  }
}
