package org.quantrain.onnx;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtException;
import ai.onnxruntime.OrtLoggingLevel;
import ai.onnxruntime.OrtSession;
import java.nio.FloatBuffer;
import java.nio.IntBuffer;
import java.nio.LongBuffer;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.quantrain.graph.Value;
import org.quantrain.onnx.PlainJavaFloats.Array;
import org.quantrain.tensor.DType;

/** ONNX Runtime on a float file. */
final class FloatRuntime {
  /** Of the largest magnitude; float32 sums of a few thousand terms stay well below. */
  private static final double TOLERANCE = 1e-5;

  private FloatRuntime() {}

  /** The first output, in row-major order; integers are fed as INT64. */
  static double[] run(byte[] file, List<Value> inputs, List<Array> contents) throws OrtException {
    return run(file, inputs, contents, false);
  }

  /** As above. */
  static double[] run(byte[] file, List<Value> inputs, List<Array> contents, boolean asInt32)
      throws OrtException {
    OrtEnvironment environment = OrtEnvironment.getEnvironment();
    Map<String, OnnxTensor> feed = new HashMap<>();
    for (int i = 0; i < contents.size(); i++) {
      Array x = contents.get(i);
      long[] dims = Arrays.stream(x.dims()).asLongStream().toArray();
      OnnxTensor tensor;
      if (inputs.get(i).spec().dtype() == DType.F32) {
        float[] values = new float[x.values().length];
        for (int k = 0; k < values.length; k++) {
          values[k] = (float) x.values()[k];
        }
        tensor = OnnxTensor.createTensor(environment, FloatBuffer.wrap(values), dims);
      } else if (asInt32) {
        int[] values = Arrays.stream(x.values()).mapToInt(d -> (int) d).toArray();
        tensor = OnnxTensor.createTensor(environment, IntBuffer.wrap(values), dims);
      } else {
        long[] values = Arrays.stream(x.values()).mapToLong(d -> (long) d).toArray();
        tensor = OnnxTensor.createTensor(environment, LongBuffer.wrap(values), dims);
      }
      feed.put(inputs.get(i).name(), tensor);
    }
    try (OrtSession.SessionOptions options = quiet();
        OrtSession session = environment.createSession(file, options);
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

  private static OrtSession.SessionOptions quiet() throws OrtException {
    OrtSession.SessionOptions options = new OrtSession.SessionOptions();
    options.setSessionLogLevel(OrtLoggingLevel.ORT_LOGGING_LEVEL_ERROR);
    return options;
  }

  static void assertClose(String name, double[] expected, double[] actual) {
    assertEquals(expected.length, actual.length, name);
    double largest = 0;
    double difference = 0;
    for (int i = 0; i < expected.length; i++) {
      largest = Math.max(largest, Math.abs(expected[i]));
      difference = Math.max(difference, Math.abs(expected[i] - actual[i]));
    }
    assertTrue(
        difference <= TOLERANCE * largest, name + ": off by " + difference + " of " + largest);
  }
}
