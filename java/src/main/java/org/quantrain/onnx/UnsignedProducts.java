package org.quantrain.onnx;

import ai.onnx.proto.OnnxMl.GraphProto;
import ai.onnx.proto.OnnxMl.ModelProto;
import ai.onnx.proto.OnnxMl.NodeProto;
import ai.onnx.proto.OnnxMl.TensorProto;
import com.google.protobuf.InvalidProtocolBufferException;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/**
 * How ONNX Runtime executes a file of signed codes in integers on x86, where it has convolutions
 * and linear layers of unsigned codes only and would compute others in float. Around these the
 * codes are requantized to the same grid shifted by 128, which is exact in both directions; what
 * else the file computes stays on signed codes, if {@link #KEEP_SIGNED} is set.
 */
public final class UnsignedProducts {
  /** Option of a session, to be "1": signed codes are not made unsigned where they can be. */
  public static final String KEEP_SIGNED = "session.qdqisint8allowed";

  private static final int SHIFT = 128;

  private UnsignedProducts() {}

  /**
   * The file as it is executed; the file itself if its codes are unsigned.
   *
   * @throws IllegalArgumentException if signed codes have another zero-point than 0
   */
  public static byte[] of(byte[] file) throws InvalidProtocolBufferException {
    ModelProto.Builder model = ModelProto.parseFrom(file).toBuilder();
    if (!hasSignedCodes(model.getGraph())) {
      return file;
    }
    new Shifting(model.getGraphBuilder()).run();
    return model.build().toByteArray();
  }

  /** Whether a zero-point is an int8. */
  public static boolean hasSignedCodes(GraphProto graph) {
    Set<String> zeroPoints = new HashSet<>();
    for (NodeProto node : graph.getNodeList()) {
      if (node.getOpType().equals("QuantizeLinear") && node.getInputCount() > 2) {
        zeroPoints.add(node.getInput(2));
      }
    }
    return graph.getInitializerList().stream()
        .filter(t -> zeroPoints.contains(t.getName()))
        .anyMatch(t -> t.getDataType() == TensorProto.DataType.INT8_VALUE);
  }

  private static final class Shifting extends Rewriting {
    private static final Set<String> PRODUCTS = Set.of("Conv", "Gemm");
    private final String zero;
    private final String most;

    Shifting(GraphProto.Builder graph) {
      super(graph);
      zero = code(unique("shifted.zero"), TensorProto.DataType.UINT8, SHIFT);
      most = code(unique("shifted.qmax"), TensorProto.DataType.UINT8, 255);
    }

    @Override
    void rewrite(NodeProto node) {
      String op = node.getOpType();
      NodeProto before = producer(node.getInput(0));
      if (isProduct(node)) {
        add(node.toBuilder().setInput(0, shifted(before)));
      } else if (op.equals("QuantizeLinear") && isProduct(before)) {
        quantize(node);
      } else if (!op.equals("Clip")
          || before == null
          || !isProduct(producer(before.getInput(0)))) {
        add(node.toBuilder());
      }
    }

    private boolean isProduct(NodeProto node) {
      return node != null
          && PRODUCTS.contains(node.getOpType())
          && isDequantized(node.getInput(0))
          && isDequantized(node.getInput(1));
    }

    private boolean isDequantized(String real) {
      NodeProto before = producer(real);
      return before != null && before.getOpType().equals("DequantizeLinear");
    }

    private String shifted(NodeProto dequantize) {
      require(dequantize, constant(dequantize.getInput(2)).getRawData().byteAt(0) == 0, "not at 0");
      String real = dequantize.getOutput(0);
      String codes = unique(real + ".shifted");
      add(node("QuantizeLinear", codes, List.of(real, dequantize.getInput(1), zero), codes));
      return real(codes, dequantize.getInput(1));
    }

    private String real(String codes, String scale) {
      String real = unique(codes + ".real");
      add(node("DequantizeLinear", real, List.of(codes, scale, zero), real));
      return real;
    }

    /** By way of shifted codes, with the ReLU among them. */
    private void quantize(NodeProto node) {
      NodeProto clip = onlyReader(node.getOutput(0), "Clip");
      String codes = unique(node.getOutput(0) + ".shifted");
      String scale = node.getInput(1);
      add(node("QuantizeLinear", codes, List.of(node.getInput(0), scale, zero), codes));
      if (clip != null) {
        String active = unique(codes + ".clipped");
        add(node("Clip", active, List.of(codes, zero, most), active));
        codes = active;
      }
      List<String> in = new ArrayList<>(node.getInputList());
      in.set(0, real(codes, scale));
      String result = (clip == null ? node : clip).getOutput(0);
      add(node("QuantizeLinear", node.getName(), in, result));
    }
  }
}
