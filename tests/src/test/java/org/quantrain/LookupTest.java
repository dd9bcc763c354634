package org.quantrain;

import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.onnx.proto.OnnxMl.AttributeProto;
import ai.onnx.proto.OnnxMl.ModelProto;
import ai.onnx.proto.OnnxMl.NodeProto;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.quantrain.autodiff.TrainingGraph;
import org.quantrain.export.DeployedModel;
import org.quantrain.export.ExportFormat;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.GraphException;
import org.quantrain.graph.Model;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.integer.CodesTensor;
import org.quantrain.integer.IntegerInterpreter;
import org.quantrain.integer.IntegerLayer;
import org.quantrain.integer.IntegerModel;
import org.quantrain.integer.VerificationReport;
import org.quantrain.onnx.OnnxException;
import org.quantrain.op.Add;
import org.quantrain.op.Gather;
import org.quantrain.op.GatherBackward;
import org.quantrain.op.Linear;
import org.quantrain.op.Lowering;
import org.quantrain.op.Reshape;
import org.quantrain.pass.Phase;
import org.quantrain.pass.Pipelines;
import org.quantrain.quant.QuantPolicy;
import org.quantrain.quant.Target;
import org.quantrain.runtime.ParameterStore;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;
import org.quantrain.testkit.Calibrated;
import org.quantrain.testkit.EdgeValues;
import org.quantrain.testkit.TrainedStep;

/** Tables of which the network's input picks rows, as embeddings: their codes, and training. */
class LookupTest {
  private static final int WORDS = 7;
  private static final int LENGTH = 4;
  private static final int DIM = 6;
  private static final int CLASSES = 5;

  @TempDir Path folder;

  /** Two embeddings of the same tokens, added, before a linear layer: nothing of it is float. */
  private static Model model() {
    GraphBuilder builder = new GraphBuilder();
    Map<String, HostTensor> contents = new HashMap<>();
    Value ids = builder.input("ids", TensorSpec.s32(Shape.BATCH, LENGTH));
    Value words = builder.add("words", new Gather(0), table(builder, contents, "one", 1), ids);
    Value others = builder.add("others", new Gather(0), table(builder, contents, "two", 2), ids);
    Value sum = builder.add("sum", new Add(), words, others);
    Value flat = builder.add("flat", new Reshape(Shape.of(Shape.BATCH, LENGTH * DIM)), sum);
    Value w = builder.param("fc.weight", TensorSpec.f32(CLASSES, LENGTH * DIM));
    contents.put(w.name(), random(w.spec().shape(), 3));
    return new Model(
        "lookups", builder.build(builder.add("fc", new Linear(), flat, w)), contents);
  }

  private static Value table(
      GraphBuilder builder, Map<String, HostTensor> contents, String name, long seed) {
    Value table = builder.param(name, TensorSpec.f32(WORDS, DIM));
    contents.put(name, random(table.spec().shape(), seed));
    return table;
  }

  private static HostTensor random(Shape shape, long seed) {
    return HostTensor.of(shape, EdgeValues.ordinary((int) shape.elements(), seed));
  }

  @ParameterizedTest(name = "W{0}A{1}")
  @CsvSource({"8, 8", "4, 4"})
  void rowsOfCodesAreTheRuntimesAndNothingIsFloat(int weights, int activations)
      throws IOException {
    QuantPolicy policy =
        QuantPolicy.forTarget(Target.ORT)
            .weights(weights)
            .activations(activations)
            .firstAndLast(weights);
    try (Quantrain quantrain = Quantrain.open()) {
      Path file = folder.resolve("lookups.onnx");
      VerificationReport report = RandomTexts.verified(quantrain, model(), policy, WORDS, file);
      assertTrue(report.holds(), report::toString);
      assertEquals(2, report.claims().size());
      assertEquals(0, report.claims().get(0).islandsCompared());
      Map<String, Integer> executed = report.runtime().operators();
      assertEquals(2, executed.get("Gather"));
      assertTrue(executed.containsKey("QLinearAdd") && executed.containsKey("QGemm"));
      assertFalse(executed.containsKey("Add"));
    }
  }

  @Test
  void aTablesCodesAreThoseOfItsWholeRange() throws IOException {
    try (Quantrain quantrain = Quantrain.open()) {
      IntegerLayer.Lookup words =
          IntegerModel.read(exported(quantrain)).layers().stream()
              .filter(l -> l.name().equals("words.codes"))
              .map(IntegerLayer.Lookup.class::cast)
              .findFirst()
              .orElseThrow();
      float[] x = model().contents().get("one").floats();
      float min = 0;
      float max = 0;
      for (float v : x) {
        min = Math.min(min, v);
        max = Math.max(max, v);
      }
      CodesTensor grid = words.y();
      assertEquals((max - min) / 255, grid.scale());
      assertEquals((int) -Math.rint(min / grid.scale()), grid.zeroPoint());
      int[] codes = new int[x.length];
      for (int i = 0; i < x.length; i++) {
        int code = (int) Math.rint(x[i] / grid.scale()) + grid.zeroPoint();
        codes[i] = Math.max(0, Math.min(255, code));
      }
      assertArrayEquals(codes, words.table().codes());
    }
  }

