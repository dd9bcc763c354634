package org.quantrain.onnx;

import ai.onnx.proto.OnnxMl.GraphProto;
import ai.onnx.proto.OnnxMl.ModelProto;
import ai.onnx.proto.OnnxMl.NodeProto;
import ai.onnx.proto.OnnxMl.OperatorSetIdProto;
import ai.onnx.proto.OnnxMl.TensorProto;
import com.google.protobuf.InvalidProtocolBufferException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.quantrain.tensor.Shape;

/**
 * Quantized files of integer operators (QLinearConv and its like), as the other notation of the
 * files that {@link QdqWriter} writes: both ways, with the same codes, scales and zero-points under
 * the same names.
 *
 * <p>A float operator between DequantizeLinear and QuantizeLinear is one integer operator; what is
 * on codes already stays. The logits are those of a QGemm without an output scale.
 */
public final class QOperatorForm {
  private static final String MICROSOFT = "com.microsoft";

  /** Float operator to integer operator. */
  private static final Map<String, String> OPERATORS =
      Map.of(
          "Conv", "QLinearConv",
          "Gemm", "QGemm",
          "Add", "QLinearAdd",
          "Concat", "QLinearConcat",
          "AveragePool", "QLinearAveragePool",
          "GlobalAveragePool", "QLinearGlobalAveragePool");

  /** On codes already. */
  private static final Set<String> KEPT =
      Set.of(
          "QuantizeLinear",
          "DequantizeLinear",
          "Cast",
          "Clip",
          "MaxPool",
          "Flatten",
          "Slice",
          "Pad",
          "Reshape",
          "Transpose",
          "Identity");

  private QOperatorForm() {}

  /** Whether a file has integer operators. */
  public static boolean isOne(OnnxFile file) {
    return file.nodes().stream().anyMatch(n -> OPERATORS.containsValue(n.op()));
  }

  // ---- to integer operators

  /**
   * The file in this form; its digest is its own.
   *
   * @param qdq of {@link QdqWriter}
   * @throws OnnxException naming the nodes that have no integer operator
   */
  public static byte[] of(byte[] qdq) throws OnnxException {
    String where = "QOperator export";
    try {
      ModelProto.Builder model = ModelProto.parseFrom(qdq).toBuilder();
      if (UnsignedProducts.hasSignedCodes(model.getGraph())) {
        throw new OnnxException(where, "ONNX Runtime has no integer operators for signed codes");
      }
      List<String> floats =
          model.getGraphBuilder().getNodeList().stream()
              .filter(n -> !OPERATORS.containsKey(n.getOpType()) && !KEPT.contains(n.getOpType()))
              .map(n -> n.getOpType() + " \"" + n.getName() + "\"")
              .toList();
      if (!floats.isEmpty()) {
        throw new OnnxException(
            where, "no integer operator for " + String.join(", ", floats) + "; QDQ has a form");
      }
      new Fusion(model.getGraphBuilder()).run();
      model.addOpsetImport(OperatorSetIdProto.newBuilder().setDomain(MICROSOFT).setVersion(1));
      return OnnxFile.sealed(where, model);
    } catch (InvalidProtocolBufferException e) {
      throw new OnnxException(where, "its own QDQ form cannot be read", e);
    }
  }

  /** Makes one node of each float operator and the nodes around it. */
  private static final class Fusion {
    private final GraphProto.Builder graph;
    private final Map<String, NodeProto> producers = new HashMap<>();
    private final Set<String> outputs = new HashSet<>();
    private final List<NodeProto> fused = new ArrayList<>();

    Fusion(GraphProto.Builder graph) {
      this.graph = graph;
      for (NodeProto node : graph.getNodeList()) {
        producers.put(node.getOutput(0), node);
      }
      graph.getOutputList().forEach(o -> outputs.add(o.getName()));
    }

