package org.quantrain.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.quantrain.export.DeployedModel;
import org.quantrain.export.ExportFormat;
import org.quantrain.io.AtomicFile;
import org.quantrain.report.Json;
import org.quantrain.report.Numbers;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code quantrain export}. */
@Command(
    name = "export",
    description = "Write an integer model in the form of another tool, nothing recomputed.",
    sortOptions = false,
    abbreviateSynopsis = true,
    optionListHeading = "%nOptions:%n",
    footer = {
      "",
      "Formats:",
      "  onnx-qdq         ONNX with QuantizeLinear and DequantizeLinear, for ONNX Runtime",
      "  onnx-qoperator   ONNX with QLinearConv and its like, for ONNX Runtime",
      "  safetensors      integer weights, biases, scales and zero-points",
      "  ranges           scale, zero-point and range of every tensor as JSON",
      "  tensorrt-cache   ranges of activations as a calibration cache of TensorRT",
      "  snpe-encodings   encodings of all tensors as JSON, for SNPE and QNN",
      "  vitis-positions  bit widths and positions of the binary point as JSON, for Vitis AI",
      "",
      "Examples:",
      "  quantrain export runs/digits-lenet-w8a8-1 --format ranges",
      "  quantrain export resnet8.int8.onnx --format safetensors --out resnet8.safetensors"
    })
final class ExportCommand extends Verb {
  @Parameters(paramLabel = "FILE|RUN", description = "An integer ONNX file, or a run's folder.")
  private Path subject;

  @Option(
      names = "--format",
      paramLabel = "NAME",
      required = true,
      description = "One of those below.")
  private String format;

  @Option(
      names = "--out",
      paramLabel = "FILE",
      description = "The file to write; default: the model's name with another ending, here.")
  private Path out;

  ExportCommand(Console console) {
    super(console);
  }

  @Override
  public Integer call() throws Exception {
    List<String> ids = ExportFormat.all().stream().map(ExportFormat::id).toList();
    RunConfig.oneOf("format", format, ids);
    Path file = Files.isDirectory(subject) ? SavedRun.open(subject).integerModel() : subject;
    if (!ModelFile.isQuantized(file)) {
      throw new FailureException(
          file + ": a float model; 'quantrain quantize' or 'quantrain train' makes an integer one");
    }
    ExportFormat to = ExportFormat.of(format);
    Path target = out == null ? defaultName(file, to) : out;
    if (Files.exists(target) && Files.isSameFile(file, target)) {
      throw new UsageException("out: " + target + " is the model itself; name another file");
    }
    byte[] bytes = to.toBytes(DeployedModel.read(file));
    AtomicFile.write(target, bytes);
    console().fact("file", "%s, %s, %s".formatted(target, to.id(), Numbers.bytes(bytes.length)));
    ObjectNode result = Json.object().put("model", file.toString()).put("format", to.id());
    result.put("file", target.toString()).put("bytes", bytes.length);
    console().result(result);
    return Main.OK;
  }

  private static Path defaultName(Path file, ExportFormat to) {
    String name = file.getFileName().toString().replaceFirst("\\.onnx$", "");
    return Path.of(name + to.extension());
  }
}
