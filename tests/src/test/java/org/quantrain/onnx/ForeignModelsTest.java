package org.quantrain.onnx;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtSession;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Model;
import org.quantrain.graph.Value;
import org.quantrain.onnx.PlainJavaFloats.Array;
import org.quantrain.op.BatchNorm;
import org.quantrain.pass.SetBatchNormMode;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.Shape;

/**
 * Networks that PyTorch's exporter wrote (export_models.py beside them) mean here what they mean.
 */
class ForeignModelsTest {
  private static final Path FOLDER = Path.of("src/test/resources/onnx");

  static List<String> names() throws Exception {
    try (Stream<Path> files = Files.list(FOLDER)) {
      return files
          .map(f -> f.getFileName().toString())
          .filter(f -> f.endsWith(".onnx"))
          .sorted()
          .toList();
    }
  }

  /** Also for more samples than a file with a fixed batch size takes. */
  @ParameterizedTest
  @MethodSource("names")
  void outputsAreThoseOfOnnxRuntime(String name) throws Exception {
    Path file = FOLDER.resolve(name);
    Model model = OnnxReader.read(file);
    int fixed = OnnxFile.read(file).graphInputs().get(0).dims().get(0).intValue();
    int batch = fixed < 0 ? 3 : fixed;
    int batches = fixed < 0 ? 1 : 2;
    List<Array> inputs = new ArrayList<>();
    Random random = new Random(1);
    for (Value v : model.graph().inputs()) {
      inputs.add(input(v, batch * batches, random));
    }
    boolean training = name.contains("training");
    BatchNorm.Mode mode = training ? BatchNorm.Mode.TRAIN : BatchNorm.Mode.FROZEN;
    Graph graph = SetBatchNormMode.apply(model.graph(), mode);
    double[] actual = PlainJavaFloats.run(graph, model.contents(), inputs).get(0).values();
    double[] expected = new double[actual.length];
    for (int i = 0; i < batches; i++) {
      int from = i;
      List<Array> part = inputs.stream().map(x -> x.part(from, batches)).toList();
      double[] some = onnxRuntime(file, model.graph().inputs(), part);
      assertEquals(expected.length / batches, some.length);
      System.arraycopy(some, 0, expected, i * some.length, some.length);
    }
    double largest = 0;
    double difference = 0;
    for (int i = 0; i < expected.length; i++) {
      largest = Math.max(largest, Math.abs(expected[i]));
      difference = Math.max(difference, Math.abs(expected[i] - actual[i]));
    }
    double most = 1e-5 * largest;
    assertTrue(difference <= most, name + ": off by " + difference + " of " + largest);
  }

  private static Array input(Value v, int batch, Random random) {
    Shape shape = v.spec().withBatch(batch).shape();
    Array x = Array.of(shape.dims());
    for (int i = 0; i < x.values().length; i++) {
      if (v.spec().dtype() == DType.F32) {
        x.values()[i] = (float) random.nextGaussian();
      } else {
        // A mask that keeps the first tokens of each row, else token or segment numbers.
        int column = i % x.dim(1);
        x.values()[i] =
            v.name().contains("mask")
                ? (column < 5 + i / x.dim(1) ? 1 : 0)
                : random.nextInt(v.name().contains("type") ? 2 : 40);
      }
    }
    return x;
  }

  private static double[] onnxRuntime(Path file, List<Value> inputs, List<Array> contents)
      throws OrtException {
    OrtEnvironment environment = OrtEnvironment.getEnvironment();
    Map<String, OnnxTensor> feed = new HashMap<>();
    for (int i = 0; i < contents.size(); i++) {
      Array x = contents.get(i);
      long[] dims = Arrays.stream(x.dims()).asLongStream().toArray();
      if (inputs.get(i).spec().dtype() == DType.F32) {
        float[] values = new float[x.values().length];
        for (int k = 0; k < values.length; k++) {
          values[k] = (float) x.values()[k];
        }
        feed.put(
            inputs.get(i).name(),
            OnnxTensor.createTensor(environment, FloatBuffer.wrap(values), dims));
      } else {
        long[] values = Arrays.stream(x.values()).mapToLong(d -> (long) d).toArray();
        feed.put(
            inputs.get(i).name(),
            OnnxTensor.createTensor(environment, LongBuffer.wrap(values), dims));
      }
    }
    try (OrtSession session = environment.createSession(file.toString());
        OrtSession.Result result = session.run(feed)) {
      FloatBuffer out = ((OnnxTensor) result.get(0)).getFloatBuffer();
      double[] values = new double[out.remaining()];
      for (int i = 0; i < values.length; i++) {
        values[i] = out.get(i);
      }
      return values;
    } finally {
      feed.values().forEach(OnnxTensor::close);
    }
  }
}
