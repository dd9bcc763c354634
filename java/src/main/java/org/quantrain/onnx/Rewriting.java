package org.quantrain.onnx;

import ai.onnx.proto.OnnxMl.AttributeProto;
import ai.onnx.proto.OnnxMl.GraphProto;
import ai.onnx.proto.OnnxMl.NodeProto;
import ai.onnx.proto.OnnxMl.TensorProto;
import com.google.protobuf.ByteString;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/** One pass over the nodes of a file that writes others for them; constants nobody reads go. */
abstract class Rewriting {
  private final GraphProto.Builder graph;
  private final Map<String, NodeProto> producers = new HashMap<>();
  private final Map<String, List<NodeProto>> readers = new HashMap<>();
  private final Map<String, TensorProto> constants = new LinkedHashMap<>();
  private final Set<String> outputs = new HashSet<>();
  private final Set<String> names = new HashSet<>();
  private final List<NodeProto> made = new ArrayList<>();

  Rewriting(GraphProto.Builder graph) {
    this.graph = graph;
    for (NodeProto node : graph.getNodeList()) {
      node.getOutputList().forEach(y -> producers.put(y, node));
      node.getInputList()
          .forEach(x -> readers.computeIfAbsent(x, k -> new ArrayList<>()).add(node));
      names.add(node.getName());
      names.addAll(node.getOutputList());
    }
    graph.getInputList().forEach(x -> names.add(x.getName()));
    graph.getOutputList().forEach(y -> outputs.add(y.getName()));
    for (TensorProto tensor : graph.getInitializerList()) {
      constants.put(tensor.getName(), tensor);
      names.add(tensor.getName());
    }
  }

  /** Adds what stands for the node, whose inputs are there already. */
  abstract void rewrite(NodeProto node);

  final void run() {
    for (NodeProto node : graph.getNodeList()) {
      boolean works = node.getInputCount() > 0 && node.getOutputCount() > 0;
      require(node, works, "reads or makes nothing");
      rewrite(node);
    }
    Set<String> read = new HashSet<>();
    made.forEach(n -> read.addAll(n.getInputList()));
    constants.keySet().retainAll(read);
    graph.clearNode().addAllNode(made).clearInitializer().addAllInitializer(constants.values());
  }

  // ---- what there is

  /** Null for inputs and constants. */
  final NodeProto producer(String tensor) {
    return producers.get(tensor);
  }

  final List<NodeProto> readers(String tensor) {
    return readers.getOrDefault(tensor, List.of());
  }

  /** The node of a kind that alone reads a tensor; null if there is none. */
  final NodeProto onlyReader(String tensor, String op) {
    boolean alone = readers(tensor).size() == 1 && !isOutput(tensor);
    return alone && readers(tensor).get(0).getOpType().equals(op) ? readers(tensor).get(0) : null;
  }

  final boolean isOutput(String tensor) {
    return outputs.contains(tensor);
  }

  final boolean isConstant(String name, TensorProto.DataType type) {
    TensorProto tensor = constants.get(name);
    return tensor != null && tensor.getDataType() == type.getNumber();
  }

  /**
   * @throws IllegalArgumentException if there is none of the name
   */
  final TensorProto constant(String name) {
    TensorProto tensor = constants.get(name);
    if (tensor == null) {
      throw new IllegalArgumentException("\"" + name + "\" is not a constant");
    }
    return tensor;
  }

  static ByteBuffer raw(TensorProto tensor) {
    return tensor.getRawData().asReadOnlyByteBuffer().order(ByteOrder.LITTLE_ENDIAN);
  }

  /** Values of a FLOAT constant, at least one. */
  final float[] floats(String name) {
    TensorProto tensor = constant(name);
    float[] values = new float[tensor.getRawData().size() / Float.BYTES];
    if (tensor.getDataType() != TensorProto.DataType.FLOAT_VALUE || values.length == 0) {
      throw new IllegalArgumentException("\"" + name + "\": expected FLOAT values as raw data");
    }
    raw(tensor).asFloatBuffer().get(values);
    return values;
  }

  // ---- what is made

  /** The name itself, or with a number behind it where it is taken. */
  final String unique(String name) {
    String candidate = name;
    for (int i = 2; !names.add(candidate); i++) {
      candidate = name + "_" + i;
    }
    return candidate;
  }

  static NodeProto.Builder node(String op, String name, List<String> inputs, String output) {
    return NodeProto.newBuilder()
        .setOpType(op)
        .setName(name)
        .addAllInput(inputs)
        .addOutput(output);
  }

  static NodeProto.Builder axis(NodeProto.Builder node, int axis) {
    return node.addAttribute(
        AttributeProto.newBuilder()
            .setName("axis")
            .setType(AttributeProto.AttributeType.INT)
            .setI(axis));
  }

  final void add(NodeProto.Builder node) {
    made.add(node.build());
  }

  static List<String> concat(String first, List<String> more) {
    List<String> all = new ArrayList<>(List.of(first));
    all.addAll(more);
    return all;
  }

  static ByteBuffer bytes(int count) {
    return ByteBuffer.allocate(count).order(ByteOrder.LITTLE_ENDIAN);
  }

  /** A constant, in place of one of the same name; returns the name. */
  final String tensor(
      String name, TensorProto.DataType type, List<Long> dims, ByteBuffer contents) {
    constants.put(
        name,
        TensorProto.newBuilder()
            .setName(name)
            .setDataType(type.getNumber())
            .addAllDims(dims)
            .setRawData(ByteString.copyFrom(contents.flip()))
            .build());
    return name;
  }

  final String floats(String name, List<Long> dims, float... values) {
    ByteBuffer contents = bytes(Float.BYTES * values.length);
    for (float value : values) {
      contents.putFloat(value);
    }
    return tensor(name, TensorProto.DataType.FLOAT, dims, contents);
  }

  /** A scalar of 8 bits. */
  final String code(String name, TensorProto.DataType type, int code) {
    return tensor(name, type, List.of(), bytes(1).put((byte) code));
  }

  static void require(NodeProto node, boolean holds, String problem) {
    if (!holds) {
      throw new IllegalArgumentException(
          node.getOpType() + " \"" + node.getName() + "\": " + problem);
    }
  }
}