    void run() {
      for (NodeProto node : graph.getNodeList()) {
        NodeProto producer = producers.get(node.getInput(0));
        if (node.getOpType().equals("QuantizeLinear")) {
          boolean layer = producer != null && OPERATORS.containsKey(producer.getOpType());
          if (!layer && producer != null) {
            fused.add(producer); // codes to other codes: there is no operator for it
          }
          fused.add(layer ? fused(producer, node) : node);
        } else if (outputs.contains(node.getOutput(0))) {
          fused.add(fused(node, null));
        } else if (!node.getOpType().equals("DequantizeLinear")
            && !OPERATORS.containsKey(node.getOpType())) {
          fused.add(node);
        }
      }
      Set<String> read = new HashSet<>();
      fused.forEach(n -> read.addAll(n.getInputList()));
      List<TensorProto> constants =
          graph.getInitializerList().stream().filter(t -> read.contains(t.getName())).toList();
      graph.clearNode().addAllNode(fused).clearInitializer().addAllInitializer(constants);
    }

    /**
     * @param quantize null: the result stays float
     */
    private NodeProto fused(NodeProto node, NodeProto quantize) {
      String op = OPERATORS.get(node.getOpType());
      NodeProto.Builder made = NodeProto.newBuilder().setName(node.getName()).setOpType(op);
      made.setDomain(op.equals("QLinearConv") ? "" : MICROSOFT);
      made.addAllAttribute(node.getAttributeList());
      List<String> grid =
          quantize == null ? List.of() : List.of(quantize.getInput(1), quantize.getInput(2));
      boolean hasBias = node.getOpType().equals("Conv") || node.getOpType().equals("Gemm");
      if (node.getOpType().equals("Concat")) {
        made.addAllInput(grid);
      }
      for (int i = 0; i < node.getInputCount() - (hasBias ? 1 : 0); i++) {
        made.addAllInput(producers.get(node.getInput(i)).getInputList());
      }
      String bias = hasBias ? producers.get(node.getInput(2)).getInput(0) : "";
      switch (node.getOpType()) {
        case "Conv" -> made.addAllInput(grid).addInput(bias);
        case "Gemm" -> made.addInput(bias).addAllInput(grid);
        case "Concat" -> {
          // The grid stands in front.
        }
        default -> made.addAllInput(grid);
      }
      return made.addOutput((quantize == null ? node : quantize).getOutput(0)).build();
    }
  }

  // ---- from integer operators

  /**
   * The file with every integer operator as QDQ nodes; the file itself if it has none.
   *
   * @throws IllegalArgumentException if an integer operator has other inputs than are known
   */
  public static OnnxFile toQdq(OnnxFile file) {
    return isOne(file) ? new Expansion(file).run() : file;
  }

  /** Makes the nodes around a float operator of each integer operator. */
  private static final class Expansion {
    private final OnnxFile file;
    private final List<OnnxNode> nodes = new ArrayList<>();
    private final Map<String, OnnxTensor> constants;
    private final Map<String, String> floats = new HashMap<>();

    Expansion(OnnxFile file) {
      this.file = file;
      this.constants = new HashMap<>(file.constants());
      OPERATORS.forEach((real, integer) -> floats.put(integer, real));
    }

    OnnxFile run() {
      for (OnnxNode node : file.nodes()) {
        boolean known = node.domain().isEmpty() ? !isMicrosofts(node) : isMicrosofts(node);
        if (known && floats.containsKey(node.op())) {
          expand(node);
        } else {
          nodes.add(node);
        }
      }
      return new OnnxFile(
          file.where(),
          file.graphName(),
          file.producer(),
          file.opset(),
          file.metadata(),
          file.graphInputs(),
          file.outputs(),
          List.copyOf(nodes),
          Map.copyOf(constants));
    }

    private static boolean isMicrosofts(OnnxNode node) {
      return !node.op().equals("QLinearConv");
    }

