package org.quantrain.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import org.quantrain.quant.Calibrator;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

/** {@code quantrain quantize}. */
@Command(
    name = "quantize",
    description =
        "Make an integer model of a trained float model, without training: find the ranges from"
            + " images, export, and prove the file. Exit code 1 if a code differs.",
    sortOptions = false,
    abbreviateSynopsis = true,
    optionListHeading = "%nOptions:%n",
    footer = {
      "",
      "Ranges come from the training images, accuracy and proof are of the test images.",
      "The normalization (mean, std) must be the one that the model was trained with; a file of",
      "quantrain knows it, and its size.",
      "",
      "Examples:",
      "  quantrain quantize resnet8.onnx --data fashion-mnist --out resnet8.int8.onnx",
      "  quantrain quantize resnet50.onnx --images 500 \\",
      "      --data 'imagefolder:pets?size=224&mean=0.485,0.456,0.406&std=0.229,0.224,0.225'"
    })
final class QuantizeCommand extends Verb {
  private static final int IMAGES = 1024;

  @Parameters(paramLabel = "FILE", description = "A float ONNX file.")
  private Path model;

  @Option(
      names = "--data",
      paramLabel = "SPEC",
      required = true,
      description = "The images; 'quantrain train --help' lists what there is.")
  private String data;

  @Option(
      names = "--out",
      paramLabel = "FILE",
      description = "The integer model; default: FILE's name with .w8a8, in this folder.")
  private Path out;

  @Option(
      names = "--calibrator",
      paramLabel = "NAME",
      description =
          "How the range of an activation is found: minmax (default), percentile (without the"
              + " outermost 0.01 %% of the values) or mse (least squared error).")
  private String calibrator = Calibrator.MINMAX.id();

  @Option(
      names = "--images",
      paramLabel = "N",
      description = "Training images to find the ranges from, a seeded choice; default 1024.")
  private int images = IMAGES;

  @Option(
      names = "--threads",
      paramLabel = "N",
      description = "Threads, 1 to 1024; default: one for each core.")
  private Integer threads;

  @Spec private CommandSpec spec;

  @ArgGroup(validate = false, heading = "%nQuantization:%n", order = 2)
  private QuantizationOptions quantization = new QuantizationOptions();

  QuantizeCommand(Console console) {
    super(console);
  }

  @Override
  public Integer call() throws Exception {
    refuseRepeated(spec);
    RunConfig.requireThreads("threads", threads);
    if (images < 1) {
      throw new UsageException("images: expected at least 1, got " + images);
    }
    List<String> calibrators = Arrays.stream(Calibrator.values()).map(Calibrator::id).toList();
    RunConfig.oneOf("calibrator", calibrator, calibrators);
    ObjectNode settings = ConfigFile.emptyTree();
    ConfigFile.put(settings, "model", model.toString());
    ConfigFile.put(settings, "data", data);
    ConfigFile.put(settings, "threads", threads);
    quantization.put(settings);
    RunConfig config = ConfigFile.merge(RunConfig.defaults(1, true), settings);
    config.policy();
    return new PostTraining(console(), config, model, outputOf(config), Calibrator.of(calibrator))
        .execute(images);
  }

  private Path outputOf(RunConfig config) {
    if (out != null) {
      return out;
    }
    String name = model.getFileName().toString().replaceFirst("\\.onnx$", "");
    return Path.of(name + "." + config.bits().toLowerCase(Locale.ROOT) + ".onnx");
  }
}
