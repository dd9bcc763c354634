package org.quantrain.onnx;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.quantrain.onnx.Foreign.ints;
import static org.quantrain.onnx.Foreign.number;
import static org.quantrain.onnx.Foreign.refused;
import static org.quantrain.onnx.Foreign.text;

import ai.onnx.proto.OnnxMl.AttributeProto;
import ai.onnx.proto.OnnxMl.TensorShapeProto;
import ai.onnx.proto.OnnxMl.TypeProto;
import ai.onnx.proto.OnnxMl.ValueInfoProto;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.quantrain.graph.Model;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.op.BatchNorm;
import org.quantrain.op.Conv2d;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.MaxPool;
import org.quantrain.op.PoolWindow;
import org.quantrain.op.Relu;
import org.quantrain.tensor.HostTensor;
import org.quantrain.zoo.Zoo;

class OnnxReaderTest {
  @TempDir Path folder;

  /** x [batch,2,6,5] to y [N,3], by way of "body". */
  private static Foreign classifier() {
    Foreign f = new Foreign().input(-1, 2, 6, 5).counting("w", 3, 2);
    f.node("GlobalAveragePool", "body", "pooled");
    f.node("Flatten", "pooled", "flat");
    f.node("Gemm", "flat w", "y").addAttribute(number("transB", 1));
    return f.output("y");
  }

  private static Node node(Model model, String name) {
    return model.graph().nodes().stream()
        .filter(n -> n.name().equals(name))
        .findFirst()
        .orElseThrow();
  }

  @Test
  void convolutionWeightsAreTransposedIntoMemoryOrder() throws OnnxException {
    Foreign f = classifier().counting("cw", 2, 2, 1, 3);
    f.node("Conv", "x cw", "body").addAttribute(ints("pads", 0, 1, 0, 1));
    float[] krsc = f.read().contents().get("cw").floats();
    assertArrayEquals(new float[] {0, 3, 1, 4, 2, 5, 6, 9, 7, 10, 8, 11}, krsc);
  }

  @Test
  void weightsThatAreNoNumbersAreRefusedByName() throws IOException {
    Model model = Zoo.build("lenet", 1, 8, 8, 10, 1);
    Map<String, HostTensor> contents = new HashMap<>(model.contents());
    HostTensor bad = contents.get("conv2.weight").copy();
    bad.buffer().putFloat(28, Float.NaN);
    contents.put("conv2.weight", bad);
    Path file = folder.resolve("nan.onnx");
    OnnxWriter.writeFloat(model.withContents(contents), Map.of(), file);
    String message = assertThrows(OnnxException.class, () -> OnnxReader.read(file)).getMessage();
    assertTrue(message.contains("\"conv2.weight\"") && message.contains("NaN"), message);
  }

  @Test
  void matMulAndGemmWeightsAreTransposed() throws OnnxException {
    Foreign f = new Foreign().input(-1, 2, 1, 1).counting("a", 2, 3).counting("b", 3, 2);
    f.counting("bias", 3).shape("to", 0, -1);
    f.node("Reshape", "x to", "flat");
    f.node("MatMul", "flat a", "product");
    f.node("Add", "bias product", "hidden");
    f.node("Gemm", "hidden b", "y");
    f.output("y");
    Model model = f.read();
    assertArrayEquals(new float[] {0, 3, 1, 4, 2, 5}, model.contents().get("a").floats());
    assertArrayEquals(new float[] {0, 2, 4, 1, 3, 5}, model.contents().get("b").floats());
    assertEquals(3, node(model, "hidden").inputs().size());
    assertEquals(3, model.graph().nodes().size());
  }

  @Test
  void automaticPaddingIsComputed() throws OnnxException {
    String[] kinds = {"SAME_UPPER", "SAME_LOWER", "VALID"};
    // Rows 6, kernel 3, stride 2: one row; columns 5, kernel 2, dilation 2, stride 1: two columns.
    int[][] pads = {{0, 1, 1, 1}, {1, 1, 0, 1}, {0, 0, 0, 0}};
    for (int i = 0; i < kinds.length; i++) {
      Foreign f = classifier().counting("cw", 2, 2, 3, 2);
      f.node("Conv", "x cw", "body")
          .addAttribute(text("auto_pad", kinds[i]))
          .addAttribute(ints("strides", 2, 1))
          .addAttribute(ints("dilations", 1, 2));
      ConvGeometry g = ((Conv2d) node(f.read(), "body").op()).geometry();
      int[] found = {g.padTop(), g.padLeft(), g.padBottom(), g.padRight()};
      assertArrayEquals(pads[i], found, kinds[i]);
    }
  }

