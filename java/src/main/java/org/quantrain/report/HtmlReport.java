package org.quantrain.report;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.quantrain.tensor.Shape;

/**
 * A run's page: one file of HTML with its style and pictures in it, light or dark as the reader's
 * system is, without scripts and without a network.
 */
public final class HtmlReport {
  private static final String STYLE = "report.css";

  /** Longer cells are cut; the whole name is their tooltip. */
  private static final int LONGEST_NAME = 44;

  /** The part of all epochs whose accuracy may lie below the picture, unless there are few. */
  private static final double RISE = 0.15;

  private static final int FEW_EPOCHS = 10;

  private static final Set<String> NUMERIC =
      Set.of(
          "Output",
          "Weight scale",
          "Input scale",
          "Zero-point",
          "Input range",
          "Parameters",
          "MACs",
          "V2 compared",
          "V3 compared",
          "differing");

  private final RunReport run;
  private final Markup page = new Markup();
  private final List<EpochMetrics> epochs;
  private final double floatEpochs;

  private HtmlReport(RunReport run) {
    this.run = run;
    this.epochs = inOrder(run.epochs());
    this.floatEpochs = epochs.stream().filter(HtmlReport::isFloat).count();
  }

  /** The page as text. */
  public static String render(RunReport run) {
    HtmlReport report = new HtmlReport(run);
    report.write();
    return "<!DOCTYPE html>\n" + report.page + "\n";
  }

  private static List<EpochMetrics> inOrder(List<EpochMetrics> epochs) {
    List<EpochMetrics> ordered = new ArrayList<>();
    epochs.stream().filter(HtmlReport::isFloat).forEach(ordered::add);
    epochs.stream().filter(epoch -> !isFloat(epoch)).forEach(ordered::add);
    return ordered;
  }

  private static boolean isFloat(EpochMetrics epoch) {
    return epoch.stage().equals("float");
  }

  private void write() {
    page.open("html", "lang", "en").newLine().open("head");
    page.empty("meta", "charset", "utf-8");
    page.empty("meta", "name", "viewport", "content", "width=device-width, initial-scale=1");
    page.empty("meta", "name", "color-scheme", "content", "light dark");
    page.element("title", run.run() + " – Quantrain");
    page.style(style()).close().newLine();
    page.open("body").newLine().open("main");
    writeHeader();
    writeCards();
    if (!epochs.isEmpty()) {
      writeCurves();
    }
    if (!run.layers().isEmpty()) {
      writeLayers();
    }
    writeVerification();
    writeEnvironment();
    page.close().newLine().close().newLine().close();
  }

