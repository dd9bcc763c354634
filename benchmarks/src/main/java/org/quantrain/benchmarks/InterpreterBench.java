package org.quantrain.benchmarks;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtLoggingLevel;
import ai.onnxruntime.OrtSession;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.quantrain.QuantizedNetwork;
import org.quantrain.Quantrain;
import org.quantrain.bench.Sampler;
import org.quantrain.graph.Model;
import org.quantrain.integer.IntegerInterpreter;
import org.quantrain.integer.IntegerModel;
import org.quantrain.onnx.MemoryOrder;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.quant.Target;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.testkit.Calibrated;
import org.quantrain.testkit.EdgeValues;
import org.quantrain.zoo.Zoo;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/**
 * {@code quantrain bench interpreter}: latency from images to logits of one W8A8 file, the fast
 * road of the interpreter beside ONNX Runtime. Samples take turns; figures are medians. Both give
 * the same logits to the bit, which is checked before.
 */
@Command(
    name = "interpreter",
    description = "Time the interpreter's fast road beside ONNX Runtime on the same integer file.",
    sortOptions = false,
    abbreviateSynopsis = true,
    optionListHeading = "%nOptions:%n",
    footer = {
      "",
      "Images are 3x32x32. ONNX Runtime runs with all optimizations, as many threads and",
      "session.x64quantprecision=1: without it, processors without VNNI saturate products.",
      "ratio    our time over ONNX Runtime's",
      "",
      "Example:",
      "  ./quantrain bench interpreter --model resnet20 --batch 1,64 --threads 2"
    })
final class InterpreterBench implements Callable<Integer> {
  private static final int SIDE = 32;
  private static final int CLASSES = 10;
  private static final long WARM_MILLIS = 1000;

  @Option(
      names = "--model",
      split = ",",
      paramLabel = "NAME",
      defaultValue = "resnet20,mobilenetv2,mobilenetv2?width=0.25",
      description = "Networks of the zoo (default: ${DEFAULT-VALUE}).")
  private List<String> models;

  @Option(
      names = "--batch",
      split = ",",
      paramLabel = "N",
      defaultValue = "1,64",
      description = "Images at a time (default: ${DEFAULT-VALUE}).")
  private int[] batches;

  @Option(
      names = "--threads",
      split = ",",
      paramLabel = "N",
      defaultValue = "1,2",
      description = "Threads of both sides (default: ${DEFAULT-VALUE}).")
  private int[] threads;

  @Option(
      names = "--samples",
      paramLabel = "N",
      defaultValue = "11",
      description = "Samples that a median is of (default: ${DEFAULT-VALUE}).")
  private int samples;

  @Mixin private Printing printing;

  private final ObjectMapper mapper = new ObjectMapper();
  private final ArrayNode rows = mapper.createArrayNode();

  @Override
  public Integer call() throws IOException, OrtException {
    OrtEnvironment environment =
        OrtEnvironment.getEnvironment(OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR);
    if (!printing.json()) {
      System.out.printf(
          "%-28s %6s %8s %10s %10s %6s%n", "model", "batch", "threads", "ms", "ORT ms", "ratio");
    }
    Path folder = Files.createTempDirectory("interpreter-bench");
    Path file = folder.resolve("model.onnx");
    try {
      for (String model : models) {
        write(model, file);
        for (int batch : batches) {
          for (int count : threads) {
            time(environment, model, file, batch, count);
          }
        }
      }
    } finally {
      Files.deleteIfExists(file);
      Files.delete(folder);
    }
    if (printing.json()) {
      ObjectNode result = mapper.createObjectNode();
      result.put("peer", "onnxruntime " + environment.getVersion());
      result.set("rows", rows);
      System.out.println(result);
    }
    return 0;
  }

  /** The network with random weights, quantized for ONNX Runtime. */
  private static void write(String name, Path file) throws IOException {
    Model model = Zoo.build(name, 3, SIDE, SIDE, CLASSES, 1);
    try (Quantrain quantrain = Quantrain.open()) {
      QuantizedNetwork quantized =
          quantrain
              .network(model)
              .quantize(QuantPolicy.forTarget(Target.ORT).weights(8).activations(8));
      quantized.restore(Calibrated.contents(quantized.model(), quantrain.backend(), images(8)));
      quantized.export(file);
    }
  }

  private static HostTensor images(int batch) {
    Shape shape = Shape.of(batch, 3, SIDE, SIDE);
    return HostTensor.of(shape, EdgeValues.ordinary((int) shape.elements(), 1));
  }

  private void time(
      OrtEnvironment environment, String model, Path file, int batch, int count)
      throws IOException, OrtException {
    IntegerModel integer = IntegerModel.read(file);
    HostTensor images = images(batch);
    byte[] planar = MemoryOrder.toOnnx(images);
    ByteBuffer pixels =
        ByteBuffer.allocateDirect(planar.length).order(ByteOrder.nativeOrder()).put(planar).flip();
    try (Quantrain quantrain = Quantrain.open(count);
        IntegerInterpreter interpreter =
            IntegerInterpreter.forLogits(quantrain.backend(), integer, batch);
        OrtSession session = session(environment, file, count);
        OnnxTensor input =
            OnnxTensor.createTensor(
                environment, pixels.asFloatBuffer(), new long[] {batch, 3, SIDE, SIDE})) {
      Map<String, OnnxTensor> inputs = Map.of(integer.input(), input);
      if (!Arrays.equals(interpreter.run(images).logits().floats(), logits(session, inputs))) {
        throw new IllegalStateException(model + ": the logits differ");
      }
      // A plan is many short calls, which the JVM compiles only after some hundred runs.
      Sampler.repeat(() -> interpreter.run(images), WARM_MILLIS);
      double[] seconds =
          Sampler.medians(
              samples,
              Sampler.REST_MILLIS,
              List.of(() -> interpreter.run(images), () -> logits(session, inputs)));
      say(model, batch, count, seconds[0], seconds[1]);
    }
  }

  private static OrtSession session(OrtEnvironment environment, Path file, int threads)
      throws OrtException {
    try (OrtSession.SessionOptions options = new OrtSession.SessionOptions()) {
      options.setOptimizationLevel(OrtSession.SessionOptions.OptLevel.ALL_OPT);
      options.addConfigEntry("session.x64quantprecision", "1");
      options.setIntraOpNumThreads(threads);
      options.setInterOpNumThreads(1);
      return environment.createSession(file.toString(), options);
    }
  }

  private static float[] logits(OrtSession session, Map<String, OnnxTensor> inputs) {
    try (OrtSession.Result result = session.run(inputs)) {
      float[] logits = new float[(int) ((OnnxTensor) result.get(0)).getInfo().getNumElements()];
      ((OnnxTensor) result.get(0)).getFloatBuffer().get(logits);
      return logits;
    } catch (OrtException e) {
      throw new IllegalStateException(e);
    }
  }

  private void say(String model, int batch, int count, double ours, double peer) {
    if (!printing.json()) {
      System.out.printf(
          Locale.ROOT,
          "%-28s %6d %8d %10.3f %10.3f %6.2f%n",
          model,
          batch,
          count,
          ours * 1e3,
          peer * 1e3,
          ours / peer);
      return;
    }
    ObjectNode row = rows.addObject();
    row.put("name", model).put("backend", "cpu").put("batch", batch).put("threads", count);
    row.put("milliseconds", ours * 1e3);
    row.put("peer", "onnxruntime").put("peerMilliseconds", peer * 1e3).put("ratio", ours / peer);
  }
}
