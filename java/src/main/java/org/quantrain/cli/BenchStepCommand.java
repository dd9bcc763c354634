package org.quantrain.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import org.quantrain.Quantrain;
import org.quantrain.bench.StepKind;
import org.quantrain.bench.StepTiming;
import org.quantrain.graph.Model;
import org.quantrain.op.Compute;
import org.quantrain.op.Lowering;
import org.quantrain.report.Json;
import org.quantrain.runtime.Device;
import org.quantrain.runtime.DeviceCheck;
import org.quantrain.runtime.FloatProducts;
import org.quantrain.zoo.Zoo;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/**
 * {@code quantrain bench step}: our training steps on a device. Each is timed in a process of its
 * own, so that one that fails takes no other with it, and memory is its own.
 */
@Command(
    name = "step",
    description = "Time training steps of networks of the zoo, float and quantized.",
    sortOptions = false,
    abbreviateSynopsis = true,
    optionListHeading = "%nOptions:%n",
    footer = {
      "",
      "A step is forward, backward and update on one batch of noise that lies in the device's"
          + " memory,",
      "and on CUDA one launch. The figures are a median and the fastest and slowest sample; a"
          + " sample is",
      "as many steps as take 0.1 s, between two waits for the device.",
      "",
      "of first   time over that of the first step of the same table",
      "values MB  all memory that is allocated for the step",
      "device MB  by how much the device's free memory shrinks, with what CUDA's libraries take",
      "",
      "From the source tree without --device: beside libtorch, on the CPU.",
      "",
      "Examples:",
      "  quantrain bench step --device cuda --model resnet50 --size 224 --batch 128,256",
      "  quantrain bench step --device cuda --compute f32,bf16 --only W8A8,float"
    })
final class BenchStepCommand extends Verb {
  /** Images of 64 pixels and more are ImageNet's. */
  private static final int LARGE = 64;

  @Option(
      names = "--device",
      paramLabel = "DEVICE",
      defaultValue = "cpu",
      description = "cpu (default), cuda or cuda:N.")
  private String device;

  @Option(
      names = "--model",
      split = ",",
      paramLabel = "NAME",
      defaultValue = "resnet20",
      description = "Networks of the zoo for images; default: ${DEFAULT-VALUE}.")
  private List<String> models;

  @Option(
      names = "--size",
      paramLabel = "N",
      defaultValue = "32",
      description =
          "Rows and columns of the images; default: ${DEFAULT-VALUE}. From 64 on there are 1,000"
              + " classes, else 10.")
  private int size;

  @Option(
      names = "--batch",
      split = ",",
      paramLabel = "N",
      defaultValue = "128",
      description = "Images of a step; default: ${DEFAULT-VALUE}.")
  private int[] batches;

  @Option(
      names = "--compute",
      split = ",",
      paramLabel = "TYPE",
      defaultValue = "f32",
      description =
          "Operands of the gradients' products, and of all products of a float step: f32"
              + " (default), bf16.")
  private String[] computes;

  @Option(
      names = "--lowering",
      split = ",",
      paramLabel = "LOWERING",
      defaultValue = "integer",
      description =
          "The forward pass on codes: integer (default), simulated; on CUDA the same kernels.")
  private String[] lowerings;

  @Option(
      names = "--tf32",
      paramLabel = "true|false",
      arity = "1",
      description = "On CUDA, as 'quantrain train' has it; default ${DEFAULT-VALUE}.")
  private boolean tf32 = FloatProducts.EXACT.tf32();

  @Option(
      names = "--deterministic",
      paramLabel = "true|false",
      arity = "1",
      description = "On CUDA, as 'quantrain train' has it; default ${DEFAULT-VALUE}.")
  private boolean deterministic = FloatProducts.EXACT.deterministic();

  @Option(
      names = "--only",
      split = ",",
      paramLabel = "TEXT",
      description = "Only steps whose name has one of these in it, such as LSQ or float.")
  private List<String> only = List.of();

  @Option(
      names = "--samples",
      paramLabel = "N",
      defaultValue = "15",
      description = "Samples that a median is of; default: ${DEFAULT-VALUE}.")
  private int samples;

