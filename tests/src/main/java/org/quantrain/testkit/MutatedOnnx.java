package org.quantrain.testkit;

import ai.onnx.proto.OnnxMl.AttributeProto;
import ai.onnx.proto.OnnxMl.GraphProto;
import ai.onnx.proto.OnnxMl.ModelProto;
import ai.onnx.proto.OnnxMl.NodeProto;
import ai.onnx.proto.OnnxMl.StringStringEntryProto;
import ai.onnx.proto.OnnxMl.TensorProto;
import ai.onnx.proto.OnnxMl.TensorShapeProto;
import ai.onnx.proto.OnnxMl.ValueInfoProto;
import com.google.protobuf.ByteString;
import com.google.protobuf.InvalidProtocolBufferException;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;

/** ONNX files that are protocol buffers still, but say something else or nonsense. */
public final class MutatedOnnx {
  private static final long[] NUMBERS = {
    0, 1, -1, 2, 3, 7, 255, 32767, 32768, 65536, 1L << 20, (1L << 31) - 1, 1L << 31, 1L << 32,
    Long.MAX_VALUE, Long.MIN_VALUE
  };

  private static final String[] PATHS = {
    "../secret", "/etc/passwd", "..\\secret", "weights.bin", "", ".", "link", "a/../../secret",
    "con\u0000nul", "weights.bin/", "file:///etc/passwd", "x".repeat(5000)
  };

  private static final String[] OPS = {
    "Conv", "Gemm", "MatMul", "Add", "Concat", "Relu", "Clip", "MaxPool", "AveragePool",
    "GlobalAveragePool", "Flatten", "Reshape", "BatchNormalization", "Identity", "Constant",
    "Dropout", "Pad", "QuantizeLinear", "DequantizeLinear", "Slice", "Loop", "If", "Softmax", "",
    "Transpose", "Squeeze", "Unsqueeze", "Split", "Where", "Mul", "Sub", "Div", "Pow", "Sqrt",
    "Erf", "LayerNormalization", "ReduceMean", "Resize", "ConvTranspose", "PRelu", "Sigmoid",
    "Tanh", "Gelu"
  };

  /** What is computed while a file is read. */
  private static final String[] FOLDED = {
    "ConstantOfShape", "Range", "Expand", "Tile", "Reshape", "Gather", "Cast", "Concat", "Shape",
    "Transpose", "Squeeze", "Unsqueeze", "Slice", "Split", "Where", "Mul", "Add", "Div", "Mod",
    "ReduceProd", "Trilu", "Size", "Equal"
  };

  private final Random random;
  private final GraphProto.Builder graph;

  private MutatedOnnx(GraphProto.Builder graph, Random random) {
    this.graph = graph;
    this.random = random;
  }

  /** A file with one to three changes. */
  public static byte[] of(byte[] file, Random random) {
    ModelProto.Builder model;
    try {
      model = ModelProto.parseFrom(file).toBuilder();
    } catch (InvalidProtocolBufferException e) {
      throw new IllegalArgumentException("the file to be mutated is none", e);
    }
    MutatedOnnx mutated = new MutatedOnnx(model.getGraphBuilder(), random);
    int changes = 1 + random.nextInt(3);
    for (int i = 0; i < changes; i++) {
      mutated.change(model);
    }
    return model.build().toByteArray();
  }

  private void change(ModelProto.Builder model) {
    switch (random.nextInt(16)) {
      case 0 -> dims(initializer());
      case 1 -> external(initializer());
      case 2 -> initializer().setDataType(random.nextInt(20));
      case 3 -> contents(initializer());
      case 4 -> rename();
      case 5 -> rewire();
      case 6 -> attribute();
      case 7 -> node().setOpType(OPS[random.nextInt(OPS.length)]);
      case 8 -> inputDims();
      case 9 -> duplicate();
      case 10 -> remove();
      case 11 -> chain();
      case 13, 14 -> folded();
      case 12 -> {
        if (model.getOpsetImportCount() > 0) {
          model.getOpsetImportBuilder(0).setVersion(number());
        }
      }
      default -> arity(node());
    }
  }

