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
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.PriorityQueue;
import java.util.Set;
import java.util.TreeSet;
import java.util.function.Supplier;

/**
 * Turns the messages of a file into records and checks that they fit together; faults are
 * IllegalArgumentException.
 */
record OnnxParser(String where, ExternalData external) {
  private static final long OLDEST_OPSET = 7;

  OnnxFile read(ModelProto model) throws OnnxException {
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
      OnnxTensor tensor =
          TensorParser.tensor(external, proto, "initializer \"" + proto.getName() + "\"");
      check(!tensor.name().isEmpty(), "has an initializer without a name");
      check(
          constants.put(tensor.name(), tensor) == null,
          "has two initializers named \"" + tensor.name() + "\"");
    }
    List<OnnxFile.Input> inputs = new ArrayList<>();
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

  OnnxFile.Input input(ValueInfoProto proto) {
    String label = "input \"" + proto.getName() + "\"";
    check(!proto.getName().isEmpty(), "has an input without a name");
    check(
        proto.getType().getValueCase() == TypeProto.ValueCase.TENSOR_TYPE
            && proto.getType().getTensorType().hasShape(),
        label + " is no tensor of known rank");
    List<Long> dims = new ArrayList<>();
    List<String> symbols = new ArrayList<>();
    TensorShapeProto shape = proto.getType().getTensorType().getShape();
    for (TensorShapeProto.Dimension dim : shape.getDimList()) {
      boolean known = dim.getValueCase() == TensorShapeProto.Dimension.ValueCase.DIM_VALUE;
      dims.add(known && dim.getDimValue() >= 0 ? dim.getDimValue() : -1);
      symbols.add(dim.getDimParam());
    }
    return new OnnxFile.Input(
        proto.getName(), proto.getType().getTensorType().getElemType(), dims, symbols);
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
      case TENSOR ->
          TensorParser.tensor(external, proto.getT(), node + ": attribute " + proto.getName());
      default -> new OnnxNode.Unread(proto.getType().name());
    };
  }

  static void check(boolean holds, String problem) {
    check(holds, () -> problem);
  }

  static void check(boolean holds, Supplier<String> problem) {
    if (!holds) {
      throw new IllegalArgumentException(problem.get());
    }
  }
}
