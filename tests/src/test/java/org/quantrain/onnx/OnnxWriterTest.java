package org.quantrain.onnx;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.onnxruntime.OnnxTensor;
import ai.onnxruntime.OrtEnvironment;
import ai.onnxruntime.OrtSession;
import java.io.IOException;
import java.nio.FloatBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Model;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.op.Add;
import org.quantrain.op.AveragePool;
import org.quantrain.op.BatchNorm;
import org.quantrain.op.Conv2d;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.FakeQuant;
import org.quantrain.op.Flatten;
import org.quantrain.op.GlobalAveragePool;
import org.quantrain.op.Linear;
import org.quantrain.op.MaxPool;
import org.quantrain.op.PoolWindow;
import org.quantrain.op.Relu;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

class OnnxWriterTest {
  @TempDir Path folder;

  /** A network with every float operation. */
  static final class Float32 {
    final GraphBuilder builder = new GraphBuilder();
    final Map<String, HostTensor> contents = new HashMap<>();
    private final Random random = new Random(5);

    Value param(String name, int... dims) {
      return put(builder.param(name, TensorSpec.f32(dims)), false);
    }

    private Value put(Value v, boolean positive) {
      float[] values = new float[(int) v.spec().shape().elements()];
      for (int i = 0; i < values.length; i++) {
        values[i] = positive ? random.nextFloat() + 0.5f : (float) random.nextGaussian() * 0.3f;
      }
      contents.put(v.name(), HostTensor.of(v.spec().shape(), values));
      return v;
    }

    Value batchNorm(String name, Value x, float epsilon, float momentum) {
      int c = x.spec().shape().dim(1);
      Op op = new BatchNorm(epsilon, momentum, BatchNorm.Mode.TRAIN);
      Value mean = put(builder.state(name + ".mean", TensorSpec.f32(c)), false);
      Value variance = put(builder.state(name + ".var", TensorSpec.f32(c)), true);
      Value gamma = param(name + ".gamma", c);
      Value beta = param(name + ".beta", c);
      return builder.node(name, op, x, gamma, beta, mean, variance).output(0);
    }

    Model model() {
      Value x = builder.input("image", TensorSpec.f32(Shape.BATCH, 3, 12, 10));
      Value w1 = param("conv1.w", 8, 3, 3, 3);
      Value a = builder.add("conv1", new Conv2d(ConvGeometry.of(1, 1)), x, w1);
      Value b = builder.add("relu1", new Relu(), batchNorm("bn1", a, 1e-5f, 0.1f));
      ConvGeometry odd = new ConvGeometry(1, 2, 1, 0, 2, 1, 2, 1, 4);
      Value w2 = param("conv2.w", 12, 2, 2, 3);
      Value c = builder.add("conv2", new Conv2d(odd), b, w2, param("conv2.b", 12));
      Value d = builder.add("relu2", new Relu(6), batchNorm("bn2", c, 2e-3f, 0.03f));
      PoolWindow window = new PoolWindow(3, 2, 1, 1, 1, 0, 1, 1);
      Value e = builder.node("max", new MaxPool(window), d).output(0);
      Value f = builder.add("mean", new AveragePool(window, true), d);
      Value g = builder.add("sum", new Add(), e, f);
      Value h = builder.add("mean2", new AveragePool(PoolWindow.of(2, 2, 1), false), g);
      Value flat = builder.add("flat", new Flatten(), h);
      int inputs = flat.spec().shape().dim(1);
      Value i = builder.add("hidden", new Linear(), flat, param("hidden.w", 7, inputs));
      Value j = builder.add("fc", new Linear(), i, param("fc.w", 5, 7), param("fc.b", 5));
      return new Model("every operation", builder.build(j), contents);
    }

    Model globalPool() {
      Value x = builder.input("image", TensorSpec.f32(Shape.BATCH, 3, 4, 4));
      Value a = builder.add("pool", new GlobalAveragePool(), x);
      Value b = builder.add("flat", new Flatten(), a);
      Value c = builder.add("fc", new Linear(), b, param("fc.w", 5, 3));
      return new Model("pool", builder.build(c), contents);
    }
  }