    private void expand(OnnxNode node) {
      String real = floats.get(node.op());
      int operands = operands(node, real);
      int first = real.equals("Concat") ? 2 : 0;
      List<String> in = new ArrayList<>();
      for (int i = 0; i < operands; i++) {
        in.add(dequantized(node, i, first + 3 * i));
      }
      int grid = real.equals("Concat") ? 0 : 3 * operands;
      String bias = "";
      if (real.equals("Conv")) {
        bias = node.input(8);
      } else if (real.equals("Gemm")) {
        bias = node.input(6);
        grid = 7;
      }
      if (!bias.isEmpty()) {
        in.add(dequantizedBias(node, bias));
      }
      boolean logits = node.input(grid).isEmpty();
      require(node, !logits || real.equals("Gemm"), "has no output scale");
      String y = logits ? node.output() : unique(node, "real");
      nodes.add(new OnnxNode(node.name(), "", real, in, List.of(y), node.attributes()));
      if (!logits) {
        nodes.add(
            new OnnxNode(
                unique(node, "quantize"),
                "",
                "QuantizeLinear",
                List.of(y, node.input(grid), node.input(grid + 1)),
                List.of(node.output()),
                Map.of()));
      }
    }

    private static int operands(OnnxNode node, String real) {
      int inputs = node.inputs().size();
      int expected =
          switch (real) {
            case "Conv", "Gemm" -> inputs >= 6 && inputs <= 9 ? 2 : 0;
            case "Add" -> inputs == 8 ? 2 : 0;
            case "Concat" -> inputs % 3 == 2 ? (inputs - 2) / 3 : 0;
            default -> inputs == 5 ? 1 : 0;
          };
      require(node, expected > 0, "has " + inputs + " inputs");
      require(node, node.integer("channels_last", 0) == 0, "expected images in the order of ONNX");
      return expected;
    }

    /** Names cannot be taken already: they have what no name of a file can have, a line feed. */
    private static String unique(OnnxNode node, String suffix) {
      return node.output() + "\n" + suffix;
    }

    private String dequantized(OnnxNode node, int operand, int at) {
      String codes = node.input(at);
      String name = unique(node, "operand" + operand);
      OnnxTensor scale = constants.get(node.input(at + 1));
      boolean vector = scale != null && scale.shape().rank() == 1;
      nodes.add(
          new OnnxNode(
              name,
              "",
              "DequantizeLinear",
              List.of(codes, node.input(at + 1), node.input(at + 2)),
              List.of(name),
              vector ? Map.of("axis", 0L) : Map.of()));
      return name;
    }

    /** An integer bias is at the scale of input times weights. */
    private String dequantizedBias(OnnxNode node, String bias) {
      OnnxTensor x = constants.get(node.input(1));
      OnnxTensor w = constants.get(node.input(4));
      require(
          node,
          x != null
              && w != null
              && x.type() == OnnxTensor.FLOAT
              && w.type() == OnnxTensor.FLOAT
              && x.elements() == 1,
          "expected constant scales");
      float[] scales = w.floats();
      ByteBuffer data =
          ByteBuffer.allocate(Float.BYTES * scales.length).order(ByteOrder.LITTLE_ENDIAN);
      for (float scale : scales) {
        data.putFloat(x.floats()[0] * scale);
      }
      Shape shape = w.shape();
      String scaleName = unique(node, "bias scale");
      constants.put(scaleName, new OnnxTensor(scaleName, OnnxTensor.FLOAT, shape, data.array()));
      String name = unique(node, "bias");
      nodes.add(
          new OnnxNode(
              name,
              "",
              "DequantizeLinear",
              List.of(bias, scaleName),
              List.of(name),
              shape.rank() == 1 ? Map.of("axis", 0L) : Map.of()));
      return name;
    }

    private static void require(OnnxNode node, boolean holds, String problem) {
      if (!holds) {
        throw new IllegalArgumentException(node.label() + " " + problem);
      }
    }
  }
}