  @Test
  void batchNormComesOutInTrainingModeWithOurMomentum() throws OnnxException {
    Foreign f = classifier();
    f.counting("g", 2).counting("b", 2).counting("m", 2).counting("v", 2);
    f.node("BatchNormalization", "x g b m v", "body mean var savedMean savedVar")
        .addAttribute(
            AttributeProto.newBuilder()
                .setName("momentum")
                .setType(AttributeProto.AttributeType.FLOAT)
                .setF(0.99f));
    BatchNorm norm = (BatchNorm) node(f.read(), "body").op();
    assertEquals(new BatchNorm(1e-5f, 0.01f, BatchNorm.Mode.TRAIN), norm);
  }

  @Test
  void equalVectorsThatShareAnInitializerAreTrainedApart() throws OnnxException {
    Foreign f = classifier().counting("ones", 2);
    f.node("Identity", "ones", "gamma2");
    f.node("BatchNormalization", "x ones ones ones ones", "first");
    f.node("BatchNormalization", "first gamma2 ones ones ones", "body");
    Model model = f.read();
    assertEquals(8, model.graph().persistent().size() - 1);
    assertTrue(model.contents().containsKey("gamma2"));
  }

  @Test
  void clipToSixIsRelu6WhereverItsBoundsComeFrom() throws OnnxException {
    Foreign f = classifier();
    f.graph.addInitializer(Foreign.tensor("zero", new float[] {0}));
    f.node("Constant", "", "six")
        .addAttribute(
            AttributeProto.newBuilder()
                .setName("value")
                .setType(AttributeProto.AttributeType.TENSOR)
                .setT(Foreign.tensor("", new float[] {6})));
    f.node("Clip", "x zero six", "a");
    f.node("Clip", "a zero", "body");
    Model model = f.read();
    assertEquals(new Relu(6), node(model, "a").op());
    assertEquals(new Relu(), node(model, "body").op());
  }

  @Test
  void nodesThatDoNothingDisappear() throws OnnxException {
    Foreign f = classifier().shape("none", 0, 0, 0, 0, 0, 0, 0, 0);
    f.node("Dropout", "x", "a mask");
    f.node("Identity", "a", "b");
    f.node("Pad", "b none", "c");
    f.node("MaxPool", "c", "body")
        .addAttribute(ints("kernel_shape", 3, 2))
        .addAttribute(ints("strides", 1, 1))
        .addAttribute(ints("pads", 1, 0, 1, 1));
    Model model = f.read();
    assertEquals(4, model.graph().nodes().size());
    assertEquals(new MaxPool(new PoolWindow(3, 2, 1, 1, 1, 0, 1, 1)), node(model, "body").op());
    assertEquals("x", node(model, "body").input(0).name());
  }

  @Test
  void aFixedBatchIsFreeAgain() throws OnnxException {
    Foreign f = new Foreign().input(1, 2, 3, 3).counting("w", 3, 18).shape("to", 1, -1);
    f.node("Reshape", "x to", "flat");
    f.node("Gemm", "flat w", "y").addAttribute(number("transB", 1));
    assertTrue(f.output("y").read().graph().inputs().get(0).spec().shape().hasBatch());
  }

  @Test
  void nodesMayStandInAnyOrder() throws OnnxException {
    Foreign f = classifier();
    f.node("Relu", "a", "body");
    f.node("Relu", "x", "a");
    assertEquals(
        List.of("a", "body", "pooled", "flat", "y"),
        f.read().graph().nodes().stream().map(Node::name).toList());
  }

  @Test
  void allUnsupportedNodesAreNamedAtOnce() {
    Foreign f = classifier();
    f.node("Det", "x", "a");
    f.node("NonZero", "a", "b");
    f.node("Frob", "b", "body").setDomain("com.example");
    f.refused(
        "not supported: ", "Det \"the a\"", "NonZero \"the b\"", "com.example.Frob \"the body\"");
  }

  @Test
  void anUnsupportedFormOfAKnownNodeSaysWhy() {
    Foreign f = classifier();
    f.node("MaxPool", "x", "a")
        .addAttribute(ints("kernel_shape", 2, 2))
        .addAttribute(ints("dilations", 2, 2));
    f.node("BatchNormalization", "x x x x x", "body");
    f.refused("MaxPool \"the a\" (dilations)", "input 1 is not a FLOAT constant");
  }

  @Test
  void aResizeOfAnotherMeaningIsRefused() {
    Foreign f = classifier().scales("scales", 1, 1, 0.5f, 0.5f).shape("sizes", 1, 2, 3, 3);
    f.opset(18).node("Resize", "x  scales", "a").addAttribute(number("antialias", 1));
    f.node("Resize", "x   sizes", "body")
        .addAttribute(text("keep_aspect_ratio_policy", "not_larger"));
    f.refused(
        "Resize \"the a\" (antialias)",
        "Resize \"the body\" (keep_aspect_ratio_policy not_larger)");
  }

