package org.quantrain.benchmarks;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.function.Supplier;
import org.quantrain.Quantrain;
import org.quantrain.bench.RepeatedStep;
import org.quantrain.bench.Sampler;
import org.quantrain.bench.StepKind;
import org.quantrain.data.Augmentation;
import org.quantrain.data.Batches;
import org.quantrain.data.Batches.Position;
import org.quantrain.data.DataException;
import org.quantrain.data.DataSource;
import org.quantrain.data.Datasets;
import org.quantrain.data.Prefetch;
import org.quantrain.graph.Model;
import org.quantrain.pass.AddLoss;
import org.quantrain.plan.Plan;
import org.quantrain.runtime.Backend;
import org.quantrain.zoo.Zoo;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/**
 * {@code quantrain bench input}: how many images a second the input makes alone, and what a
 * training step takes with its images made beside it, before it, or lying in memory.
 */
@Command(
    name = "input",
    description = "Time decoding and augmenting images, alone and beside a training step.",
    sortOptions = false,
    abbreviateSynopsis = true,
    optionListHeading = "%nOptions:%n",
    footer = {
      "",
      "The images are JPEG files that the benchmark makes: small ones, which are",
      "decoded once and then kept, and photographs, of which every batch decodes",
      "others and cuts out random parts. The step is quantized, on all cores.",
      "needs, /s  images that the step alone takes in a second",
      "in memory  the step alone, always on the same batch",
      "in turn    a batch is made on all cores, then the step runs",
      "ahead, N   N threads make the next batches while the step runs",
      "",
      "Example:",
      "  ./quantrain bench input --model lenet,resnet20 --threads 1,2"
    })
final class InputBench implements Callable<Integer> {
  private static final int SIDE = 32;
  private static final int SMALL = 1024;
  private static final int PHOTOGRAPHS = 128;
  private static final int CLASSES = 10;

  /** Until then the decoders' code is compiled. */
  private static final int WARM_UP_MILLIS = 1500;

  @Option(
      names = "--model",
      split = ",",
      paramLabel = "NAME",
      defaultValue = "lenet,resnet20",
      description = "Convolutional networks of the zoo, on 32x32 (default: ${DEFAULT-VALUE}).")
  private List<String> models;

  @Option(
      names = "--batch",
      paramLabel = "N",
      defaultValue = "128",
      description = "Images of a step (default: ${DEFAULT-VALUE}).")
  private int batch;

  @Option(
      names = "--threads",
      split = ",",
      paramLabel = "N",
      defaultValue = "1,2",
      description = "Threads of the input (default: ${DEFAULT-VALUE}).")
  private int[] threads;

  @Option(
      names = "--steps",
      paramLabel = "N",
      defaultValue = "8",
      description = "Steps of a sample (default: ${DEFAULT-VALUE}).")
  private int steps;

  @Option(
      names = "--samples",
      paramLabel = "N",
      defaultValue = "3",
      description = "Samples that a median is of (default: ${DEFAULT-VALUE}).")
  private int samples;

  @Mixin private Printing printing;

  private final ObjectMapper mapper = new ObjectMapper();
  private final ArrayNode rows = mapper.createArrayNode();

  /**
   * What images are made of, and what is done to them.
   *
   * @param source makes a new one, that has kept no image yet, or gives one that has
   */
  private record Work(String name, Augmentation augmentation, Supplier<DataSource> source) {
    Batches batches(int size) {
      return Batches.shuffled(source.get(), size, 1).with(augmentation);
    }
  }

  @Override
  public Integer call() throws IOException {
    if (batch < 1 || batch > SMALL || steps < 1) {
      throw new IllegalArgumentException(
          "--batch and --steps: expected 1 or more, and a batch of at most %d, got %d and %d"
              .formatted(SMALL, batch, steps));
    }
    try (JpegFolder small = new JpegFolder(SMALL, SIDE, SIDE);
        JpegFolder photographs = new JpegFolder(PHOTOGRAPHS, 375, 500)) {
      Augmentation shifts = Augmentation.cropAndFlip(4);
      Augmentation parts = Augmentation.resizeCropAndFlip(Augmentation.SMALLEST_PART);
      String photograph = "375x500 of %d KB".formatted(photographs.bytes() / 1000);
      DataSource kept = load(small.spec());
      pass(new Work("", Augmentation.NONE, () -> kept), 1);
      Work fromMemory = new Work("32x32 in memory, crop-flip:4", shifts, () -> kept);
      Work fromFiles =
          new Work(
              photograph + " to 32, resize-crop-flip",
              parts,
              () -> load(photographs.spec() + "?size=32"));
      alone(
          List.of(
              fromMemory,
              new Work("32x32 of 1 KB, crop-flip:4", shifts, () -> load(small.spec())),
              fromFiles,
              new Work(
                  photograph + " to 224, resize-crop-flip",
                  parts,
                  () -> load(photographs.spec() + "?size=224")),
              new Work(
                  photograph + " to 224, whole",
                  Augmentation.NONE,
                  () -> load(photographs.spec() + "?size=224"))));
      beside(List.of(fromMemory, fromFiles));
    }
    if (printing.json()) {
      System.out.println(mapper.createObjectNode().set("rows", rows));
    }
    return 0;
  }

