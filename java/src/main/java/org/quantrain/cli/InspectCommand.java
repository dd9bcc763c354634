package org.quantrain.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.quantrain.graph.Model;
import org.quantrain.integer.IntegerModel;
import org.quantrain.onnx.OnnxReader;
import org.quantrain.report.Json;
import org.quantrain.report.LayerRow;
import org.quantrain.report.LayerTable;
import org.quantrain.report.Numbers;
import org.quantrain.tensor.Shape;
import picocli.CommandLine.Command;
import picocli.CommandLine.Parameters;

/** {@code quantrain inspect}. */
@Command(
    name = "inspect",
    description = "List the layers of a model: shapes, bits, scales, ranges, parameters, work.",
    sortOptions = false,
    abbreviateSynopsis = true,
    optionListHeading = "%nOptions:%n",
    footer = {
      "",
      "Examples:",
      "  quantrain inspect resnet8.onnx",
      "  quantrain inspect runs/digits-lenet-w8a8-1"
    })
final class InspectCommand extends Verb {
  @Parameters(
      paramLabel = "FILE|RUN",
      description = "An ONNX file, or a run's folder for its integer model.")
  private Path subject;

  InspectCommand(Console console) {
    super(console);
  }

  @Override
  public Integer call() throws Exception {
    Path file = Files.isDirectory(subject) ? modelOf(SavedRun.open(subject)) : subject;
    ObjectNode result = Json.object();
    result.put("file", file.toString());
    if (ModelFile.isQuantized(file)) {
      IntegerModel model = IntegerModel.read(file);
      result.put("kind", "integer").put("input", dims(model.inputSpec().shape(), 1));
      inspect(result, file, LayerTable.of(model.toGraph(), model.contents()));
      describe(result, model);
    } else {
      Model model = OnnxReader.read(file);
      Shape input = model.graph().inputs().get(0).spec().shape();
      result.put("kind", "float").put("input", dims(input, 1));
      inspect(result, file, LayerTable.of(model.graph(), model.contents()));
    }
    console().result(result);
    return Main.OK;
  }

  private static Path modelOf(SavedRun run) {
    Path integer = run.directory().integerModel(run.config().bits(), run.config().suffix());
    return Files.exists(integer) ? integer : run.floatModel();
  }

  private void describe(ObjectNode result, IntegerModel model) {
    Map<String, String> metadata = new TreeMap<>(model.metadata());
    ObjectNode json = result.putObject("metadata");
    metadata.forEach(json::put);
    String digest =
        model.digestMatches().map(matches -> matches ? "matches" : "broken").orElse("none");
    result.put("digest", digest);
    console().say("");
    metadata.forEach((key, value) -> console().say(key + " = " + printable(value)));
    console()
        .say(
            switch (digest) {
              case "matches" -> "The digest matches: the constants are those that were written.";
              case "broken" -> "The digest is BROKEN: the file was changed after it was written.";
              default -> "There is no digest in the file.";
            });
  }

  private void inspect(ObjectNode result, Path file, List<LayerRow> rows) throws IOException {
    TextTable table =
        new TextTable(
            "layer",
            "kind",
            ">output",
            "bits",
            ">weight scale",
            ">weight range",
            ">input scale",
            ">zero",
            ">input range",
            ">parameters",
            ">multiply-adds");
    ArrayNode layers = result.putArray("layers");
    for (LayerRow row : rows) {
      layers.add(toJson(row));
      LayerRow.Weights w = row.weights();
      LayerRow.Activation x = row.input();
      table.add(
          printable(row.name()),
          row.kind(),
          dims(row.output(), 0),
          bits(w, x),
          w == null || w.scales() == 0 ? "" : range(w.scaleMin(), w.scaleMax()),
          w == null ? "" : range(w.min(), w.max()),
          x == null ? "" : Numbers.real(x.scale()),
          x == null ? "" : Integer.toString(x.zeroPoint()),
          x == null ? "" : range(x.min(), x.max()),
          row.parameters() == 0 ? "" : Numbers.count(row.parameters()),
          row.macs() == 0 ? "" : Numbers.count(row.macs()));
    }
    table.lines().forEach(console()::say);
    long parameters = rows.stream().mapToLong(LayerRow::parameters).sum();
    long macs = rows.stream().mapToLong(LayerRow::macs).sum();
    long bytes = Files.size(file);
    result.put("parameters", parameters).put("multiplyAdds", macs).put("fileBytes", bytes);
    console().say("");
    console()
        .say(
            "%s parameters, %s multiply-adds per image, %s bytes in %s"
                .formatted(
                    Numbers.count(parameters), Numbers.count(macs), Numbers.count(bytes), file));
  }

  private static String bits(LayerRow.Weights w, LayerRow.Activation x) {
    if (w != null && w.histogram().length == 0) {
      return "float";
    }
    return (w == null ? "" : "W" + w.bits()) + (x == null ? "" : "A" + x.bits());
  }

  private static ObjectNode toJson(LayerRow row) {
    ObjectNode json = Json.object();
    json.put("name", row.name()).put("kind", row.kind());
    ArrayNode output = json.putArray("output");
    for (int dim : row.output().dims()) {
      output.add(dim);
    }
    json.put("parameters", row.parameters()).put("multiplyAdds", row.macs());
    LayerRow.Weights w = row.weights();
    if (w != null) {
      ObjectNode weights = json.putObject("weights").put("bits", w.bits());
      weights.put("scales", w.scales());
      Json.put(weights, "scaleMin", w.scaleMin());
      Json.put(weights, "scaleMax", w.scaleMax());
      Json.put(weights, "min", w.min());
      Json.put(weights, "max", w.max());
    }
    LayerRow.Activation x = row.input();
    if (x != null) {
      ObjectNode input = json.putObject("input").put("bits", x.bits());
      Json.put(input, "scale", x.scale());
      input.put("zeroPoint", x.zeroPoint());
      Json.put(input, "min", x.min());
      Json.put(input, "max", x.max());
    }
    return json;
  }

  private static String range(double from, double to) {
    return from == to ? Numbers.real(from) : Numbers.real(from) + " .. " + Numbers.real(to);
  }

  private static String dims(Shape shape, int from) {
    StringBuilder text = new StringBuilder();
    for (int i = from; i < shape.rank(); i++) {
      text.append(i == from ? "" : "x").append(shape.dim(i));
    }
    return text.toString();
  }

  /** Names and texts of a file are untrusted: no escape may reach a terminal. */
  private static String printable(String text) {
    return text.replaceAll("\\p{Cntrl}+", " ");
  }
}