  private long number() {
    return random.nextInt(4) == 0 ? random.nextLong() : NUMBERS[random.nextInt(NUMBERS.length)];
  }

  private TensorProto.Builder initializer() {
    return graph.getInitializerCount() == 0
        ? TensorProto.newBuilder()
        : graph.getInitializerBuilder(random.nextInt(graph.getInitializerCount()));
  }

  private NodeProto.Builder node() {
    return graph.getNodeCount() == 0
        ? NodeProto.newBuilder()
        : graph.getNodeBuilder(random.nextInt(graph.getNodeCount()));
  }

  private void dims(TensorProto.Builder tensor) {
    if (tensor.getDimsCount() > 0 && random.nextInt(3) > 0) {
      tensor.setDims(random.nextInt(tensor.getDimsCount()), number());
    } else {
      int more = 1 + random.nextInt(random.nextInt(10) == 0 ? 5000 : 4);
      for (int i = 0; i < more; i++) {
        tensor.addDims(random.nextBoolean() ? 1 : number());
      }
    }
  }

  private void external(TensorProto.Builder tensor) {
    tensor.setDataLocation(TensorProto.DataLocation.EXTERNAL);
    if (random.nextBoolean()) {
      tensor.clearRawData();
    }
    add(tensor, "location", PATHS[random.nextInt(PATHS.length)]);
    if (random.nextBoolean()) {
      add(tensor, "offset", Long.toString(number()));
      add(tensor, "length", random.nextInt(4) == 0 ? "many" : Long.toString(number()));
    }
  }

  private static void add(TensorProto.Builder tensor, String key, String value) {
    tensor.addExternalData(StringStringEntryProto.newBuilder().setKey(key).setValue(value));
  }

  private void contents(TensorProto.Builder tensor) {
    byte[] raw = tensor.getRawData().toByteArray();
    if (raw.length > 0) {
      tensor.setRawData(ByteString.copyFrom(MutatedBytes.of(raw, random)));
    }
    if (random.nextInt(3) == 0) {
      tensor.addFloatData(Float.NaN).addInt32Data(-1).addInt64Data(number());
    }
  }

  /** A name that something has, or none that anything has. */
  private String name() {
    List<String> names = new ArrayList<>(List.of("", "nothing"));
    graph.getNodeList().forEach(n -> names.addAll(n.getOutputList()));
    graph.getInitializerList().forEach(t -> names.add(t.getName()));
    graph.getInputList().forEach(v -> names.add(v.getName()));
    return names.get(random.nextInt(names.size()));
  }

  private void rename() {
    NodeProto.Builder node = node();
    switch (random.nextInt(4)) {
      case 0 -> initializer().setName(name());
      case 1 -> node.setName(name());
      case 2 -> {
        if (node.getOutputCount() > 0) {
          node.setOutput(random.nextInt(node.getOutputCount()), name());
        }
      }
      default -> {
        if (graph.getOutputCount() > 0) {
          graph.getOutputBuilder(0).setName(name());
        }
      }
    }
  }

  /** Cycles, among other things. */
  private void rewire() {
    NodeProto.Builder node = node();
    if (node.getInputCount() > 0) {
      node.setInput(random.nextInt(node.getInputCount()), name());
    }
  }

  private void attribute() {
    NodeProto.Builder node = node();
    if (node.getAttributeCount() == 0) {
      node.addAttribute(
          AttributeProto.newBuilder()
              .setName(random.nextBoolean() ? "axis" : "value")
              .setType(AttributeProto.AttributeType.INT)
              .setI(number()));
      return;
    }
    AttributeProto.Builder attribute =
        node.getAttributeBuilder(random.nextInt(node.getAttributeCount()));
    switch (random.nextInt(5)) {
      case 0 -> attribute.setType(AttributeProto.AttributeType.values()[random.nextInt(8)]);
      case 1 -> attribute.setF(Float.intBitsToFloat(random.nextInt()));
      case 2 -> attribute.addInts(number());
      case 3 -> attribute.setI(number());
      default -> {
        if (attribute.getIntsCount() > 0) {
          attribute.setInts(random.nextInt(attribute.getIntsCount()), number());
        }
      }
    }
  }

