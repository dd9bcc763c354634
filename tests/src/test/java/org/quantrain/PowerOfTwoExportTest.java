package org.quantrain;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.quantrain.export.DeployedModel;
import org.quantrain.export.ExportFormat;
import org.quantrain.graph.Graph;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.GraphException;
import org.quantrain.graph.Model;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.integer.CodesTensor;
import org.quantrain.integer.IntegerLayer;
import org.quantrain.integer.IntegerModel;
import org.quantrain.integer.IntegerWeights;
import org.quantrain.onnx.OnnxFile;
import org.quantrain.onnx.OnnxNode;
import org.quantrain.op.AveragePool;
import org.quantrain.op.Contract;
import org.quantrain.op.Conv2d;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.PoolWindow;
import org.quantrain.op.Relu;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.quant.Target;
import org.quantrain.report.LayerRow;
import org.quantrain.report.LayerTable;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;
import org.quantrain.testkit.Calibrated;
import org.quantrain.testkit.RandomNetwork;
import org.quantrain.zoo.Zoo;

/** Networks whose scales are powers of two: shifts in the interpreter, floats in ONNX Runtime. */
class PowerOfTwoExportTest {
  private static final int IMAGES = 24;
  private static Quantrain quantrain;

  @TempDir Path folder;

  @BeforeAll
  static void open() {
    quantrain = Quantrain.open();
  }

  @AfterAll
  static void close() {
    quantrain.close();
  }

  /** The file, which computes the codes of training in ONNX Runtime and in the interpreter. */
  private Path exported(Model model, Target target, long seed) throws IOException {
    Path file = folder.resolve(target.id() + seed + ".onnx");
    QuantPolicy policy = QuantPolicy.forTarget(target);
    NoiseImages.verified(quantrain, model, policy, IMAGES, seed, file);
    return file;
  }

  private static boolean isPowerOfTwo(float scale) {
    return (Float.floatToIntBits(scale) & 0x7fffff) == 0 && scale > 0 && Float.isFinite(scale);
  }

  @Test
  void everyScaleOfTheFileIsAPowerOfTwo() throws IOException {
    Path path = exported(Zoo.build("resnet8", 3, 16, 16, 5, 1), Target.VITIS, 1);
    OnnxFile file = OnnxFile.read(path);
    int scales = 0;
    for (OnnxNode node : file.nodes()) {
      if (node.op().equals("QuantizeLinear") || node.op().equals("DequantizeLinear")) {
        float[] all = file.constants().get(node.input(1)).floats();
        assertEquals(1, all.length, node.label());
        assertTrue(isPowerOfTwo(all[0]), node.label() + ": " + all[0]);
        scales++;
      }
    }
    assertTrue(scales > 20, "only " + scales + " scales");
    assertEquals(Contract.POWER_OF_TWO, IntegerModel.read(path).contract());
  }

  @Test
  void anAverageOfAnotherNumberOfCellsIsADepthwiseConvolution() throws IOException {
    Model model = Zoo.build("resnet8", 1, 28, 28, 5, 1);
    List<IntegerLayer> layers = IntegerModel.read(exported(model, Target.VITIS, 1)).layers();
    List<IntegerLayer.Conv> averages =
        layers.stream()
            .filter(IntegerLayer.Conv.class::isInstance)
            .map(IntegerLayer.Conv.class::cast)
            .filter(c -> c.geometry().groups() > 1)
            .toList();
    assertEquals(1, averages.size());
    IntegerWeights weights = averages.get(0).w();
    assertEquals(49, weights.codes().shape().elementsPerSample());
    for (int code : weights.codes().codes()) {
      assertEquals(1 / 49.0, code * weights.scale().floats()[0], 1 / 49.0 / 127);
    }
  }

  @Test
  void anAverageOfAPowerOfTwoOfCellsStaysOne() throws IOException {
    Path file = exported(Zoo.build("resnet8", 1, 32, 32, 5, 1), Target.VITIS, 1);
    assertTrue(
        IntegerModel.read(file).layers().stream()
            .anyMatch(IntegerLayer.GlobalAveragePool.class::isInstance));
  }

  /** The network without what the target refuses. */
  private static Model plain(Model model) {
    GraphBuilder builder = new GraphBuilder();
    Map<Value, Value> map = new HashMap<>();
    Graph graph = model.graph();
    graph.inputs().forEach(v -> map.put(v, builder.input(v)));
    for (Node node : graph.nodes()) {
      List<Value> inputs = node.inputs().stream().map(v -> map.getOrDefault(v, v)).toList();
      Op op = node.op();
      if (op instanceof Relu) {
        op = new Relu();
      } else if (op instanceof AveragePool pool) {
        op = new AveragePool(pool.window(), true);
      }
      Node made = builder.node(node.name(), op, inputs);
      for (int i = 0; i < node.outputs().size(); i++) {
        map.put(node.output(i), made.output(i));
      }
    }
    Graph made = builder.build(graph.outputs().stream().map(map::get).toList());
    return new Model(model.name(), made, model.contents());
  }

