package org.quantrain.integer;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import ai.onnx.proto.OnnxMl.GraphProto;
import ai.onnx.proto.OnnxMl.ModelProto;
import ai.onnx.proto.OnnxMl.NodeProto;
import ai.onnx.proto.OnnxMl.TensorProto;
import com.google.protobuf.ByteString;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.onnx.OnnxException;
import org.quantrain.onnx.OnnxWriter;
import org.quantrain.onnx.QdqMetadata;
import org.quantrain.op.FoldWeight;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.testkit.Networks;

class IntegerModelTest {
  @TempDir Path folder;

  private static GraphProto.Builder graph(ModelProto.Builder model) {
    return model.getGraphBuilder();
  }

  private static TensorProto.Builder initializer(ModelProto.Builder model, String name) {
    for (TensorProto.Builder t : graph(model).getInitializerBuilderList()) {
      if (t.getName().equals(name)) {
        return t;
      }
    }
    throw new IllegalArgumentException(name);
  }

  private static NodeProto.Builder node(ModelProto.Builder model, String output) {
    for (NodeProto.Builder n : graph(model).getNodeBuilderList()) {
      if (n.getOutput(0).equals(output)) {
        return n;
      }
    }
    throw new IllegalArgumentException(output);
  }

  private Path edited(RandomIntegers net, Consumer<ModelProto.Builder> edit) throws IOException {
    Path file = net.write(folder);
    ModelProto.Builder model = ModelProto.parseFrom(Files.readAllBytes(file)).toBuilder();
    edit.accept(model);
    return Files.write(file, model.build().toByteArray());
  }

  private void refuses(RandomIntegers net, Consumer<ModelProto.Builder> edit, String... words)
      throws IOException {
    Path file = edited(net, edit);
    OnnxException e = assertThrows(OnnxException.class, () -> IntegerModel.read(file));
    assertTrue(e.getMessage().startsWith(file.toAbsolutePath().toString()), e.getMessage());
    assertFalse(e.getMessage().contains("\n"), e.getMessage());
    for (String word : words) {
      assertTrue(e.getMessage().contains(word), e.getMessage());
    }
  }

  @Test
  void whatWasWrittenIsReadBack() throws IOException {
    for (RandomIntegers net :
        List.of(
            RandomIntegers.residual(1, false),
            RandomIntegers.varied(2, false),
            RandomIntegers.narrow(3, false))) {
      IntegerModel model = IntegerModel.read(net.write(folder));
      assertEquals(Optional.of(true), model.digestMatches());
      assertEquals("ort", model.metadata().get(QdqMetadata.TARGET));
      List<String> written =
          net.graph().nodes().stream()
              .filter(n -> !(n.op() instanceof FoldWeight))
              .map(n -> n.output(0))
              .filter(v -> v.spec().dtype().isCodes())
              .map(Value::name)
              .toList();
      assertEquals(written, model.codes().stream().map(CodesTensor::name).toList());
      for (CodesTensor tensor : model.codes()) {
        Value value = net.graph().value(tensor.name()).orElseThrow();
        assertEquals(value.spec().shape(), tensor.shape());
      }
      assertEveryWeightIsTheOneWritten(net, model);
    }
  }

  @Test
  void narrowWeightsAreTwoInAByte() throws IOException {
    Path file = RandomIntegers.narrow(3, false).write(folder);
    GraphProto graph = ModelProto.parseFrom(Files.readAllBytes(file)).getGraph();
    TensorProto stem =
        graph.getInitializerList().stream()
            .filter(t -> t.getName().equals("stem.weight"))
            .findFirst()
            .orElseThrow();
    assertEquals(22, stem.getDataType());
    assertEquals((7 * 3 * 3 * 3 + 1) / 2, stem.getRawData().size());
    refuses(
        RandomIntegers.narrow(3, false),
        m -> node(m, "stem.weight.int8").getAttributeBuilder(0).setI(2),
        "stem.weight.int8",
        "expected constant weights from INT4 to INT8");
  }