  @Test
  void aTruncatedFileIsRefused() {
    Foreign f = classifier();
    f.node("Relu", "x", "body");
    byte[] bytes = f.bytes();
    for (int length = 0; length < bytes.length; length++) {
      refused(Arrays.copyOf(bytes, length));
    }
  }

  @Test
  void damagedBytesNeverEscapeAsAnotherException() {
    Foreign f = classifier().counting("cw", 2, 2, 1, 3);
    f.node("Conv", "x cw", "body").addAttribute(ints("pads", 0, 1, 0, 1));
    byte[] bytes = f.bytes();
    int refused = 0;
    for (int i = 0; i < bytes.length; i++) {
      for (int change : new int[] {1, 0x7f, 0x80, 0xff}) {
        byte[] damaged = bytes.clone();
        damaged[i] ^= (byte) change;
        try {
          OnnxReader.read("damaged", damaged);
        } catch (OnnxException e) {
          refused++;
        }
      }
    }
    assertNotEquals(0, refused);
  }

  @Test
  void aCycleIsRefused() {
    Foreign f = classifier();
    f.node("Add", "x b", "a");
    f.node("Relu", "a", "b");
    f.node("Relu", "b", "body");
    f.refused("cycle through ", "\"the ");
  }

  @Test
  void namesUsedTwiceAreRefused() {
    Foreign f = classifier();
    f.node("Relu", "x", "body");
    f.node("Relu", "x", "body");
    f.refused("\"body\" is computed twice");
    Foreign g = classifier().counting("w", 3, 2);
    g.node("Relu", "x", "body");
    g.refused("two initializers named \"w\"");
    Foreign h = classifier();
    h.node("Relu", "x", "w");
    h.refused("\"w\" is computed twice");
  }

  @Test
  void missingInputsAreRefused() {
    Foreign f = classifier();
    f.node("Relu", "nowhere", "body");
    f.refused("Relu \"the body\" reads \"nowhere\"");
  }

  @Test
  void hugeDimensionsAreRefusedBeforeAnythingIsAllocated() {
    long[][] dims = {{1L << 62, 4}, {1 << 20, 1 << 20, 1 << 20}, {-1}, {1 << 30}};
    for (long[] d : dims) {
      Foreign f = classifier();
      f.node("Relu", "x", "body");
      f.graph.addInitializer(Foreign.tensor("big", new float[] {1}, d));
      f.refused("initializer \"big\"");
    }
    Foreign f = new Foreign().input(-1, 3, 1 << 20, 1 << 20).counting("w", 3, 3);
    f.node("GlobalAveragePool", "x", "pooled");
    f.output("pooled").refused();
  }

  @Test
  void absurdAttributesAreRefused() {
    for (long wrong : new long[] {-1, 1 << 20, Long.MAX_VALUE}) {
      Foreign f = classifier().counting("cw", 2, 2, 1, 3);
      f.node("Conv", "x cw", "body").addAttribute(ints("pads", 0, wrong, 0, 1));
      f.refused("Conv \"the body\": pads");
    }
    Foreign f = classifier().counting("cw", 2, 2, 1, 3);
    f.node("Conv", "x cw", "body").addAttribute(ints("strides", 0, 1));
    f.refused("at least 1");
  }

  @Test
  void aMissingFileIsRefused() {
    OnnxException e =
        assertThrows(OnnxException.class, () -> OnnxReader.read(folder.resolve("nowhere.onnx")));
    assertTrue(e.getMessage().contains("no such file"), e.getMessage());
  }

  @Test
  void shapesThatDoNotFitAreRefusedWithTheNode() {
    Foreign f = classifier().counting("cw", 2, 5, 1, 1);
    f.node("Conv", "x cw", "body");
    f.refused("body", "do not fit");
  }

  @Test
  void oneMinusMomentumIsExactInDecimals() {
    for (float x : new float[] {0.9f, 0.99f, 0.997f, 0.1f, 0f, 1f, 0.5f}) {
      assertEquals(x, NormalizationReaders.oneMinus(NormalizationReaders.oneMinus(x)));
    }
    assertEquals(0.1f, NormalizationReaders.oneMinus(0.9f));
  }

  /** [N,sequence] token numbers to [N,sequence,3]. */
  private static Foreign embedding() {
    Foreign f = new Foreign().weights("table", 5, 3);
    f.graph.addInput(
        ValueInfoProto.newBuilder()
            .setName("ids")
            .setType(
                TypeProto.newBuilder()
                    .setTensorType(
                        TypeProto.Tensor.newBuilder()
                            .setElemType(7)
                            .setShape(
                                TensorShapeProto.newBuilder()
                                    .addDim(dim("batch"))
                                    .addDim(dim("sequence"))))));
    f.node("Gather", "table ids", "y");
    return f.output("y");
  }

