package org.quantrain.onnx;

import ai.onnx.proto.OnnxMl.AttributeProto;
import ai.onnx.proto.OnnxMl.GraphProto;
import ai.onnx.proto.OnnxMl.ModelProto;
import ai.onnx.proto.OnnxMl.NodeProto;
import ai.onnx.proto.OnnxMl.OperatorSetIdProto;
import ai.onnx.proto.OnnxMl.StringStringEntryProto;
import ai.onnx.proto.OnnxMl.TensorProto;
import ai.onnx.proto.OnnxMl.TensorShapeProto;
import ai.onnx.proto.OnnxMl.TypeProto;
import ai.onnx.proto.OnnxMl.ValueInfoProto;
import com.google.protobuf.ByteString;
import com.google.protobuf.UnsafeByteOperations;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.quantrain.graph.Value;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;

/** Puts a file together; the same calls give the same bytes. */
final class OnnxGraphBuilder {
  private static final long OPSET = 13;

  /** The oldest that has everything of opset 13, so that old runtimes read the file too. */
  private static final long IR_VERSION = 8;

  /** The oldest that has 4-bit integers, and its own oldest version. */
  private static final long INT4_OPSET = 21;

  private static final long INT4_IR_VERSION = 10;

  private final GraphProto.Builder graph = GraphProto.newBuilder();
  private final Set<String> names = new HashSet<>();
  private boolean hasInt4;

  /** Makes room for {@link #int4}, before any node is written. */
  void allowInt4() {
    hasInt4 = true;
  }

  /** The operator set that nodes are of. */
  long opset() {
    return hasInt4 ? INT4_OPSET : OPSET;
  }

  OnnxGraphBuilder(String name) {
    graph.setName(name);
  }

  /** Takes a name that must appear in the file as it is. */
  void reserve(String name) {
    names.add(name);
  }

  /** The name itself, or with a number behind it where it is taken. */
  String unique(String name) {
    String candidate = name;
    for (int i = 2; !names.add(candidate); i++) {
      candidate = name + "_" + i;
    }
    return candidate;
  }

  void input(Value value) {
    graph.addInput(info(value));
  }

  /** The network's first input. */
  String firstInput() {
    return graph.getInput(0).getName();
  }

  void output(Value value) {
    graph.addOutput(info(value));
  }

  private static ValueInfoProto info(Value value) {
    TensorShapeProto.Builder shape = TensorShapeProto.newBuilder();
    for (int dim : value.spec().shape().dims()) {
      TensorShapeProto.Dimension.Builder d = shape.addDimBuilder();
      if (dim < 0) {
        d.setDimParam(dim == Shape.BATCH ? "N" : -dim + "N");
      } else {
        d.setDimValue(dim);
      }
    }
    TypeProto.Tensor.Builder tensor =
        TypeProto.Tensor.newBuilder().setElemType(type(value.spec().dtype())).setShape(shape);
    return ValueInfoProto.newBuilder()
        .setName(value.name())
        .setType(TypeProto.newBuilder().setTensorType(tensor))
        .build();
  }

  static int type(DType dtype) {
    return switch (dtype) {
      case F32 -> OnnxTensor.FLOAT;
      case U8 -> OnnxTensor.UINT8;
      case S8 -> OnnxTensor.INT8;
      case S32 -> OnnxTensor.INT32;
      case S64 -> OnnxTensor.INT64;
      case BF16, MASK ->
          throw new IllegalArgumentException(dtype + " is of training, not of files");
    };
  }

  /** An initializer; returns its name. */
  String constant(String name, HostTensor contents) {
    return constant(name, type(contents.spec().dtype()), contents.shape(), contents);
  }

  /** A node that gives these values, which are no initializer and so are not trained. */
  void constantNode(String name, HostTensor contents) {
    TensorProto.Builder tensor = tensor(name, type(contents.spec().dtype()), contents.shape());
    tensor.setRawData(UnsafeByteOperations.unsafeWrap(MemoryOrder.toOnnx(contents)));
    graph
        .addNodeBuilder()
        .setOpType("Constant")
        .setName(name)
        .addOutput(name)
        .addAttribute(
            NodeAttributes.attribute("value", AttributeProto.AttributeType.TENSOR).setT(tensor));
  }