  private static void assertEveryWeightIsTheOneWritten(RandomIntegers net, IntegerModel model) {
    int found = 0;
    for (Node node : net.graph().nodes()) {
      if (node.op() instanceof FoldWeight) {
        String name = node.input(0).name();
        String[] parts = {"/codes", "/scale", "/out_scale", "/bias"};
        for (int i = 0; i < parts.length; i++) {
          HostTensor read = model.contents().get(name + parts[i]);
          assertEquals(node.output(i).spec(), read.spec());
          assertArrayEquals(net.contents(node.output(i)).bytes(), read.bytes());
        }
        found++;
      }
    }
    assertTrue(found > 2);
  }

  @Test
  void theSameGraphGivesTheSameBytes() throws IOException {
    byte[] once = Files.readAllBytes(RandomIntegers.varied(4, false).write(folder));
    byte[] again = Files.readAllBytes(RandomIntegers.varied(4, false).write(folder));
    assertArrayEquals(once, again);
  }

  @Test
  void aChangedWeightCodeBreaksTheDigest() throws IOException {
    Path file =
        edited(
            RandomIntegers.residual(1, false),
            model -> {
              TensorProto.Builder w = initializer(model, "one.weight");
              byte[] raw = w.getRawData().toByteArray();
              raw[17] ^= 1;
              w.setRawData(ByteString.copyFrom(raw));
            });
    assertEquals(Optional.of(false), IntegerModel.read(file).digestMatches());
  }

  @Test
  void aChangedAttributeBreaksTheDigest() throws IOException {
    Path file =
        edited(
            RandomIntegers.residual(1, false),
            model ->
                model.getGraphBuilder().getNodeBuilderList().stream()
                    .filter(node -> node.getOpType().equals("Conv"))
                    .flatMap(node -> node.getAttributeBuilderList().stream())
                    .filter(a -> a.getName().equals("pads"))
                    .findFirst()
                    .orElseThrow()
                    .setInts(0, 0)
                    .setInts(2, 2));
    assertEquals(Optional.of(false), IntegerModel.read(file).digestMatches());
  }

  @Test
  void aRemovedDigestIsABrokenDigest() throws IOException {
    Path file = edited(RandomIntegers.residual(1, false), ModelProto.Builder::clearMetadataProps);
    assertEquals(Optional.of(false), IntegerModel.read(file).digestMatches());
  }

  @Test
  void aFileThatIsNotOursNeedsNoDigest() throws IOException {
    Path file =
        edited(
            RandomIntegers.residual(1, false),
            model -> model.clearMetadataProps().setProducerName("another"));
    assertEquals(Optional.empty(), IntegerModel.read(file).digestMatches());
  }

  @Test
  void aBiasAtAnotherScaleIsRefused() throws IOException {
    refuses(
        RandomIntegers.residual(1, false),
        model -> {
          TensorProto.Builder scale = initializer(model, "one.weight.bias.scale");
          ByteBuffer raw =
              ByteBuffer.wrap(scale.getRawData().toByteArray()).order(ByteOrder.LITTLE_ENDIAN);
          raw.putFloat(4, Math.nextUp(raw.getFloat(4)));
          scale.setRawData(ByteString.copyFrom(raw.array()));
        },
        "one",
        "bias is not at the scale");
  }

  @Test
  void requantizedCodesWithoutClipAreRefused() throws IOException {
    refuses(
        RandomIntegers.narrow(1, false),
        model -> {
          GraphProto.Builder graph = graph(model);
          for (int i = 0; i < graph.getNodeCount(); i++) {
            if (graph.getNode(i).getOutput(0).equals("again.codes")) {
              graph.removeNode(i);
            }
          }
          node(model, "again.codes.wide").setOutput(0, "again.codes");
        },
        "without a Clip");
  }

  @Test
  void dequantizingWithOtherScalesIsRefused() throws IOException {
    refuses(
        RandomIntegers.residual(1, false),
        model -> node(model, "one.codes.dq").setInput(1, "stem.codes.scale"),
        "one.codes.dq",
        "differ from those that made one.codes");
  }

  @Test
  void aFloatLayerIsRefused() throws IOException {
    refuses(
        RandomIntegers.residual(1, false),
        model -> node(model, "one.codes.real").setOpType("ConvTranspose"),
        "ConvTranspose \"one\" is no part of a quantized file");
  }