  private void inputDims() {
    if (graph.getInputCount() == 0) {
      return;
    }
    TensorShapeProto.Builder shape =
        graph.getInputBuilder(0).getTypeBuilder().getTensorTypeBuilder().getShapeBuilder();
    if (shape.getDimCount() > 0 && random.nextInt(4) > 0) {
      shape.getDimBuilder(random.nextInt(shape.getDimCount())).setDimValue(number());
    } else {
      shape.addDim(TensorShapeProto.Dimension.newBuilder().setDimValue(number()));
    }
  }

  private void duplicate() {
    switch (random.nextInt(4)) {
      case 0 -> graph.addInitializer(initializer().build());
      case 1 -> graph.addNode(node().build());
      case 2 -> {
        if (graph.getInputCount() > 0) {
          ValueInfoProto input = graph.getInput(0);
          graph.addInput(input);
        }
      }
      default -> {
        NodeProto.Builder node = node();
        if (node.getAttributeCount() > 0) {
          node.addAttribute(node.getAttribute(0));
        }
      }
    }
  }

  private void remove() {
    switch (random.nextInt(4)) {
      case 0 -> {
        if (graph.getInitializerCount() > 0) {
          graph.removeInitializer(random.nextInt(graph.getInitializerCount()));
        }
      }
      case 1 -> {
        if (graph.getNodeCount() > 0) {
          graph.removeNode(random.nextInt(graph.getNodeCount()));
        }
      }
      case 2 -> graph.clearInput();
      default -> graph.clearOutput();
    }
  }

  /** Thousands of nodes in a row, last one first. */
  private void chain() {
    int length = random.nextInt(20) == 0 ? 10_000 : 1 + random.nextInt(50);
    String from = name();
    for (int i = length; i > 0; i--) {
      graph.addNode(
          NodeProto.newBuilder()
              .setOpType(OPS[random.nextInt(3) == 0 ? 5 : 13])
              .addInput(i == 1 ? from : "chain" + (i - 1))
              .addOutput("chain" + i));
    }
    if (graph.getOutputCount() > 0 && random.nextBoolean()) {
      graph.getOutputBuilder(0).setName("chain" + length);
    }
  }

  /** A node on constants, whose result something reads. */
  private void folded() {
    NodeProto.Builder made =
        NodeProto.newBuilder().setOpType(FOLDED[random.nextInt(FOLDED.length)]);
    int inputs = 1 + random.nextInt(3);
    for (int i = 0; i < inputs; i++) {
      String name = "sizes" + graph.getInitializerCount();
      int length = 1 + random.nextInt(4);
      TensorProto.Builder sizes = TensorProto.newBuilder().setName(name).setDataType(7);
      if (random.nextInt(4) > 0) {
        sizes.addDims(length);
      } else {
        length = 1;
      }
      for (int k = 0; k < length; k++) {
        sizes.addInt64Data(random.nextBoolean() ? 1 + random.nextInt(4000) : number());
      }
      graph.addInitializer(sizes);
      made.addInput(random.nextInt(4) == 0 ? name() : name);
    }
    String output = "folded" + graph.getNodeCount();
    made.addOutput(output);
    graph.addNode(made);
    NodeProto.Builder reader = node();
    if (reader.getInputCount() > 0) {
      reader.setInput(random.nextInt(reader.getInputCount()), output);
    }
  }

  private void arity(NodeProto.Builder node) {
    switch (random.nextInt(4)) {
      case 0 -> node.clearInput();
      case 1 -> node.clearOutput();
      case 2 -> node.addInput(name());
      default -> node.addOutput(name());
    }
  }
}
