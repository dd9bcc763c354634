package org.quantrain.benchmarks;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.quantrain.Quantrain;
import org.quantrain.bench.RepeatedStep;
import org.quantrain.bench.Sampler;
import org.quantrain.graph.Model;
import org.quantrain.op.Conv2d;
import org.quantrain.runtime.Backend;
import org.quantrain.zoo.Zoo;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/**
 * {@code quantrain bench step}: a training step, float and quantization-aware, beside the same
 * network in libtorch. Samples of all of them take turns; figures are medians. The batch lies in
 * memory.
 */
@Command(
    name = "step",
    description = "Time a training step, float and quantized, beside libtorch.",
    sortOptions = false,
    abbreviateSynopsis = true,
    optionListHeading = "%nOptions:%n",
    footer = {
      "",
      "A step is forward, backward and update on one batch in memory. integer: the",
      "forward pass on codes, simulated: on integer-valued floats; gradients are",
      "float32 in both. libtorch runs channels-last; quantized, it has the operator",
      "fused_moving_avg_obs_fake_quant where ours has a quantizer.",
      "",
      "floor      the sum over the nodes of the longer of their bytes at a copy's",
      "           bandwidth and their products at the rate of a large one",
      "of first   time or growth over that of the first step of the table",
      "growth     of the largest resident memory, from the network loaded to the end",
      "           of step 20; each system in a process of its own",
      "start      from the network loaded to the end of the first step, in a new JVM",
      "",
      "With --device, on a GPU or the CPU, our steps alone: --device cpu --help.",
      "",
      "Example:",
      "  ./quantrain bench step --model resnet20 --batch 128 --threads 2",
      "  ./quantrain bench step --profile --html roofline.html"
    })
final class StepBench implements Callable<Integer> {
  @Option(
      names = "--model",
      split = ",",
      paramLabel = "NAME",
      defaultValue = "resnet20",
      description = "Networks of the zoo for images (default: ${DEFAULT-VALUE}).")
  private List<String> models;

  @Option(
      names = "--size",
      paramLabel = "N",
      defaultValue = "32",
      description = "Rows and columns of the images (default: ${DEFAULT-VALUE}).")
  private int size;

  @Option(
      names = "--batch",
      split = ",",
      paramLabel = "N",
      defaultValue = "128",
      description = "Images of a step (default: ${DEFAULT-VALUE}).")
  private int[] batches;

  @Option(
      names = "--threads",
      split = ",",
      paramLabel = "N",
      defaultValue = "0",
      description = "Threads of both sides (default: one per core).")
  private int[] threads;

  @Option(
      names = "--samples",
      paramLabel = "N",
      defaultValue = "9",
      description = "Samples that a median is of (default: ${DEFAULT-VALUE}).")
  private int samples;

  @Option(
      names = "--only",
      split = ",",
      paramLabel = "TEXT",
      description = "Only steps whose name has one of these in it, such as ours or QAT.")
  private List<String> only = List.of();

  @Option(names = "--profile", description = "Instead: our W8A8 step, node by node.")
  private boolean profile;

  @Option(
      names = "--memory",
      description = "Instead: memory that grows from the loaded network to step 20.")
  private boolean memory;

  @Option(
      names = "--html",
      paramLabel = "FILE",
      description = {
        "Also a picture: with --profile every node",
        "against the machine's limits, otherwise",
        "throughput against batch or width."
      })
  private Path html;

  @Mixin private Printing printing;

  private final ObjectMapper mapper = new ObjectMapper();
  private final ArrayNode rows = mapper.createArrayNode();
  private final List<StepPage.Throughput> throughputs = new ArrayList<>();
  private final Map<Integer, MachineRates> rates = new HashMap<>();

  @Override
  public Integer call() {
    for (int batch : batches) {
      if (batch < 1) {
        throw new IllegalArgumentException("--batch: expected 1 or more, got " + batch);
      }
    }
    refusePictures();
    for (String name : models) {
      Model model = Zoo.build(name, 3, size, size, StepSystem.CLASSES, 1);
      for (int batch : batches) {
        for (int count : threads) {
          int cores = count > 0 ? count : Runtime.getRuntime().availableProcessors();
          if (profile) {
            profile(name, model, batch, cores);
          } else if (memory) {
            remember(name, batch, cores);
          } else {
            compare(name, model, batch, cores);
          }
        }
      }
    }
    if (html != null && !profile) {
      String title = "Training steps, " + String.join(", ", models);
      String size = batches.length > 1 ? "images of a batch" : "channels of the first layer";
      write(StepPage.scaling(title, size, throughputs));
    }
    if (printing.json()) {
      System.out.println(mapper.createObjectNode().set("rows", rows));
    }
    return 0;
  }

  private void refusePictures() {
    boolean several = batches.length > 1 || models.size() > 1;
    if (html != null && (memory || (profile ? several || threads.length > 1 : !several))) {
      throw new IllegalArgumentException(
          "--html: expected --profile of one step, or several --batch or --model to compare");
    }
  }

  private void write(String page) {
    try {
      Files.writeString(html, page);
    } catch (IOException e) {
      throw new UncheckedIOException("--html: cannot write " + html, e);
    }
  }