  /** Then no code reaches the zero-point, and fewer bits than the grid's hold all codes. */
  @Test
  void aTableOfNegativeNumbersIsVerified() throws IOException {
    Model model = model();
    Map<String, HostTensor> contents = new HashMap<>(model.contents());
    float[] negative = contents.get("one").floats();
    for (int i = 0; i < negative.length; i++) {
      negative[i] = -0.6f - 0.4f * i / negative.length;
    }
    contents.put("one", HostTensor.of(Shape.of(WORDS, DIM), negative));
    Model changed = new Model(model.name(), model.graph(), contents);
    try (Quantrain quantrain = Quantrain.open()) {
      Path file = folder.resolve("negative.onnx");
      QuantPolicy policy = QuantPolicy.forTarget(Target.ORT);
      assertTrue(RandomTexts.verified(quantrain, changed, policy, WORDS, file).holds());
      Path tensors = folder.resolve("negative.safetensors");
      Files.write(tensors, ExportFormat.of("safetensors").toBytes(DeployedModel.read(file)));
      assertTrue(new String(Files.readAllBytes(tensors), ISO_8859_1).contains("words.table"));
    }
  }

  @Test
  void aTokenBeyondTheTableIsRefused() throws IOException {
    try (Quantrain quantrain = Quantrain.open()) {
      Path file = exported(quantrain);
      for (int token : new int[] {WORDS, -1, Integer.MIN_VALUE}) {
        HostTensor tokens = HostTensor.of(Shape.of(1, LENGTH), 0, token, 1, 2);
        for (boolean fast : new boolean[] {false, true}) {
          IntegerModel model = IntegerModel.read(file);
          try (IntegerInterpreter interpreter =
              fast
                  ? IntegerInterpreter.fast(quantrain.backend(), model, 1)
                  : new IntegerInterpreter(quantrain.backend(), model, 1)) {
            RuntimeException e =
                assertThrows(RuntimeException.class, () -> interpreter.run(tokens));
            assertTrue(e.getMessage().contains("indices[1]"), e.getMessage());
          }
        }
      }
    }
  }

  private Path exported(Quantrain quantrain) throws IOException {
    Path file = folder.resolve("lookups.onnx");
    RandomTexts.verified(
        quantrain, model(), QuantPolicy.forTarget(Target.ORT), WORDS, file);
    return file;
  }

  @Test
  void aFileWithAnotherLookupIsRefusedByName() throws IOException {
    try (Quantrain quantrain = Quantrain.open()) {
      byte[] sound = Files.readAllBytes(exported(quantrain));
      refused(sound, node -> node.clearAttribute().addAttribute(axis(1)), "rows of a table");
      refused(sound, node -> node.setInput(1, "fc.weight"), "rows of a table");
    }
  }

  private static AttributeProto axis(long axis) {
    return AttributeProto.newBuilder()
        .setName("axis")
        .setType(AttributeProto.AttributeType.INT)
        .setI(axis)
        .build();
  }

  /** Changes the lookup of words. */
  private static void refused(byte[] sound, Consumer<NodeProto.Builder> change, String problem)
      throws IOException {
    ModelProto.Builder model = ModelProto.parseFrom(sound).toBuilder();
    change.accept(
        model.getGraphBuilder().getNodeBuilderList().stream()
            .filter(n -> n.getOpType().equals("Gather"))
            .findFirst()
            .orElseThrow());
    byte[] changed = model.build().toByteArray();
    OnnxException e =
        assertThrows(OnnxException.class, () -> IntegerModel.read("changed", changed));
    assertTrue(e.getMessage().contains(problem), e.getMessage());
    assertTrue(e.getMessage().contains("words.codes"), e.getMessage());
  }

  @ParameterizedTest
  @CsvSource({"TRAIN", "TRAIN_FROZEN"})
  void aRowsGradientIsTheSumOfThoseOfItsPlaces(Phase phase) {
    Model quantized = Pipelines.quantize(model(), QuantPolicy.forTarget(Target.ORT));
    TrainingGraph training = Pipelines.training(quantized.graph(), phase, Lowering.INTEGER, 0);
    int[] ids = {0, 1, 1, 6, 6, 6, 2, 0};
    HostTensor tokens = HostTensor.of(Shape.of(2, LENGTH), ids);
    try (Quantrain quantrain = Quantrain.open();
        ParameterStore store =
            new ParameterStore(
                quantrain.backend(),
                training.graph().persistent(),
                Calibrated.contents(quantized, quantrain.backend(), tokens));
        TrainedStep step = TrainedStep.keepingAll(training, 2, store)) {
      step.run(tokens, 3, 1);
      List<Node> lookups =
          training.graph().nodes().stream().filter(n -> n.op() instanceof GatherBackward).toList();
      assertEquals(2, lookups.size());
      for (Node lookup : lookups) {
        float[] dy = step.read(lookup.input(0)).floats();
        float[] expected = new float[WORDS * DIM];
        for (int i = 0; i < dy.length; i++) {
          expected[ids[i / DIM] * DIM + i % DIM] += dy[i];
        }
        String table = lookup.name().startsWith("words") ? "one" : "two";
        assertArrayEquals(expected, store.gradient(table).floats(), table);
        assertTrue(expected[0] != 0, table);
      }
    }
  }

  @Test
  void aTargetThatComputesNothingInFloatSaysThatItHasNoTables() {
    GraphException e =
        assertThrows(
            GraphException.class,
            () -> Pipelines.quantize(model(), QuantPolicy.forTarget(Target.TFLITE)));
    assertTrue(e.getMessage().contains("Gather \"words\""), e.getMessage());
  }
}
