package org.quantrain.onnx;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Model;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.onnx.PlainJavaFloats.Array;
import org.quantrain.op.BatchNorm;
import org.quantrain.op.Reshape;
import org.quantrain.pass.SetBatchNormMode;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.Shape;

/**
 * Networks that PyTorch's exporters wrote (export_models.py and export_newer_models.py beside
 * them), and those that the ONNX project's converter made of them (convert_models.py), mean here
 * what they mean.
 */
class ForeignModelsTest {
  static final Path FOLDER = Path.of("src/test/resources/onnx");

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
      double[] some = FloatRuntime.run(Files.readAllBytes(file), model.graph().inputs(), part);
      assertEquals(expected.length / batches, some.length);
      System.arraycopy(some, 0, expected, i * some.length, some.length);
    }
    FloatRuntime.assertClose(name, expected, actual);
  }

  static Array input(Value v, int batch, Random random) {
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

  /**
   * Operations that operator set 13 does not have are written as several nodes, and read as one.
   */
  @ParameterizedTest
  @MethodSource("names")
  void whatWeWriteIsTheSameNetworkToUsAndToOnnxRuntime(String name) throws Exception {
    Model model = OnnxReader.read(FOLDER.resolve(name));
    byte[] written = OnnxWriter.toBytes(model, Map.of());
    Model again = OnnxReader.read(name, written);
    List<Array> inputs = new ArrayList<>();
    Random random = new Random(2);
    for (Value v : model.graph().inputs()) {
      inputs.add(input(v, 2, random));
    }
    Graph graph = SetBatchNormMode.apply(model.graph(), BatchNorm.Mode.FROZEN);
    Graph readBack = SetBatchNormMode.apply(again.graph(), BatchNorm.Mode.FROZEN);
    double[] expected = PlainJavaFloats.run(graph, model.contents(), inputs).get(0).values();
    double[] own = PlainJavaFloats.run(readBack, again.contents(), inputs).get(0).values();
    FloatRuntime.assertClose(name, expected, own);
    FloatRuntime.assertClose(
        name, expected, FloatRuntime.run(written, again.graph().inputs(), inputs, true));
    assertEquals(kinds(graph), kinds(readBack));
    assertEquals(
        model.graph().params().stream().map(Value::name).sorted().toList(),
        again.graph().params().stream().map(Value::name).sorted().toList());
  }

  /** How many nodes of each kind; a parameter may be read in its new shape in the first place. */
  private static Map<String, Integer> kinds(Graph graph) {
    Map<String, Integer> kinds = new TreeMap<>();
    for (Node n : graph.nodes()) {
      if (!(n.op() instanceof Reshape && n.input(0).isPersistent())) {
        kinds.merge(n.op().kind(), 1, Integer::sum);
      }
    }
    return kinds;
  }
}