  @Test
  void randomNetworksComputeTheCodesOfTraining() {
    List<String> failures = new ArrayList<>();
    for (int seed = 1; seed <= 12; seed++) {
      Model model = plain(RandomNetwork.plain(seed));
      try {
        exported(model, Target.VITIS, seed);
      } catch (AssertionError | IOException | RuntimeException e) {
        failures.add("seed " + seed + ": " + e + "\n" + model.graph());
      }
    }
    assertTrue(failures.isEmpty(), () -> String.join("\n", failures));
  }

  @Test
  void theReportHasTheGridOfEveryLayersInput() throws IOException {
    for (Target target : List.of(Target.VITIS, Target.TFLITE_BUILTIN)) {
      Model model = Zoo.build("lenet", 1, 16, 16, 5, 1);
      NoiseImages images = NoiseImages.of(model, IMAGES, 1);
      QuantizedNetwork quantized =
          quantrain.network(model).quantize(QuantPolicy.forTarget(target));
      quantized.restore(
          Calibrated.contents(quantized.model(), quantrain.backend(), images.batch()));
      Path file = folder.resolve(target.id());
      quantized.export(file);
      IntegerModel integer = IntegerModel.read(file);
      for (LayerRow row : LayerTable.of(integer.toGraph(), integer.contents())) {
        assertEquals(row.weights() == null, row.input() == null, row.name());
      }
    }
  }

  @Test
  void positionsAreTheExponentsOfTheScales() throws IOException {
    Path file = exported(Zoo.build("lenet", 1, 16, 16, 5, 1), Target.VITIS, 1);
    DeployedModel deployed = DeployedModel.read(file);
    JsonNode json =
        new ObjectMapper().readTree(ExportFormat.of("vitis-positions").toBytes(deployed));
    assertEquals(deployed.model().codes().size(), json.get("activations").size());
    for (CodesTensor tensor : deployed.model().codes()) {
      JsonNode one = json.get("activations").get(tensor.name().replaceFirst("\\.codes$", ""));
      assertEquals(tensor.scale(), Math.pow(2, -one.get("fix_point").asInt()), tensor.name());
      assertEquals(8, one.get("bit_width").asInt());
      assertTrue(one.get("if_signed").asBoolean());
    }
    for (IntegerWeights w : deployed.model().weights()) {
      JsonNode one = json.get("weights").get(w.name());
      assertEquals(w.scale().floats()[0], Math.pow(2, -one.get("fix_point").asInt()), w.name());
      int bias = one.get("bias").get("fix_point").asInt();
      assertEquals(w.outScale().floats()[0], Math.pow(2, -bias), w.name());
    }
  }

  @Test
  void scalesOfAnySizeHaveNoPositionsAndAreNotShifted() throws IOException {
    Path file = exported(Zoo.build("lenet", 1, 16, 16, 5, 1), Target.TENSORRT, 1);
    DeployedModel deployed = DeployedModel.read(file);
    ExportFormat positions = ExportFormat.of("vitis-positions");
    String export =
        assertThrows(IOException.class, () -> positions.toBytes(deployed)).getMessage();
    assertTrue(export.contains("expected powers of two as scales, got 0."), export);
    String shift =
        assertThrows(
                IllegalArgumentException.class,
                () -> deployed.model().withContract(Contract.POWER_OF_TWO))
            .getMessage();
    assertTrue(shift.contains("has powers of two as scales, got 0."), shift);
  }

  private static String refusal(Model model) {
    return assertThrows(
            GraphException.class,
            () -> quantrain.network(model).quantize(QuantPolicy.forTarget(Target.VITIS)))
        .getMessage();
  }

  @Test
  void aBoundedReluIsRefusedWithWhatToDo() {
    String message = refusal(Zoo.build("mobilenetv2?width=0.25", 3, 16, 16, 5, 1));
    assertTrue(message.startsWith("target vitis: Relu \""), message);
    assertTrue(message.contains("ends at 6.0"), message);
    assertTrue(message.endsWith("(mobilenetv2?activation=relu)"), message);
  }

  @Test
  void anAverageThatLeavesItsPaddingOutIsRefused() {
    GraphBuilder builder = new GraphBuilder();
    Value x = builder.input("x", TensorSpec.f32(Shape.BATCH, 3, 8, 8));
    Value w = builder.param("w", TensorSpec.f32(4, 3, 1, 1));
    Value y = builder.add("conv", new Conv2d(ConvGeometry.of(1, 0)), x, w);
    Op pool = new AveragePool(new PoolWindow(2, 2, 2, 2, 1, 1, 1, 1), false);
    Graph graph = builder.build(builder.add("pool", pool, y));
    Map<String, HostTensor> contents = Map.of("w", HostTensor.zeros(w.spec()));
    String message = refusal(new Model("padded", graph, contents));
    assertTrue(message.contains("must count the padding (count_include_pad = 1)"), message);
  }
}
