package org.quantrain;

import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assertions.fail;

import com.sun.management.ThreadMXBean;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Model;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.integer.IntegerModel;
import org.quantrain.onnx.OnnxException;
import org.quantrain.onnx.OnnxReader;
import org.quantrain.onnx.OnnxWriter;
import org.quantrain.op.Lowering;
import org.quantrain.pass.Phase;
import org.quantrain.pass.Pipelines;
import org.quantrain.plan.Plan;
import org.quantrain.plan.PlanCompiler;
import org.quantrain.plan.PlanOptions;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.quant.Target;
import org.quantrain.runtime.ParameterStore;
import org.quantrain.runtime.QuantrainException;
import org.quantrain.tensor.HostTensor;
import org.quantrain.testkit.Calibrated;
import org.quantrain.testkit.MutatedBytes;
import org.quantrain.testkit.MutatedOnnx;
import org.quantrain.testkit.Networks;
import org.quantrain.testkit.RandomNetwork;
import org.quantrain.tflite.TfliteException;
import org.quantrain.zoo.Zoo;

/**
 * Damaged and hostile ONNX and TensorFlow Lite files: each is refused with one clear line or is a
 * model that runs; none takes long, much memory or the process. {@code -Dquantrain.mutations=50000}
 * for more of them.
 */
class MutatedModelsTest {
  private static final int MUTATIONS = Integer.getInteger("quantrain.mutations", 2000);
  private static final int FIRST = Integer.getInteger("quantrain.firstMutation", 1);
  private static final double MOST_SECONDS = 5;

  /** Of wall time, on a machine that does other things too; then it hangs. */
  private static final long HANGS_SECONDS = 60;

  /** Of everything that is allocated, garbage included, beside twice the file. */
  private static final long MOST_BYTES = 64L << 20;

  /** Elements of all values of a model that is executed, not only read. */
  private static final long MOST_ELEMENTS = 1 << 20;

  private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

  @TempDir static Path folder;

  @TempDir static Path outside;

  private static final List<byte[]> FLOAT = new ArrayList<>();
  private static final List<byte[]> INTEGER = new ArrayList<>();
  private static final List<byte[]> TFLITE = new ArrayList<>();

  private static Quantrain quantrain;

  /** Reading happens here, so that one that hangs can be told from one that is slow. */
  private static ExecutorService reader;

  @BeforeAll
  static void write() throws IOException {
    quantrain = Quantrain.open();
    reader = Executors.newSingleThreadExecutor();
    Files.write(folder.resolve("weights.bin"), new byte[4096]);
    Path secret = Files.write(outside.resolve("secret"), new byte[4096]);
    Files.createSymbolicLink(folder.resolve("link"), secret);
    List<Model> models =
        new ArrayList<>(
            List.of(
                Networks.lenetLike(),
                Networks.resnetLike(),
                Networks.mobileLike(),
                Networks.denseLike()));
    for (int seed = 1; seed <= 4; seed++) {
      models.add(RandomNetwork.model(seed));
    }
    for (Model model : models) {
      FLOAT.add(OnnxWriter.toBytes(model, Map.of()));
      INTEGER.add(exported(model, Target.ORT, "integer.onnx"));
    }
    Model transformer = Zoo.build("vit-tiny?patch=2&dim=8&depth=1&heads=2", 1, 8, 8, 4, 1);
    INTEGER.add(exported(transformer, Target.ORT, "integer.onnx"));
    for (Model model : List.of(Networks.lenetLike(), Networks.resnetLike())) {
      TFLITE.add(exported(model, Target.TFLITE, "integer.tflite"));
    }
  }

  private static byte[] exported(Model model, Target target, String name) throws IOException {
    QuantizedNetwork quantized =
        quantrain.network(model).quantize(QuantPolicy.forTarget(target));
    HostTensor images = Networks.images(model, 4, 1);
    quantized.restore(Calibrated.contents(quantized.model(), quantrain.backend(), images));
    Path file = folder.resolve(name);
    quantized.export(file);
    return Files.readAllBytes(file);
  }

  @AfterAll
  static void close() throws IOException {
    Files.delete(folder.resolve("link"));
    reader.shutdownNow();
    quantrain.close();
  }