  private static TensorShapeProto.Dimension dim(String name) {
    return TensorShapeProto.Dimension.newBuilder().setDimParam(name).build();
  }

  @Test
  void aFreeSizeBesideTheBatchIsAskedForByItsName() throws IOException {
    embedding().refused("input \"ids\"", "\"sequence\" has no size");
    Path file = folder.resolve("embedding.onnx");
    Files.write(file, embedding().bytes());
    Model model = OnnxReader.read(file, Map.of("sequence", 4));
    assertEquals("ids S32[Nx4]", model.graph().inputs().get(0).toString());
    assertEquals("y F32[Nx4x3]", model.graph().outputs().get(0).toString());
    assertEquals(Value.Role.PARAM, model.graph().value("table").orElseThrow().role());
  }

  @Test
  void aTableThatIsAlsoAMatrixOfWeightsIsOneParameter() throws IOException {
    Foreign f = embedding();
    f.graph.clearOutput();
    f.node("Transpose", "table", "turned");
    f.node("MatMul", "y turned", "words");
    Path file = folder.resolve("tied.onnx");
    Files.write(file, f.output("words").bytes());
    Model model = OnnxReader.read(file, Map.of("sequence", 4));
    assertEquals(List.of("table"), model.graph().params().stream().map(Value::name).toList());
  }

  @Test
  void aReshapeForOneBatchSizeOnlyIsRefused() {
    Foreign f = new Foreign().input(-1, 4, 6).shape("to", 2, 24);
    f.node("Reshape", "x to", "y");
    f.output("y").refused("Reshape \"the y\"", "[2, 24] for [Nx4x6]");
  }

  /** "n": the numbers of the samples of x [N,6], "flat": their elements in one row. */
  private static Foreign samples() {
    Foreign f = new Foreign().input(-1, 6).shape("list", -1).shape("two", 2).shape("six", 6);
    f.graph.addInitializerBuilder().setName("0").setDataType(7).addInt64Data(0);
    f.graph.addInitializerBuilder().setName("1").setDataType(7).addInt64Data(1);
    f.node("Shape", "x", "sizes");
    f.node("Gather", "sizes 0", "size");
    f.node("Range", "0 size 1", "n");
    f.node("Reshape", "x list", "flat");
    return f;
  }

  @Test
  void aSampleThatReadsAnotherIsRefused() {
    Foreign turned = samples();
    turned.node("Sub", "size n", "back");
    turned.node("Mul", "back six", "at");
    turned.node("Gather", "flat at", "y");
    turned.output("y").refused("Gather \"the y\"", "picks other samples from the batch");
    Foreign next = samples();
    next.node("Mul", "n six", "own");
    next.node("Add", "own six", "at");
    next.node("Gather", "flat at", "y");
    next.output("y").refused("Gather \"the y\"", "index 6 of 6");
    Foreign dense = samples();
    dense.node("Gather", "flat n", "y");
    dense.output("y").refused("Gather \"the y\"", "picks other samples from the batch");
    Foreign all = samples();
    all.node("Gather", "flat six", "y");
    all.output("y").refused("Gather \"the y\"", "picks from the batch");
  }

  @Test
  void numbersOfSamplesAreNoValuesOfTheNetwork() {
    Foreign f = samples();
    f.node("Cast", "n", "real").addAttribute(number("to", 1));
    f.output("real").refused("Cast \"the real\"", "depends on the sample");
    Foreign largest = samples();
    largest.node("Max", "n two", "at");
    largest.node("Gather", "flat at", "y");
    largest.output("y").refused("Gather \"the y\"", "depends on the sample");
    Foreign compared = samples();
    compared.node("Less", "n two", "few");
    compared.output("few").refused("Less \"the few\"", "depend on the sample");
  }

  @Test
  void nodesBehindAnUnsupportedOneAreNotBlamed() {
    Foreign f = classifier();
    f.node("Det", "x", "body");
    f.refused("not supported: Det \"the body\"");
    String message =
        assertThrows(OnnxException.class, () -> OnnxReader.read("foreign", f.bytes())).getMessage();
    assertEquals("foreign: not supported: Det \"the body\"", message);
  }

  @Test
  void constantsThatWouldFillTheMemoryAreRefused() {
    Foreign f = classifier().shape("to", 1 << 14, 1 << 14);
    f.node("ConstantOfShape", "to", "huge");
    f.node("Add", "x huge", "body");
    f.refused("ConstantOfShape \"the huge\"", "too large");
  }
}