  private static DataSource load(String spec) {
    try {
      return Datasets.load(spec).train();
    } catch (DataException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** Takes the batches of one epoch. */
  private static void pass(Work work, int threads) {
    Batches batches = work.batches(32);
    FloatBuffer images = batches.allocateImages();
    IntBuffer labels = batches.allocateLabels();
    int count = batches.batchesPerEpoch();
    try (Prefetch ahead = new Prefetch(batches, Position.START, count, threads)) {
      for (int b = 0; b < count; b++) {
        ahead.next(images, labels);
      }
    }
  }

  private void alone(List<Work> works) {
    if (!printing.json()) {
      System.out.printf("%n%-48s", "images/s, the input alone, by threads");
      for (int count : threads) {
        System.out.printf(" %9d", count);
      }
      System.out.println();
    }
    for (Work work : works) {
      List<Runnable> passes = new ArrayList<>();
      for (int count : threads) {
        passes.add(() -> pass(work, count));
      }
      Sampler.repeat(passes.get(0), WARM_UP_MILLIS);
      double[] seconds = Sampler.medians(samples, passes);
      int images = work.source.get().size();
      StringBuilder line = new StringBuilder("%-48s".formatted(work.name));
      for (int i = 0; i < threads.length; i++) {
        line.append(String.format(Locale.ROOT, " %9.0f", images / seconds[i]));
        ObjectNode row = rows.addObject().put("images", work.name);
        row.put("inputThreads", threads[i]).put("imagesPerSecond", images / seconds[i]);
      }
      say(line);
    }
  }

  private void beside(List<Work> works) {
    String title = "ms of a step of %d images".formatted(batch);
    StringBuilder head =
        new StringBuilder(
            "%n%-48s %9s %9s %9s".formatted(title, "needs, /s", "in memory", "in turn"));
    for (int count : threads) {
      head.append(" %9s".formatted("ahead, " + count));
    }
    say(head);
    try (Quantrain quantrain = Quantrain.open()) {
      for (String name : models) {
        Model model = Zoo.build(name, 3, SIDE, SIDE, CLASSES, 1);
        Backend backend = quantrain.backend();
        StepKind kind = StepSystem.W8A8;
        Model calibrated = kind.of(backend, model, RepeatedStep.images(model, batch));
        try (RepeatedStep step = new RepeatedStep(backend, calibrated, kind, batch)) {
          for (Work work : works) {
            beside(name, step, work);
          }
        }
      }
    }
  }

  private void beside(String model, RepeatedStep step, Work work) {
    Plan plan = step.plan();
    FloatBuffer images = plan.input(plan.graph().inputs().get(0)).asFloatBuffer();
    IntBuffer labels = plan.input(AddLoss.LABELS).asIntBuffer();
    Batches batches = work.batches(batch);
    List<Runnable> ways = new ArrayList<>();
    ways.add(
        () -> {
          for (int i = 0; i < steps; i++) {
            step.run();
          }
        });
    ways.add(
        () -> {
          for (int i = 0; i < steps; i++) {
            batches.fill(i, 0, images, labels);
            step.run();
          }
        });
    for (int count : threads) {
      ways.add(
          () -> {
            try (Prefetch ahead = new Prefetch(batches, Position.START, steps, count)) {
              for (int i = 0; i < steps; i++) {
                ahead.next(images, labels);
                step.run();
              }
            }
          });
    }
    double[] seconds = Sampler.medians(samples, ways);
    double needs = batch * steps / seconds[0];
    StringBuilder line = new StringBuilder("%-48s".formatted(model + ", " + work.name));
    line.append(String.format(Locale.ROOT, " %9.0f", needs));
    for (int i = 0; i < seconds.length; i++) {
      double milliseconds = 1e3 * seconds[i] / steps;
      line.append(String.format(Locale.ROOT, " %9.2f", milliseconds));
      ObjectNode row = rows.addObject().put("model", model).put("images", work.name);
      row.put("input", i == 0 ? "in memory" : i == 1 ? "in turn" : "ahead");
      row.put("inputThreads", i < 2 ? 0 : threads[i - 2]).put("milliseconds", milliseconds);
      row.put("neededImagesPerSecond", needs);
    }
    say(line);
  }

  private void say(CharSequence line) {
    if (!printing.json()) {
      System.out.println(line);
    }
  }
}