  @Test
  void everyFileIsRefusedInOneLineOrIsAModelThatRuns() throws Exception {
    List<String> failures = new ArrayList<>();
    int valid = 0;
    for (int seed = FIRST; seed < FIRST + MUTATIONS; seed++) {
      Random random = new Random(seed * 0x9E3779B97F4A7C15L);
      List<byte[]> files = List.of(FLOAT, INTEGER, TFLITE).get(random.nextInt(3));
      byte[] file = files.get(random.nextInt(files.size()));
      byte[] mutated = mutated(file, files == TFLITE, random);
      Path path = folder.resolve("mutated.onnx");
      Files.write(path, mutated);
      try {
        Outcome outcome =
            reader.submit(() -> read(path, mutated.length)).get(HANGS_SECONDS, TimeUnit.SECONDS);
        valid += outcome.graphs().size();
        outcome.problems().forEach(p -> failures.add(p));
        for (Graph graph : outcome.graphs()) {
          run(graph, outcome.contents());
        }
      } catch (TimeoutException e) {
        fail("seed " + seed + " hangs");
      } catch (Throwable e) {
        failures.add("running it: " + e);
      }
      for (int i = 0; i < failures.size(); i++) {
        if (!failures.get(i).startsWith("seed")) {
          failures.set(i, "seed " + seed + ": " + failures.get(i));
        }
      }
    }
    if (!failures.isEmpty()) {
      fail(
          failures.size()
              + " of "
              + MUTATIONS
              + ":\n"
              + String.join("\n", failures.subList(0, Math.min(100, failures.size()))));
    }
    // Some changes leave a model a model; if none did, nothing was run.
    assertTrue(valid > MUTATIONS / 100, valid + " of " + MUTATIONS + " were models");
  }

  private static byte[] mutated(byte[] file, boolean tflite, Random random) {
    if (random.nextInt(3) == 0) {
      return MutatedBytes.of(file, random);
    }
    return tflite ? MutatedBytes.words(file, random) : MutatedOnnx.of(file, random);
  }

  /**
   * What a file turned out to be.
   *
   * @param graphs to run: the float network's, the integer network's
   */
  private record Outcome(
      List<Graph> graphs, Map<String, HostTensor> contents, List<String> problems) {}

  private interface Reading {
    void run() throws IOException;
  }

  private static Outcome read(Path path, int size) {
    List<Graph> graphs = new ArrayList<>();
    Map<String, HostTensor> contents = new HashMap<>();
    List<String> problems = new ArrayList<>();
    attempt(
        "OnnxReader",
        size,
        problems,
        () -> {
          Model model = OnnxReader.read(path);
          graphs.add(Pipelines.forward(model.graph(), Phase.FLOAT_EVAL, Lowering.INTEGER));
          contents.putAll(model.contents());
        });
    attempt(
        "IntegerModel",
        size,
        problems,
        () -> {
          IntegerModel model = IntegerModel.read(path);
          graphs.add(model.toGraph());
          contents.putAll(model.contents());
        });
    return new Outcome(graphs, contents, problems);
  }

  private static void attempt(String what, int size, List<String> problems, Reading reading) {
    long before = THREADS.getCurrentThreadAllocatedBytes();
    long start = THREADS.getCurrentThreadCpuTime();
    try {
      reading.run();
    } catch (OnnxException | TfliteException e) {
      String message = e.getMessage();
      if (message.contains("\n") || !message.contains("mutated.onnx: ") || message.endsWith(": ")) {
        problems.add(what + ": no clear line: " + message);
      }
    } catch (Throwable e) {
      problems.add(what + ": " + e + " at " + e.getStackTrace()[0]);
    }
    long allocated = THREADS.getCurrentThreadAllocatedBytes() - before;
    double seconds = (THREADS.getCurrentThreadCpuTime() - start) / 1e9;
    if (allocated > MOST_BYTES + 2L * size || seconds > MOST_SECONDS) {
      problems.add(
          "%s: %d bytes and %.1f s for a file of %d".formatted(what, allocated, seconds, size));
    }
  }

  /** One batch of zeros through a model that is small. */
  private static void run(Graph graph, Map<String, HostTensor> contents) {
    long elements = 0;
    for (Node node : graph.nodes()) {
      for (Value v : node.outputs()) {
        elements += v.spec().shape().elementsPerSample();
      }
    }
    if (elements > MOST_ELEMENTS) {
      return;
    }
    try (ParameterStore store =
            new ParameterStore(quantrain.backend(), graph.persistent(), contents);
        Plan plan =
            PlanCompiler.compile(
                graph, 1, quantrain.backend(), store, PlanOptions.defaults())) {
      plan.run();
      graph.outputs().forEach(plan::read);
    } catch (QuantrainException e) {
      // What a backend cannot execute is refused when the plan is made, naming the nodes.
      if (!e.getMessage().contains("[")) {
        throw e;
      }
    }
  }
}