  @Test
  void aFloatModelIsReadBackEqual() throws IOException {
    for (Model model : List.of(new Float32().model(), new Float32().globalPool())) {
      Path file = folder.resolve("float.onnx");
      OnnxWriter.writeFloat(model, Map.of("note", "test"), file);
      Model read = OnnxReader.read(file);
      assertEquals(model.name(), read.name());
      assertEquals(sorted(model), sorted(read));
      assertEquals(model.contents().keySet(), read.contents().keySet());
      for (String name : model.contents().keySet()) {
        assertEquals(model.contents().get(name).spec(), read.contents().get(name).spec());
        assertArrayEquals(model.contents().get(name).bytes(), read.contents().get(name).bytes());
      }
      assertEquals("test", OnnxFile.read(file).metadata().get("note"));
      assertEquals("Quantrain", OnnxFile.read(file).producer());
    }
  }

  /** Lines of the printed graph; the order of parameters does not matter. */
  private static List<String> sorted(Model model) {
    return model.graph().toString().lines().sorted().toList();
  }

  @Test
  void theSameModelGivesTheSameBytes() throws IOException {
    byte[] once = OnnxWriter.toBytes(new Float32().model(), Map.of("b", "1", "a", "2"));
    byte[] again = OnnxWriter.toBytes(new Float32().model(), Map.of("a", "2", "b", "1"));
    assertArrayEquals(once, again);
    Model read = OnnxReader.read("again", once);
    assertArrayEquals(once, OnnxWriter.toBytes(read, Map.of("b", "1", "a", "2")));
  }

  /** Weights that were transposed wrongly would still be read back equal. */
  @Test
  void onnxRuntimeLoadsTheFileAndSeesTheWeights() throws Exception {
    Model model = new Float32().globalPool();
    OrtEnvironment environment = OrtEnvironment.getEnvironment();
    float[] image = new float[2 * 3 * 16];
    for (int i = 0; i < image.length; i++) {
      image[i] = i / 16 + 1;
    }
    try (OrtSession session = environment.createSession(OnnxWriter.toBytes(model, Map.of()));
        OnnxTensor x =
            OnnxTensor.createTensor(environment, FloatBuffer.wrap(image), new long[] {2, 3, 4, 4});
        OrtSession.Result result = session.run(Map.of("image", x))) {
      float[][] logits = (float[][]) result.get("fc").orElseThrow().getValue();
      float[] w = model.contents().get("fc.w").floats();
      for (int n = 0; n < 2; n++) {
        for (int o = 0; o < 5; o++) {
          float expected = 0;
          for (int c = 0; c < 3; c++) {
            expected += w[o * 3 + c] * (3 * n + c + 1);
          }
          // Sums of three products of about 1: a few units in the last place of float32.
          assertEquals(expected, logits[n][o], 1e-5);
        }
      }
    }
    try (OrtSession all =
        environment.createSession(OnnxWriter.toBytes(new Float32().model(), Map.of()))) {
      assertEquals(List.of("fc"), List.copyOf(all.getOutputNames()));
    }
  }

  @Test
  void nodesWithoutFloatFormAreAllNamedAndNothingIsWritten() throws IOException {
    GraphBuilder builder = new GraphBuilder();
    Value x = builder.input("image", TensorSpec.f32(Shape.BATCH, 3, 4, 4));
    QuantSpec spec = new QuantSpec(8, false, false, false, false);
    Value a = builder.add("first", new FakeQuant("q1", spec), x);
    Value b = builder.add("second", new FakeQuant("q2", spec), a);
    Model model = new Model("quantized", builder.build(b), Map.of());
    Path file = folder.resolve("quantized.onnx");
    OnnxException e = assertThrows(OnnxException.class, () -> OnnxWriter.writeFloat(model, file));
    assertTrue(e.getMessage().contains("FakeQuant \"first\""), e.getMessage());
    assertTrue(e.getMessage().contains("FakeQuant \"second\""), e.getMessage());
    assertFalse(Files.exists(file));
  }

  @Test
  void aFileThatCannotBeReplacedLeavesNothingBehind() throws IOException {
    Path occupied = Files.createDirectories(folder.resolve("occupied.onnx"));
    Files.writeString(occupied.resolve("inside"), "x");
    assertThrows(IOException.class, () -> OnnxWriter.writeFloat(new Float32().model(), occupied));
    try (Stream<Path> files = Files.list(folder)) {
      assertEquals(List.of(occupied), files.toList());
    }
  }
}
