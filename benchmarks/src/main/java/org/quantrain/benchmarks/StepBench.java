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
import java.util.function.DoubleSupplier;
import org.quantrain.Quantrain;
import org.quantrain.graph.Model;
import org.quantrain.op.Lowering;
import org.quantrain.pass.Pipelines;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.quant.Quantizer;
import org.quantrain.quant.Target;
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
      "of first   time over that of the first step of the table",
      "",
      "Example:",
      "  ./quantrain bench step --model resnet20 --batch 128 --threads 2",
      "  ./quantrain bench step --profile"
    })
final class StepBench implements Callable<Integer> {
  private static final int CLASSES = 10;

  /** What {@link #open} understands. */
  private static final List<String> STEPS =
      List.of(
          "ours QAT W8A8 integer",
          "ours QAT W4A4 LSQ integer",
          "ours QAT W8A8 simulated",
          "ours float32",
          "libtorch QAT W8A8 float32",
          "libtorch QAT W8A8 bf16",
          "libtorch float32",
          "libtorch float bf16");

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

  @Mixin private Printing printing;

  private final ObjectMapper mapper = new ObjectMapper();
  private final ArrayNode rows = mapper.createArrayNode();

  /** A step, and the loss that it ends with. */
  private record Contender(Runnable step, DoubleSupplier loss) {}

  @Override
  public Integer call() {
    for (int batch : batches) {
      if (batch < 1) {
        throw new IllegalArgumentException("--batch: expected 1 or more, got " + batch);
      }
    }
    for (String name : models) {
      Model model = Zoo.build(name, 3, size, size, CLASSES, 1);
      for (int batch : batches) {
        for (int count : threads) {
          int cores = count > 0 ? count : Runtime.getRuntime().availableProcessors();
          if (profile) {
            profile(name, model, batch, cores);
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

  private static QuantPolicy policy(int bits) {
    return QuantPolicy.forTarget(Target.ORT).weights(bits).activations(bits);
  }

  private void profile(String name, Model model, int batch, int count) {
    try (Quantrain quantrain = Quantrain.open(count);
        TrainingStep step =
            TrainingStep.quantized(
                quantrain.backend(), model, policy(8), Lowering.INTEGER, batch, CLASSES)) {
      StepProfile result = StepProfile.of(step, samples, count);
      if (printing.json()) {
        ObjectNode row = rows.addObject();
        row.put("model", name).put("size", size).put("batch", batch).put("threads", count);
        result.writeTo(row);
      } else {
        System.out.printf(
            "%n%s, %dx%d, batch %d, %d threads, W8A8%n%s", name, size, size, batch, count, result);
      }
    }
  }

  private void compare(String name, Model model, int batch, int count) {
    Map<String, Contender> contenders = new LinkedHashMap<>();
    List<TrainingStep> ours = new ArrayList<>();
    try (Quantrain quantrain = Quantrain.open(count)) {
      for (String step : STEPS) {
        if (only.isEmpty() || only.stream().anyMatch(step::contains)) {
          contenders.put(step, open(step, quantrain, model, batch, count, ours));
        }
      }
      if (contenders.isEmpty()) {
        throw new IllegalArgumentException(
            "--only: no step's name has that in it; there are " + String.join(", ", STEPS));
      }
      double[] seconds =
          Sampler.medians(samples, contenders.values().stream().map(Contender::step).toList());
      print(name, batch, count, contenders, seconds);
    } finally {
      ours.forEach(TrainingStep::close);
    }
  }

  private static Contender open(
      String name,
      Quantrain quantrain,
      Model model,
      int batch,
      int count,
      List<TrainingStep> ours) {
    boolean qat = name.contains("QAT");
    if (name.startsWith("libtorch")) {
      org.bytedeco.pytorch.global.torch.set_num_threads(count);
      Model network = qat ? Pipelines.quantize(model, policy(8)) : model;
      TorchTraining peer = new TorchTraining(network, batch, CLASSES, name.contains("bf16"));
      return new Contender(peer::step, peer::loss);
    }
    Lowering lowering = name.contains("simulated") ? Lowering.SIMULATED : Lowering.INTEGER;
    QuantPolicy policy = name.contains("LSQ") ? policy(4).quantizer(Quantizer.LSQ) : policy(8);
    TrainingStep step =
        qat
            ? TrainingStep.quantized(quantrain.backend(), model, policy, lowering, batch, CLASSES)
            : TrainingStep.floats(quantrain.backend(), model, batch, CLASSES);
    ours.add(step);
    return new Contender(step::run, step::loss);
  }

  private void print(
      String model, int batch, int count, Map<String, Contender> contenders, double[] seconds) {
    if (!printing.json()) {
      System.out.printf("%n%s, %dx%d, batch %d, %d threads%n", model, size, size, batch, count);
      System.out.printf(
          "%-30s %9s %9s %8s %8s%n", "step", "ms", "images/s", "of first", "loss");
    }
    int i = 0;
    for (Map.Entry<String, Contender> entry : contenders.entrySet()) {
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
      ObjectNode row = rows.addObject();
      row.put("model", model).put("size", size).put("batch", batch).put("threads", count);
      row.put("step", entry.getKey()).put("milliseconds", time * 1e3);
      row.put("imagesPerSecond", batch / time).put("loss", loss);
    }
  }
}
