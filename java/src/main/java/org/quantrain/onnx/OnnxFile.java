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
import com.google.protobuf.InvalidProtocolBufferException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Supplier;
import org.quantrain.tensor.Shape;

/**
 * An ONNX file whose structure is sound: constants are as large as they say, every tensor has one
 * producer, every input exists, there are no cycles. What the nodes mean is not looked at here.
 *
 * @param where how messages name the file
 * @param graphInputs inputs of the network (constants with a default are not among them)
 * @param outputs names of the graph's outputs
 * @param nodes in an order in which each comes after those that it reads from
 * @param constants initializers by name
 */
public record OnnxFile(
    String where,
    String graphName,
    String producer,
    long opset,
    Map<String, String> metadata,
    List<Input> graphInputs,
    List<String> outputs,
    List<OnnxNode> nodes,
    Map<String, OnnxTensor> constants) {

  private static final long LARGEST_FILE = Integer.MAX_VALUE - 64;
  private static final long OLDEST_OPSET = 7;

  /**
   * An input of the network.
   *
   * @param dims -1 where the file names no number
   */
  public record Input(String name, int type, List<Long> dims) {}

  /** Reads and checks a file. */
  public static OnnxFile read(Path file) throws OnnxException {
    return parse(OnnxException.name(file), readBytes(file));
  }

  /** The bytes of a file, which is not larger than a model can be. */
  public static byte[] readBytes(Path file) throws OnnxException {
    String where = OnnxException.name(file);
    try {
      long size = Files.size(file);
      if (size > LARGEST_FILE) {
        throw new OnnxException(where, "expected less than 2 GiB, got " + size + " bytes");
      }
      try (InputStream in = Files.newInputStream(file)) {
        return in.readNBytes((int) size);
      }
    } catch (OnnxException e) {
      throw e;
    } catch (IOException e) {
      String reason = e instanceof NoSuchFileException ? "no such file" : e.toString();
      throw new OnnxException(where, "cannot be read: " + reason, e);
    }
  }

  /** Checks the contents of a file. */
  public static OnnxFile parse(String where, byte[] bytes) throws OnnxException {
    ModelProto model;
    try {
      model = ModelProto.parseFrom(bytes);
    } catch (InvalidProtocolBufferException e) {
      throw new OnnxException(
          where, "is no ONNX model, or truncated or damaged: " + e.getMessage(), e);
    }
    try {
      return new Reader(where).read(model);
    } catch (IllegalArgumentException e) {
      throw new OnnxException(where, e.getMessage(), e);
    }
  }

  /** Whether the tensor is an initializer. */
  public boolean isConstant(String tensor) {
    return constants.containsKey(tensor);
  }

  /** Nodes that read each tensor; a node that reads it twice is listed twice. */
  public Map<String, List<OnnxNode>> consumers() {
    Map<String, List<OnnxNode>> consumers = new HashMap<>();
    for (OnnxNode node : nodes) {
      for (String in : node.inputs()) {
        consumers.computeIfAbsent(in, k -> new ArrayList<>()).add(node);
      }
    }
    return consumers;
  }

  /**
   * SHA-256, in hexadecimal, over everything that the file says: initializers, nodes with their
   * attributes, inputs, outputs, operator set and metadata, but for the digest that is recorded
   * there. It survives another order of the file, but not another bit of its meaning.
   */
  public String digest() {
    MessageDigest digest;
    try {
      digest = MessageDigest.getInstance("SHA-256");
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every Java has SHA-256", e);
    }
    update(digest, List.of(graphName, producer, Long.toString(opset)));
    update(digest, graphInputs.stream().map(Input::toString).toList());
    update(digest, outputs);
    new TreeMap<>(metadata)
        .forEach(
            (key, value) -> {
              if (!key.equals(QdqMetadata.DIGEST)) {
                update(digest, List.of(key, value));
              }
            });
    Map<String, OnnxNode> byOutput = new TreeMap<>();
    nodes.forEach(node -> byOutput.put(node.output(), node));
    for (OnnxNode node : byOutput.values()) {
      update(digest, List.of(node.name(), node.domain(), node.op()));
      update(digest, node.inputs());
      update(digest, node.outputs());
      new TreeMap<>(node.attributes())
          .forEach(
              (key, value) -> {
                if (value instanceof OnnxTensor tensor) {
                  update(digest, List.of(key));
                  update(digest, tensor);
                } else {
                  update(digest, List.of(key, value.toString()));
                }
              });
    }
    new TreeMap<>(constants).values().forEach(tensor -> update(digest, tensor));
    return HexFormat.of().formatHex(digest.digest());
  }

  /** Lengths go in as well, so that no two lists give the same bytes. */
  private static void update(MessageDigest digest, List<String> texts) {
    digest.update(ByteBuffer.allocate(4).putInt(texts.size()).array());
    for (String text : texts) {
      byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
      digest.update(ByteBuffer.allocate(4).putInt(bytes.length).array());
      digest.update(bytes);
    }
  }

  private static void update(MessageDigest digest, OnnxTensor tensor) {
    update(
        digest,
        List.of(tensor.name(), OnnxTensor.nameOf(tensor.type()), tensor.shape().toString()));
    digest.update(ByteBuffer.allocate(4).putInt(tensor.data().length).array());
    digest.update(tensor.data());
  }

  /** Turns protobuf messages into records; faults are IllegalArgumentException. */
  private record Reader(String where) {

    OnnxFile read(ModelProto model) {
      check(model.hasGraph(), "has no graph");
      check(model.getFunctionsCount() == 0, "has functions of its own, which are not read");
      long opset = -1;
      Set<String> domains = new TreeSet<>();
      for (OperatorSetIdProto set : model.getOpsetImportList()) {
        if (set.getDomain().isEmpty() || set.getDomain().equals("ai.onnx")) {
          opset = set.getVersion();
        } else {
          domains.add(set.getDomain());
        }
      }
      check(opset > 0, "says no operator set version; is it truncated?");
      check(opset >= OLDEST_OPSET, "opset: expected at least " + OLDEST_OPSET + ", got " + opset);
      Map<String, String> metadata = new LinkedHashMap<>();
      for (StringStringEntryProto entry : model.getMetadataPropsList()) {
        String before = metadata.put(entry.getKey(), entry.getValue());
        check(before == null, "metadata has " + entry.getKey() + " twice");
      }
      GraphProto graph = model.getGraph();
      check(graph.getSparseInitializerCount() == 0, "has sparse initializers, which are not read");
      Map<String, OnnxTensor> constants = new LinkedHashMap<>();
      for (TensorProto proto : graph.getInitializerList()) {
        OnnxTensor tensor = tensor(proto, "initializer \"" + proto.getName() + "\"");
        check(!tensor.name().isEmpty(), "has an initializer without a name");
        check(
            constants.put(tensor.name(), tensor) == null,
            "has two initializers named \"" + tensor.name() + "\"");
      }
      List<Input> inputs = new ArrayList<>();
      Set<String> known = new HashSet<>(constants.keySet());
      for (ValueInfoProto proto : graph.getInputList()) {
        if (!constants.containsKey(proto.getName())) {
          inputs.add(input(proto));
          check(known.add(proto.getName()), "has two inputs named \"" + proto.getName() + "\"");
        }
      }
      List<OnnxNode> nodes = new ArrayList<>();
      for (NodeProto proto : graph.getNodeList()) {
        nodes.add(node(proto));
      }
      List<OnnxNode> sorted = sorted(nodes, known);
      List<String> outputs =
          graph.getOutputList().stream().map(ValueInfoProto::getName).distinct().toList();
      for (String output : outputs) {
        check(known.contains(output), "output \"" + output + "\" is not computed");
      }
      return new OnnxFile(
          where,
          graph.getName(),
          model.getProducerName(),
          opset,
          metadata,
          inputs,
          outputs,
          sorted,
          constants);
    }

    /** Topological order that keeps the file's where it can; adds all outputs to known. */
    List<OnnxNode> sorted(List<OnnxNode> nodes, Set<String> known) {
      Map<String, Integer> producers = new HashMap<>();
      for (int i = 0; i < nodes.size(); i++) {
        for (String output : nodes.get(i).outputs()) {
          if (!output.isEmpty()) {
            check(
                !known.contains(output) && producers.put(output, i) == null,
                "tensor \""
                    + output
                    + "\" is computed twice, the second time by "
                    + nodes.get(i).label());
          }
        }
      }
      int[] missing = new int[nodes.size()];
      Map<Integer, List<Integer>> readers = new HashMap<>();
      PriorityQueue<Integer> ready = new PriorityQueue<>();
      for (int i = 0; i < nodes.size(); i++) {
        for (String input : nodes.get(i).inputs()) {
          Integer producer = producers.get(input);
          check(
              producer != null || input.isEmpty() || known.contains(input),
              nodes.get(i).label() + " reads \"" + input + "\", which nothing computes");
          if (producer != null) {
            missing[i]++;
            readers.computeIfAbsent(producer, k -> new ArrayList<>()).add(i);
          }
        }
        if (missing[i] == 0) {
          ready.add(i);
        }
      }
      List<OnnxNode> sorted = new ArrayList<>();
      while (!ready.isEmpty()) {
        int i = ready.remove();
        sorted.add(nodes.get(i));
        for (int reader : readers.getOrDefault(i, List.of())) {
          if (--missing[reader] == 0) {
            ready.add(reader);
          }
        }
      }
      for (int i = 0; i < nodes.size(); i++) {
        check(
            missing[i] == 0,
            () -> "the graph has a cycle through " + onCycle(nodes, producers, missing).label());
      }
      known.addAll(producers.keySet());
      return sorted;
    }

    /** Backwards from a node that never got ready, through such nodes, until one comes again. */
    private static OnnxNode onCycle(
        List<OnnxNode> nodes, Map<String, Integer> producers, int[] missing) {
      int i = 0;
      while (missing[i] == 0) {
        i++;
      }
      Set<Integer> seen = new HashSet<>();
      while (seen.add(i)) {
        for (String input : nodes.get(i).inputs()) {
          Integer producer = producers.get(input);
          if (producer != null && missing[producer] > 0) {
            i = producer;
            break;
          }
        }
      }
      return nodes.get(i);
    }

    Input input(ValueInfoProto proto) {
      String label = "input \"" + proto.getName() + "\"";
      check(!proto.getName().isEmpty(), "has an input without a name");
      check(
          proto.getType().getValueCase() == TypeProto.ValueCase.TENSOR_TYPE
              && proto.getType().getTensorType().hasShape(),
          label + " is no tensor of known rank");
      List<Long> dims = new ArrayList<>();
      TensorShapeProto shape = proto.getType().getTensorType().getShape();
      for (TensorShapeProto.Dimension dim : shape.getDimList()) {
        boolean known = dim.getValueCase() == TensorShapeProto.Dimension.ValueCase.DIM_VALUE;
        dims.add(known ? dim.getDimValue() : -1);
      }
      return new Input(proto.getName(), proto.getType().getTensorType().getElemType(), dims);
    }

    OnnxNode node(NodeProto proto) {
      Map<String, Object> attributes = new LinkedHashMap<>();
      for (AttributeProto attribute : proto.getAttributeList()) {
        String label = proto.getOpType() + " \"" + proto.getName() + "\"";
        check(
            attributes.put(attribute.getName(), attribute(attribute, label)) == null,
            label + " has attribute " + attribute.getName() + " twice");
      }
      String domain = proto.getDomain().equals("ai.onnx") ? "" : proto.getDomain();
      OnnxNode node =
          new OnnxNode(
              proto.getName(),
              domain,
              proto.getOpType(),
              proto.getInputList(),
              proto.getOutputList(),
              attributes);
      check(
          proto.getOutputCount() > 0 && !proto.getOutput(0).isEmpty(),
          node.label() + " has no output");
      return node;
    }

    Object attribute(AttributeProto proto, String node) {
      return switch (proto.getType()) {
        case INT -> proto.getI();
        case FLOAT -> proto.getF();
        case STRING -> proto.getS().toStringUtf8();
        case INTS -> List.copyOf(proto.getIntsList());
        case FLOATS -> List.copyOf(proto.getFloatsList());
        case TENSOR -> tensor(proto.getT(), node + ": attribute " + proto.getName());
        default -> new OnnxNode.Unread(proto.getType().name());
      };
    }

    /** A tensor whose dimensions are backed by bytes of the file. */
    OnnxTensor tensor(TensorProto proto, String label) {
      check(
          proto.getDataLocation() != TensorProto.DataLocation.EXTERNAL
              && proto.getExternalDataCount() == 0,
          label + " lies in an external file, which is not read");
      check(!proto.hasSegment(), label + " is in segments, which are not read");
      int type = proto.getDataType();
      int width = OnnxTensor.bytesOf(type);
      int[] dims = new int[proto.getDimsCount()];
      long elements = 1;
      for (int i = 0; i < dims.length; i++) {
        long dim = proto.getDims(i);
        check(
            dim >= 0 && dim <= Integer.MAX_VALUE,
            label + ": dimensions " + proto.getDimsList() + " are negative or huge");
        dims[i] = (int) dim;
        elements *= dim;
        check(
            elements <= Integer.MAX_VALUE,
            label + ": dimensions " + proto.getDimsList() + " are huge");
      }
      if (width == 0) {
        // Of a type that is not read; whoever needs it will say so.
        return new OnnxTensor(proto.getName(), type, Shape.of(0), new byte[0]);
      }
      boolean raw = proto.hasRawData() && !proto.getRawData().isEmpty();
      long present = raw ? proto.getRawData().size() : (long) width * typedCount(proto, type);
      check(
          present == elements * width,
          label
              + ": dimensions "
              + proto.getDimsList()
              + " of "
              + OnnxTensor.nameOf(type)
              + " need "
              + elements * width
              + " bytes, the file has "
              + present);
      byte[] data = raw ? proto.getRawData().toByteArray() : typedData(proto, type, (int) present);
      return new OnnxTensor(proto.getName(), type, Shape.of(dims), data);
    }

    private static int typedCount(TensorProto proto, int type) {
      return switch (type) {
        case OnnxTensor.FLOAT -> proto.getFloatDataCount();
        case OnnxTensor.INT64 -> proto.getInt64DataCount();
        default -> proto.getInt32DataCount();
      };
    }

    private static byte[] typedData(TensorProto proto, int type, int bytes) {
      ByteBuffer data = ByteBuffer.allocate(bytes).order(ByteOrder.LITTLE_ENDIAN);
      switch (type) {
        case OnnxTensor.FLOAT -> proto.getFloatDataList().forEach(data::putFloat);
        case OnnxTensor.INT64 -> proto.getInt64DataList().forEach(data::putLong);
        case OnnxTensor.INT32 -> proto.getInt32DataList().forEach(data::putInt);
        default -> proto.getInt32DataList().forEach(v -> data.put(v.byteValue()));
      }
      return data.array();
    }

    private static void check(boolean holds, String problem) {
      check(holds, () -> problem);
    }

    private static void check(boolean holds, Supplier<String> problem) {
      if (!holds) {
        throw new IllegalArgumentException(problem.get());
      }
    }
  }
}