  @Test
  void anAccumulatorThatCouldOverflowIsRefused() throws IOException {
    refuses(
        RandomIntegers.residual(1, false),
        model -> {
          TensorProto.Builder bias = initializer(model, "one.weight.bias");
          byte[] raw = bias.getRawData().toByteArray();
          ByteBuffer.wrap(raw).order(ByteOrder.LITTLE_ENDIAN).putInt(12, Integer.MIN_VALUE);
          bias.setRawData(ByteString.copyFrom(raw));
        },
        "channel 3 could overflow");
  }

  @Test
  void scalesThatAreNoNumbersAreRefused() throws IOException {
    for (float wrong : new float[] {0, -1, Float.NaN, Float.POSITIVE_INFINITY}) {
      refuses(
          RandomIntegers.residual(1, false),
          model -> {
            byte[] raw = new byte[4];
            ByteBuffer.wrap(raw).order(ByteOrder.LITTLE_ENDIAN).putFloat(wrong);
            initializer(model, "stem.codes.scale").setRawData(ByteString.copyFrom(raw));
          },
          "stem.codes",
          "expected a scale above 0");
    }
  }

  @Test
  void aGridThatIsNoNumberOfBitsIsRefused() throws IOException {
    refuses(
        RandomIntegers.narrow(1, false),
        model ->
            initializer(model, "one.codes.qmax").setRawData(ByteString.copyFrom(new byte[] {14})),
        "one.codes",
        "codes 0 to 14");
  }

  @Test
  void aFloatFileIsRefused() throws IOException {
    refuses(
        RandomIntegers.residual(1, false),
        model -> {
          graph(model).clearNode();
          graph(model)
              .addNode(
                  NodeProto.newBuilder().setOpType("Relu").addInput("image").addOutput("logits"));
        },
        "the output \"logits\" is neither dequantized codes nor the float result of a Gemm");
  }

  @Test
  void contradictingScalesAreNotWritten() {
    RandomIntegers net = RandomIntegers.residual(1, false);
    Value outScale =
        net.graph().nodes().stream()
            .filter(n -> n.op() instanceof FoldWeight && n.name().equals("one.fold"))
            .findFirst()
            .orElseThrow()
            .output(2);
    float[] changed = net.contents(outScale).floats();
    changed[5] = Math.nextUp(changed[5]);
    net.replace(outScale.name(), HostTensor.of(Shape.of(changed.length), changed));
    OnnxException e = assertThrows(OnnxException.class, () -> net.write(folder));
    assertTrue(e.getMessage().contains("one.fold"), e.getMessage());
    assertTrue(e.getMessage().contains("channel 5"), e.getMessage());
    assertFalse(Files.exists(folder.resolve("model.onnx")));
  }

  @Test
  void anAccumulatorThatCouldOverflowIsNotWritten() {
    RandomIntegers net = RandomIntegers.residual(1, false);
    int[] bias = new int[8];
    bias[6] = Integer.MAX_VALUE - 5;
    net.replace("one.fold:3", HostTensor.of(Shape.of(8), bias));
    OnnxException e = assertThrows(OnnxException.class, () -> net.write(folder));
    assertTrue(e.getMessage().contains("channel 6 could overflow"), e.getMessage());
  }

  @Test
  void damagedBytesNeverEscapeAsAnotherException() throws IOException {
    byte[] bytes = Files.readAllBytes(RandomIntegers.narrow(1, false).write(folder));
    int refused = 0;
    for (int i = 0; i < bytes.length; i += i < 2000 ? 7 : 29) {
      for (int change : new int[] {1, 0x80, 0xff}) {
        byte[] damaged = bytes.clone();
        damaged[i] ^= (byte) change;
        try {
          IntegerModel.read("damaged", damaged);
        } catch (OnnxException e) {
          refused++;
        }
      }
    }
    assertTrue(refused > 0);
  }

  @Test
  void aFloatModelIsRefusedNamingEachKindOfItsOperatorsOnce() throws IOException {
    Path file = folder.resolve("float.onnx");
    Files.write(file, OnnxWriter.toBytes(Networks.lenetLike(), Map.of()));
    OnnxException e = assertThrows(OnnxException.class, () -> IntegerModel.read(file));
    String operators = e.getMessage().replaceAll(".*but of \\[(.*)\\]", "$1");
    List<String> kinds = List.of(operators.split(", "));
    assertTrue(kinds.containsAll(List.of("Conv", "Relu", "Gemm")), e.getMessage());
    assertEquals(kinds.stream().distinct().toList(), kinds);
  }
}