  /** The one value of the tensor as a scalar. */
  String scalar(String name, HostTensor contents) {
    return constant(name, type(contents.spec().dtype()), Shape.of(), contents);
  }

  private String constant(String name, int type, Shape shape, HostTensor contents) {
    return constant(name, type, shape, MemoryOrder.toOnnx(contents));
  }

  private String constant(String name, int type, Shape shape, byte[] raw) {
    TensorProto.Builder tensor = tensor(name, type, shape);
    graph.addInitializer(tensor.setRawData(UnsafeByteOperations.unsafeWrap(raw)));
    return name;
  }

  private static TensorProto.Builder tensor(String name, int type, Shape shape) {
    TensorProto.Builder tensor = TensorProto.newBuilder().setName(name).setDataType(type);
    for (int dim : shape.dims()) {
      tensor.addDims(dim);
    }
    return tensor;
  }

  /** An initializer of codes of -8 to 7, two in a byte; returns its name. */
  String int4(String name, HostTensor codes) {
    byte[] wide = MemoryOrder.toOnnx(codes);
    byte[] packed = new byte[(wide.length + 1) / 2];
    for (int i = 0; i < wide.length; i++) {
      packed[i / 2] |= (byte) ((wide[i] & 0xf) << (i % 2 == 0 ? 0 : 4));
    }
    return constant(name, OnnxTensor.INT4, codes.shape(), packed);
  }

  /** A vector of type INT64. */
  String integers(String name, List<? extends Number> values) {
    ByteBuffer raw = ByteBuffer.allocate(Long.BYTES * values.size());
    raw.order(ByteOrder.LITTLE_ENDIAN);
    values.forEach(value -> raw.putLong(value.longValue()));
    graph.addInitializer(
        TensorProto.newBuilder()
            .setName(name)
            .setDataType(OnnxTensor.INT64)
            .addDims(values.size())
            .setRawData(ByteString.copyFrom(raw.flip())));
    return name;
  }

  /** A code as a scalar of type U8 or S8. */
  String code(String name, int code, DType container) {
    return constant(name, type(container), Shape.of(), new byte[] {(byte) code});
  }

  /** Adds a node with one output. */
  NodeAttributes node(String op, String name, List<String> inputs, String output) {
    NodeProto.Builder node =
        graph.addNodeBuilder().setOpType(op).setName(name).addAllInput(inputs).addOutput(output);
    return new NodeAttributes(node);
  }

  /** Attributes of the node that was just added. */
  record NodeAttributes(NodeProto.Builder node) {
    NodeAttributes with(String name, long value) {
      node.addAttribute(attribute(name, AttributeProto.AttributeType.INT).setI(value));
      return this;
    }

    NodeAttributes with(String name, float value) {
      node.addAttribute(attribute(name, AttributeProto.AttributeType.FLOAT).setF(value));
      return this;
    }

    NodeAttributes with(String name, String value) {
      node.addAttribute(
          attribute(name, AttributeProto.AttributeType.STRING)
              .setS(ByteString.copyFromUtf8(value)));
      return this;
    }

    NodeAttributes with(String name, int[] values) {
      AttributeProto.Builder attribute = attribute(name, AttributeProto.AttributeType.INTS);
      for (int value : values) {
        attribute.addInts(value);
      }
      node.addAttribute(attribute);
      return this;
    }

    private static AttributeProto.Builder attribute(
        String name, AttributeProto.AttributeType type) {
      return AttributeProto.newBuilder().setName(name).setType(type);
    }
  }

  byte[] bytes(Map<String, String> metadata) {
    ModelProto.Builder model =
        ModelProto.newBuilder()
            .setIrVersion(hasInt4 ? INT4_IR_VERSION : IR_VERSION)
            .setProducerName(OnnxWriter.PRODUCER)
            .setGraph(graph)
            .addOpsetImport(
                OperatorSetIdProto.newBuilder().setDomain("").setVersion(opset()));
    new TreeMap<>(metadata)
        .forEach(
            (key, value) ->
                model.addMetadataProps(
                    StringStringEntryProto.newBuilder().setKey(key).setValue(value)));
    return model.build().toByteArray();
  }
}
