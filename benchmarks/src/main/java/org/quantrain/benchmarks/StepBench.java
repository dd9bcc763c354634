package org.quantrain.benchmarks;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.quantrain.Quantrain;
import org.quantrain.graph.Model;
import org.quantrain.op.Lowering;
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
      "of first   time or growth over that of the first step of the table",
      "growth     of the largest resident memory, from the network loaded to the end",
      "           of step 20; each system in a process of its own",
      "start      from the network loaded to the end of the first step, in a new JVM",
      "",
      "Example:",
      "  ./quantrain bench step --model resnet20 --batch 128 --threads 2",
      "  ./quantrain bench step --profile"
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

  @Option(
      names = "--profile",
      description = "Instead: our W8A8 step, node by node.")
  private boolean profile;

  @Option(
      names = "--memory",
      description = "Instead: memory that grows from the loaded network to step 20.")
  private boolean memory;

  @Mixin private Printing printing;

  private final ObjectMapper mapper = new ObjectMapper();
  private final ArrayNode rows = mapper.createArrayNode();

  @Override
  public Integer call() {
    for (int batch : batches) {
      if (batch < 1) {
        throw new IllegalArgumentException("--batch: expected 1 or more, got " + batch);
      }
    }
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
    if (printing.json()) {
      System.out.println(mapper.createObjectNode().set("rows", rows));
    }
    return 0;
  }

  private void profile(String name, Model model, int batch, int count) {
    try (Quantrain quantrain = Quantrain.open(count)) {
      Backend backend = quantrain.backend();
      Model calibrated = TrainingStep.calibrated(backend, model, StepSystem.policy(8), batch);
      profile(name, batch, count, backend, calibrated);
    }
  }

  private void profile(String name, int batch, int count, Backend backend, Model calibrated) {
    try (TrainingStep step =
        TrainingStep.quantized(
            backend, calibrated, Lowering.INTEGER, batch, StepSystem.CLASSES)) {
      StepProfile result = StepProfile.of(step, samples, count);
      if (printing.json()) {
        result.writeTo(row(name, batch, count));
      } else {
        System.out.printf(
            "%n%s, %dx%d, batch %d, %d threads, W8A8%n%s", name, size, size, batch, count, result);
      }
    }
  }

  private void compare(String name, Model model, int batch, int count) {
    Map<String, StepSystem.Training> steps = new LinkedHashMap<>();
    List<StepSystem> systems = new ArrayList<>();
    try {
      for (String system : StepSystem.named(only)) {
        systems.add(new StepSystem(system, model, batch, count));
        steps.put(system, systems.get(systems.size() - 1).start());
      }
      double[] seconds =
          Sampler.medians(
              samples, steps.values().stream().map(StepSystem.Training::step).toList());
      print(name, batch, count, steps, seconds);
    } finally {
      systems.forEach(StepSystem::close);
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

  private void print(
      String model, int batch, int count, Map<String, StepSystem.Training> steps, double[] seconds) {
    heading(model, batch, count);
    if (!printing.json()) {
      System.out.printf(
          "%-30s %9s %9s %8s %8s%n", "step", "ms", "images/s", "of first", "loss");
    }
    int i = 0;
    for (Map.Entry<String, StepSystem.Training> entry : steps.entrySet()) {
      double time = seconds[i++];
      double loss = entry.getValue().loss().getAsDouble();
      if (!printing.json()) {
        System.out.printf(
            Locale.ROOT,
            "%-30s %9.1f %9.0f %8.2f %8.4f%n",
            entry.getKey(),
            time * 1e3,
            batch / time,
            time / seconds[0],
            loss);
        continue;
      }
      ObjectNode row = row(model, batch, count);
      row.put("step", entry.getKey()).put("milliseconds", time * 1e3);
      row.put("imagesPerSecond", batch / time).put("loss", loss);
    }
  }
}