  @Option(
      names = "--threads",
      paramLabel = "N",
      defaultValue = "0",
      description = "Threads of the CPU; default: one for each core.")
  private int threads;

  @Option(
      names = "--limit",
      paramLabel = "SECONDS",
      defaultValue = "600",
      description = "A step that is not timed by then has failed; default: ${DEFAULT-VALUE}.")
  private int limit;

  @Option(
      names = "--rows",
      paramLabel = "FILE",
      description = "Also append each step, when it is timed, to FILE as one line of JSON.")
  private Path rows;

  @Option(names = "--alone", hidden = true, description = "The first step, in this process.")
  private boolean alone;

  @Mixin private CudaLibrariesOption cudaLibraries;

  BenchStepCommand(Console console) {
    super(console);
  }

  @Override
  public Integer call() throws IOException {
    Device where = RunConfig.parseDevice(device);
    RunConfig.requireProductsOf(device, new FloatProducts(tf32, deterministic));
    require("batch", Arrays.stream(batches).min().orElse(0), 1);
    require("size", size, 1);
    require("samples", samples, 1);
    require("threads", threads, 0);
    require("limit", limit, 1);
    try {
      models.forEach(Zoo::check);
    } catch (IllegalArgumentException e) {
      throw new UsageException(e.getMessage(), e);
    }
    List<StepKind> kinds = kinds();
    if (alone) {
      console().result(timed(models.get(0), kinds.get(0), batches[0], where));
      return Main.OK;
    }
    requirePresent(where);
    ObjectNode result = Json.object();
    ArrayNode all = result.putArray("rows");
    boolean failed = false;
    for (String model : models) {
      for (int batch : batches) {
        console().say("");
        console().say("%s, %dx%d, batch %d, %s".formatted(model, size, size, batch, where));
        console().say(HEADING);
        double first = Double.NaN;
        for (StepKind kind : kinds) {
          ObjectNode row = apart(model, kind, batch);
          all.add(row);
          failed |= row.has("error");
          if (!row.has("error") && Double.isNaN(first)) {
            first = row.get("milliseconds").asDouble();
          }
          console().say(line(row, first));
          if (rows != null) {
            Files.writeString(
                rows,
                Json.line(row) + "\n",
                StandardOpenOption.CREATE,
                StandardOpenOption.APPEND);
          }
        }
      }
    }
    console().result(result);
    return failed ? Main.FAILED : Main.OK;
  }

  private static void require(String option, int value, int least) {
    if (value < least) {
      throw new UsageException("%s: expected %d or more, got %d".formatted(option, least, value));
    }
  }

  private List<StepKind> kinds() {
    List<StepKind> found;
    try {
      found =
          StepKind.all(
              Arrays.stream(lowerings).map(t -> Lowering.valueOf(upper(t, "lowering"))).toList(),
              Arrays.stream(computes).map(t -> Compute.valueOf(upper(t, "compute"))).toList());
    } catch (IllegalArgumentException e) {
      throw new UsageException(e.getMessage(), e);
    }
    List<StepKind> asked =
        found.stream()
            .filter(k -> only.isEmpty() || only.stream().anyMatch(k.name()::contains))
            .toList();
    if (asked.isEmpty()) {
      throw new UsageException(
          "only: no step's name has that in it; there are "
              + String.join(", ", found.stream().map(StepKind::name).toList()));
    }
    return asked;
  }

  private static String upper(String text, String option) {
    List<String> values =
        option.equals("compute") ? List.of("f32", "bf16") : List.of("integer", "simulated");
    RunConfig.oneOf(option, text, values);
    return text.toUpperCase(Locale.ROOT);
  }

  /** Without a device every step would say so. */
  private static void requirePresent(Device where) {
    if (where.kind() == Device.Kind.CUDA) {
      DeviceCheck check = Quantrain.checkCuda().get(0);
      if (!check.ok()) {
        throw new FailureException(
            "no device %s: %s; 'quantrain doctor' says what it takes"
                .formatted(where, check.detail()));
      }
    }
  }

  private ObjectNode named(String model, int batch, StepKind kind) {
    ObjectNode row = Json.object().put("side", "quantrain").put("model", model).put("size", size);
    return row.put("batch", batch).put("step", kind.name());
  }