  private static String style() {
    try (InputStream in = HtmlReport.class.getResourceAsStream(STYLE)) {
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  // ---- what came out

  private void writeHeader() {
    page.open("header");
    page.open("p", "class", "crumbs").element("b", "Quantrain").text(" " + run.run()).close();
    page.element("h1", run.sentence());
    page.open("p", "class", "facts");
    for (String fact : List.of(run.model(), run.data(), run.bits(), "target " + run.target())) {
      page.element("span", fact, "class", "chip");
    }
    page.close().close().newLine();
  }

  private void writeCards() {
    page.open("section", "class", "cards");
    RunReport.Outcome real = run.floatModel();
    RunReport.Outcome integer = run.integerModel();
    if (real != null) {
      card("Float top-1", Numbers.percent(real.top1()), error(real), "");
    }
    card("Integer top-1", Numbers.percent(integer.top1()), error(integer), "accent");
    for (ClaimResult claim : run.claims()) {
      card(
          claim.claim() + (claim.holds() ? " holds" : " does not hold"),
          Numbers.count(claim.differing()),
          "of "
              + Numbers.count(claim.compared())
              + (claim.differing() == 1 ? " codes differs" : " codes differ")
              + (claim.logitsDiffering() == 0
                  ? ""
                  : ", and " + Numbers.count(claim.logitsDiffering()) + " logits"),
          claim.holds() ? "good" : "bad");
    }
    String ratio =
        real == null
            ? integer.file()
            : String.format(
                Locale.ROOT,
                "%.1f× smaller than %s",
                (double) real.fileBytes() / Math.max(1, integer.fileBytes()),
                Numbers.bytes(real.fileBytes()));
    card("Integer file", Numbers.bytes(integer.fileBytes()), ratio, "");
    page.close().newLine();
  }

  private static String error(RunReport.Outcome outcome) {
    return String.format(
        Locale.ROOT,
        "± %.2f on %s images",
        outcome.standardError(),
        Numbers.count(outcome.images()));
  }

  private void card(String name, String value, String note, String style) {
    page.open("div", "class", ("card " + style).trim());
    page.element("p", name, "class", "name");
    page.element("p", value, "class", "value");
    page.element("p", note, "class", "note").close();
  }

  // ---- how it went

  private void writeCurves() {
    page.open("section").element("h2", "Training");
    page.open("div", "class", "charts");
    writeLoss();
    writeAccuracy();
    page.close().close().newLine();
  }

  private void writeLoss() {
    List<LineChart.Point> steps = new ArrayList<>();
    List<LineChart.Point> validation = new ArrayList<>();
    double highest = 0;
    for (int i = 0; i < epochs.size(); i++) {
      EpochMetrics epoch = epochs.get(i);
      List<Double> curve =
          epoch.lossCurve().isEmpty() ? List.of(epoch.trainLoss()) : epoch.lossCurve();
      for (int k = 0; k < curve.size(); k++) {
        if (Double.isFinite(curve.get(k))) {
          steps.add(new LineChart.Point(i + (k + 0.5) / curve.size(), curve.get(k), null));
          highest = Math.max(highest, curve.get(k));
        }
      }
      if (Double.isFinite(epoch.validationLoss())) {
        String tip = "%s: loss %s".formatted(name(epoch), Numbers.real(epoch.validationLoss()));
        validation.add(new LineChart.Point(i + 1, epoch.validationLoss(), tip));
        highest = Math.max(highest, epoch.validationLoss());
      }
    }
    LineChart chart = new LineChart("Loss", "epoch", epochs.size(), 0, highest);
    addRegions(chart);
    chart.line("train", steps).dottedLine("validation", validation);
    figure("Loss", chart, !validation.isEmpty(), false);
  }

  private void writeAccuracy() {
    List<LineChart.Point> train = new ArrayList<>();
    List<LineChart.Point> validation = new ArrayList<>();
    List<LineChart.Point> test = new ArrayList<>();
    for (int i = 0; i < epochs.size(); i++) {
      EpochMetrics epoch = epochs.get(i);
      addAccuracy(train, i + 1, epoch.trainTop1(), name(epoch) + ", training");
      addAccuracy(validation, i + 1, epoch.validationTop1(), name(epoch) + ", validation");
    }
    if (run.floatModel() != null) {
      addAccuracy(test, floatEpochs, run.floatModel().top1(), "float model, test");
    }
    addAccuracy(test, epochs.size(), run.integerModel().top1(), "integer model, test");
    // A tenth of a point at the end is worth more to see than how the first epochs rise.
    double shownFrom = epochs.size() < FEW_EPOCHS ? 0 : epochs.size() * RISE;
    double lowest = 100;
    for (List<LineChart.Point> points : List.of(train, validation, test)) {
      for (LineChart.Point point : points) {
        if (point.x() >= shownFrom) {
          lowest = Math.min(lowest, point.y());
        }
      }
    }
    LineChart chart = new LineChart("Accuracy", "epoch", epochs.size(), lowest, 100);
    addRegions(chart);
    chart.dottedLine("train", train).dottedLine("validation", validation).marks("test", test);
    figure("Top-1 accuracy, %", chart, !validation.isEmpty(), true);
  }

  private static void addAccuracy(List<LineChart.Point> to, double x, double top1, String name) {
    if (Double.isFinite(top1)) {
      to.add(new LineChart.Point(x, top1, name + ": " + Numbers.percent(top1)));
    }
  }

  private static String name(EpochMetrics epoch) {
    return "%s epoch %d".formatted(isFloat(epoch) ? "float" : "QAT", epoch.epoch());
  }

  /** One band for each run of epochs in the same phase. */
  private void addRegions(LineChart chart) {
    int from = 0;
    for (int i = 1; i <= epochs.size(); i++) {
      if (i < epochs.size() && phase(epochs.get(i)).equals(phase(epochs.get(from)))) {
        continue;
      }
      EpochMetrics first = epochs.get(from);
      chart.region(from, i, phase(first), style(first));
      from = i;
    }
  }

  private static String phase(EpochMetrics epoch) {
    return switch (epoch.phase()) {
      case "FLOAT_TRAIN" -> "float";
      case "TRAIN_DELAYED" -> "observing";
      case "TRAIN" -> "QAT";
      case "TRAIN_FROZEN" -> "frozen";
      default -> epoch.phase().toLowerCase(Locale.ROOT);
    };
  }

  private static String style(EpochMetrics epoch) {
    return isFloat(epoch)
        ? "float"
        : epoch.phase().equals("TRAIN_FROZEN") ? "quantized frozen" : "quantized";
  }

  private void figure(String title, LineChart chart, boolean validation, boolean test) {
    page.open("figure");
    page.open("figcaption").element("b", title);
    page.open("span", "class", "legend");
    page.element("span", "training", "class", "key train");
    if (validation) {
      page.element("span", "validation", "class", "key validation");
    }
    if (test) {
      page.element("span", "test", "class", "key test");
    }
    page.close().close();
    chart.writeTo(page);
    page.close();
  }

  // ---- layers

  private void writeLayers() {
    long parameters = run.layers().stream().mapToLong(LayerRow::parameters).sum();
    long macs = run.layers().stream().mapToLong(LayerRow::macs).sum();
    page.open("section").element("h2", "Layers of the integer model");
    page.element(
        "p",
        "%s parameters, %s multiply-adds per image. Ranges are what the codes can express."
            .formatted(Numbers.count(parameters), Numbers.count(macs)),
        "class",
        "lead");
    page.open("div", "class", "scroll").open("table");
    header(
        "Layer",
        "Kind",
        "Output",
        "Bits",
        "Weight scale",
        "Weight codes",
        "Input scale",
        "Zero-point",
        "Input range",
        "Parameters",
        "MACs");
    page.open("tbody");
    for (LayerRow row : run.layers()) {
      page.open("tr");
      nameCell(row.name());
      page.element("td", row.kind().replaceAll("(?<=\\d)x(?=\\d)", "×"))
          .element("td", shape(row.output()), "class", "n");
      writeQuantization(row);
      numberCell(row.parameters() == 0 ? "" : Numbers.count(row.parameters()));
      writeMacs(row, macs);
      page.close().newLine();
    }
    page.close().close().close().close().newLine();
  }

  private void writeQuantization(LayerRow row) {
    LayerRow.Weights weights = row.weights();
    LayerRow.Activation input = row.input();
    String weightBits = weights == null ? "" : "W" + weights.bits();
    String inputBits = input == null ? "" : "A" + input.bits();
    page.open("td");
    if (!(weightBits + inputBits).isEmpty()) {
      page.element("span", weightBits + inputBits, "class", "bits");
    }
    page.close();
    if (weights == null) {
      page.element("td", "").element("td", "");
    } else {
      numberCell(scales(weights));
      page.open("td");
      CodeHistogram.writeTo(page, weights);
      page.close();
    }
    if (input == null) {
      page.element("td", "").element("td", "").element("td", "");
    } else {
      numberCell(Numbers.real(input.scale()));
      numberCell(Integer.toString(input.zeroPoint()));
      numberCell(Numbers.real(input.min()) + " … " + Numbers.real(input.max()));
    }
  }

  private static String scales(LayerRow.Weights weights) {
    return weights.scaleMin() == weights.scaleMax()
        ? Numbers.real(weights.scaleMin())
        : Numbers.real(weights.scaleMin()) + " … " + Numbers.real(weights.scaleMax());
  }

  private void writeMacs(LayerRow row, long all) {
    if (row.macs() == 0) {
      page.element("td", "");
      return;
    }
    double share = 100.0 * row.macs() / Math.max(1, all);
    String width = String.format(Locale.ROOT, "background-size:%.1f%% 3px", share);
    page.element("td", Numbers.compact(row.macs()), "class", "n share", "style", width);
  }

  private static String shape(Shape shape) {
    List<String> dims = new ArrayList<>();
    for (int dim : shape.dims()) {
      dims.add(Integer.toString(dim));
    }
    return String.join("×", dims);
  }

  // ---- verification

  private void writeVerification() {
    page.open("section").element("h2", "Verification");
    if (run.claims().isEmpty()) {
      page.element("p", "Nothing was verified.", "class", "lead").close().newLine();
      return;
    }
    page.open("ul", "class", "claims");
    for (ClaimResult claim : run.claims()) {
      page.open("li", "class", claim.holds() ? "good" : "bad");
      page.element("b", claim.claim()).text(" " + claim.subject() + " against ");
      page.text(claim.against() + ": " + claim.verdict() + ".");
      if (claim.first() != null) {
        page.empty("br").text("First: " + claim.firstDifference() + ".");
      }
      page.close();
    }
    page.close();
    writeTensors();
    page.close().newLine();
  }

  private void writeTensors() {
    Map<String, ClaimResult.TensorResult[]> tensors = new LinkedHashMap<>();
    for (int i = 0; i < run.claims().size(); i++) {
      for (ClaimResult.TensorResult tensor : run.claims().get(i).tensors()) {
        tensors
                .computeIfAbsent(
                    tensor.tensor(), name -> new ClaimResult.TensorResult[run.claims().size()])[i] =
            tensor;
      }
    }
    if (tensors.isEmpty()) {
      return;
    }
    page.open("div", "class", "scroll").open("table");
    List<String> columns = new ArrayList<>(List.of("Tensor"));
    for (ClaimResult claim : run.claims()) {
      columns.add(claim.claim() + " compared");
      columns.add("differing");
    }
    columns.add("First difference");
    header(columns.toArray(String[]::new));
    page.open("tbody");
    for (Map.Entry<String, ClaimResult.TensorResult[]> entry : tensors.entrySet()) {
      page.open("tr");
      nameCell(entry.getKey());
      for (ClaimResult.TensorResult tensor : entry.getValue()) {
        numberCell(tensor == null ? "–" : Numbers.count(tensor.compared()));
        page.element(
            "td",
            tensor == null ? "–" : Numbers.count(tensor.differing()),
            "class",
            tensor == null || !tensor.claimed()
                ? "n"
                : tensor.differing() == 0 ? "n good" : "n bad");
      }
      page.element("td", firstDifference(entry.getKey())).close().newLine();
    }
    page.close().close().close();
  }

  private String firstDifference(String tensor) {
    TreeSet<String> found = new TreeSet<>();
    for (ClaimResult claim : run.claims()) {
      ClaimResult.Difference first = claim.first();
      if (first != null && first.tensor().equals(tensor)) {
        found.add(
            "%s: %s at %s, %s against %s"
                .formatted(
                    claim.claim(),
                    first.image() < 0 ? "weight" : "image " + first.image(),
                    first.coordinates(),
                    first.subjectValue(),
                    first.againstValue()));
      }
    }
    return String.join("; ", found);
  }

  // ---- where it ran

  private void writeEnvironment() {
    page.open("section").element("h2", "Environment");
    page.open("dl");
    run.environment()
        .forEach(
            (name, value) -> page.open("div").element("dt", name).element("dd", value).close());
    page.close();
    page.open("details").element("summary", "config.yaml");
    page.element("pre", run.config()).close().close().newLine();
  }

  // ---- tables

  private void header(String... names) {
    page.open("thead").open("tr");
    for (String name : names) {
      page.element("th", name, "class", NUMERIC.contains(name) ? "n" : null);
    }
    page.close().close().newLine();
  }

  private void nameCell(String name) {
    String shown =
        name.length() <= LONGEST_NAME ? name : "…" + name.substring(name.length() - LONGEST_NAME);
    page.element("th", shown, "scope", "row", "title", shown.equals(name) ? null : name);
  }

  private void numberCell(String text) {
    page.element("td", text, "class", "n");
  }
}