  private MachineRates rates(Backend backend, int count) {
    return rates.computeIfAbsent(count, n -> MachineRates.measure(backend, samples, n));
  }

  private void profile(String name, Model model, int batch, int count) {
    try (Quantrain quantrain = Quantrain.open(count)) {
      Backend backend = quantrain.backend();
      Model calibrated =
          StepSystem.W8A8.of(backend, model, RepeatedStep.images(model, batch));
      profile(name, batch, count, backend, calibrated);
    }
  }

  private void profile(String name, int batch, int count, Backend backend, Model calibrated) {
    try (RepeatedStep step = new RepeatedStep(backend, calibrated, StepSystem.W8A8, batch)) {
      StepProfile result = StepProfile.of(step, samples, rates(backend, count));
      String title =
          "%s, %dx%d, batch %d, %d threads, W8A8".formatted(name, size, size, batch, count);
      if (html != null) {
        write(StepPage.roofline(title, result));
      }
      if (printing.json()) {
        result.writeTo(row(name, batch, count));
      } else {
        System.out.printf("%n%s%n%s", title, result);
      }
    }
  }

  private void compare(String name, Model model, int batch, int count) {
    List<String> names = StepSystem.named(only);
    List<StepSystem> systems = new ArrayList<>();
    List<StepSystem.Training> steps = new ArrayList<>();
    try (Quantrain quantrain = Quantrain.open(count)) {
      for (String system : names) {
        systems.add(new StepSystem(system, model, batch, count));
        steps.add(systems.get(systems.size() - 1).start());
      }
      MachineRates limits = rates(quantrain.backend(), count);
      double[] seconds =
          Sampler.medians(
              samples,
              Sampler.REST_MILLIS,
              steps.stream().map(StepSystem.Training::step).toList());
      heading(name, batch, count);
      if (!printing.json()) {
        System.out.printf(
            "%-30s %9s %9s %9s %8s %8s%n",
            "step", "ms", "images/s", "floor ms", "of first", "loss");
      }
      for (int i = 0; i < seconds.length; i++) {
        double floor = systems.get(i).floor(limits);
        double loss = steps.get(i).loss().getAsDouble();
        double x = batches.length > 1 ? batch : firstChannels(model);
        throughputs.add(
            new StepPage.Throughput(
                title(names.get(i), name, count), x, batch / seconds[i], batch / floor));
        print(names.get(i), row(name, batch, count), seconds[i], floor, seconds[0], loss);
      }
    } finally {
      systems.forEach(StepSystem::close);
    }
  }

  /** Of a curve: what else there are several of. */
  private String title(String system, String model, int count) {
    return system
        + (batches.length > 1 && models.size() > 1 ? ", " + model : "")
        + (threads.length > 1 ? ", " + count + (count == 1 ? " thread" : " threads") : "");
  }

  private static int firstChannels(Model model) {
    return model.graph().nodes().stream()
        .filter(n -> n.op() instanceof Conv2d)
        .mapToInt(n -> n.output(0).spec().shape().dim(1))
        .findFirst()
        .orElse(1);
  }

  private void print(
      String system, ObjectNode row, double seconds, double floor, double first, double loss) {
    double batch = row.get("batch").asInt();
    row.put("step", system).put("milliseconds", seconds * 1e3);
    row.put("imagesPerSecond", batch / seconds).put("loss", loss);
    if (!Double.isNaN(floor)) {
      row.put("floorMilliseconds", floor * 1e3);
    }
    if (!printing.json()) {
      System.out.printf(
          Locale.ROOT,
          "%-30s %9.1f %9.0f %9s %8.2f %8.4f%n",
          system,
          seconds * 1e3,
          batch / seconds,
          Double.isNaN(floor) ? "" : String.format(Locale.ROOT, "%.1f", floor * 1e3),
          seconds / first,
          loss);
    }
  }

  private void remember(String name, int batch, int count) {
    heading(name, batch, count);
    if (!printing.json()) {
      System.out.printf(
          "%-30s %9s %9s %8s %8s%n", "step", "loaded MB", "growth MB", "of first", "start s");
    }
    long first = 0;
    for (String system : StepSystem.named(only)) {
      StepMemory memory = StepMemory.of(system, name, size, batch, count);
      first = first == 0 ? memory.growthBytes() : first;
      if (!printing.json()) {
        System.out.printf(
            Locale.ROOT,
            "%-30s %9.0f %9.0f %8.2f %8.2f%n",
            system,
            memory.loadedBytes() / 1e6,
            memory.growthBytes() / 1e6,
            (double) memory.growthBytes() / first,
            memory.startSeconds());
        continue;
      }
      ObjectNode row = row(name, batch, count).put("step", system);
      row.put("loadedBytes", memory.loadedBytes()).put("growthBytes", memory.growthBytes());
      row.put("startSeconds", memory.startSeconds());
    }
  }

  private void heading(String model, int batch, int count) {
    if (!printing.json()) {
      System.out.printf("%n%s, %dx%d, batch %d, %d threads%n", model, size, size, batch, count);
    }
  }

  private ObjectNode row(String model, int batch, int count) {
    ObjectNode row = rows.addObject();
    return row.put("model", model).put("size", size).put("batch", batch).put("threads", count);
  }
}