  private ObjectNode timed(String model, StepKind kind, int batch, Device where) {
    Model network = Zoo.build(model, 3, size, size, size < LARGE ? 10 : 1000, 1);
    ObjectNode row = named(model, batch, kind);
    FloatProducts products = new FloatProducts(tf32, deterministic);
    try (Quantrain quantrain = Quantrain.open(where, threads, products)) {
      StepTiming timing =
          StepTiming.measure(quantrain.backend(), network, kind, batch, samples);
      row.put("device", quantrain.describe());
      Json.put(row, "milliseconds", timing.median() * 1e3);
      Json.put(row, "fastestMilliseconds", timing.fastest() * 1e3);
      Json.put(row, "slowestMilliseconds", timing.slowest() * 1e3);
      Json.put(row, "imagesPerSecond", batch / timing.median());
      Json.put(row, "loss", timing.loss());
      row.put("allocatedBytes", timing.allocatedBytes());
      timing.grownBytes().ifPresent(bytes -> row.put("deviceBytes", bytes));
    }
    return row;
  }

  /** Timed in a process of its own; with "error" where that failed. */
  private ObjectNode apart(String model, StepKind kind, int batch) throws IOException {
    List<String> command = new ArrayList<>(JavaProcess.command("bench", "step"));
    command.addAll(List.of("--alone", "--json", "--device", device, "--model", model));
    command.addAll(List.of("--size", "" + size, "--batch", "" + batch, "--only", kind.name()));
    command.addAll(List.of("--compute", kind.compute().name().toLowerCase(Locale.ROOT)));
    command.addAll(List.of("--lowering", kind.lowering().name().toLowerCase(Locale.ROOT)));
    command.addAll(List.of("--tf32", "" + tf32, "--deterministic", "" + deterministic));
    command.addAll(List.of("--samples", "" + samples, "--threads", "" + threads));
    Path said = Files.createTempFile("quantrain-step", ".json");
    Process process =
        new ProcessBuilder(command)
            .redirectError(Redirect.INHERIT)
            .redirectOutput(said.toFile())
            .start();
    try {
      if (!process.waitFor(limit, TimeUnit.SECONDS)) {
        return named(model, batch, kind).put("error", "not timed within %d s".formatted(limit));
      }
      String text = Files.readString(said, StandardCharsets.UTF_8);
      String last = text.lines().reduce("", (before, line) -> line);
      JsonNode answer = last.startsWith("{") ? Json.parse(last) : Json.object();
      if (process.exitValue() == 0) {
        return (ObjectNode) answer;
      }
      String reason = "its process ended with exit code " + process.exitValue();
      return named(model, batch, kind).put("error", answer.path("error").asText(reason));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new FailureException("interrupted while measuring");
    } finally {
      process.destroyForcibly();
      Files.delete(said);
    }
  }

  private static final String HEADING =
      "%-28s %9s %9s %9s %9s %8s %9s %9s %8s"
          .formatted(
              "step",
              "ms",
              "fastest",
              "slowest",
              "images/s",
              "of first",
              "values MB",
              "device MB",
              "loss");

  private static String line(ObjectNode row, double first) {
    String step = row.get("step").asText();
    if (row.has("error")) {
      return "%-28s failed: %s".formatted(step, row.get("error").asText());
    }
    double median = row.get("milliseconds").asDouble();
    return String.format(
        Locale.ROOT,
        "%-28s %9.2f %9.2f %9.2f %9.0f %8.2f %9.0f %9s %8s",
        step,
        median,
        row.get("fastestMilliseconds").asDouble(),
        row.get("slowestMilliseconds").asDouble(),
        row.get("imagesPerSecond").asDouble(),
        median / first,
        row.get("allocatedBytes").asDouble() / 1e6,
        row.has("deviceBytes")
            ? String.format(Locale.ROOT, "%.0f", row.get("deviceBytes").asDouble() / 1e6)
            : "",
        row.get("loss").isNull()
            ? "NaN"
            : String.format(Locale.ROOT, "%.4f", row.get("loss").asDouble()));
  }
}
