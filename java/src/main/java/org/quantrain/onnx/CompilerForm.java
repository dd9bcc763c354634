package org.quantrain.onnx;

import ai.onnx.proto.OnnxMl.GraphProto;
import ai.onnx.proto.OnnxMl.ModelProto;
import ai.onnx.proto.OnnxMl.NodeProto;
import ai.onnx.proto.OnnxMl.TensorProto;
import com.google.protobuf.InvalidProtocolBufferException;
import java.nio.ByteBuffer;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;

/**
 * Quantized files as the compilers of accelerators read them, as the other notation of the files
 * that {@link QdqWriter} writes: both ways, with the same codes, scales and zero-points under the
 * same names.
 *
 * <ul>
 *   <li>Every operator stands between DequantizeLinear and QuantizeLinear, those that only move
 *       codes too.
 *   <li>A ReLU is an operator. In the other notation it is a Clip of signed codes.
 *   <li>Biases are float, on the grid that the int32 ones have: nobody quantizes them again.
 * </ul>
 */
public final class CompilerForm {
  private static final Set<String> MOVES =
      Set.of("MaxPool", "Flatten", "Slice", "Pad", "Reshape", "Transpose", "Identity");
  private static final Set<String> PRODUCTS = Set.of("Conv", "Gemm");
  private static final int BIAS = 2;

  private CompilerForm() {}

  /** Whether a file is of this form. */
  public static boolean isOne(OnnxFile file) {
    return file.nodes().stream()
        .anyMatch(n -> PRODUCTS.contains(n.op()) && file.isConstant(n.input(BIAS)));
  }

  /**
   * The file in this form; its digest is its own.
   *
   * @param qdq of {@link QdqWriter}
   */
  public static byte[] of(byte[] qdq) throws OnnxException {
    String where = "export for a compiler";
    try {
      ModelProto.Builder model = ModelProto.parseFrom(qdq).toBuilder();
      new Spelling(model.getGraphBuilder()).run();
      return OnnxFile.sealed(where, model);
    } catch (InvalidProtocolBufferException e) {
      throw new OnnxException(where, "its own QDQ form cannot be read", e);
    } catch (IllegalArgumentException e) {
      throw new OnnxException(where, e.getMessage(), e);
    }
  }

  /**
   * A file of this form as {@link QdqWriter} would have written it.
   *
   * @throws IllegalArgumentException if a node has another form than is known
   */
  public static byte[] toQdq(byte[] file) throws InvalidProtocolBufferException {
    ModelProto.Builder model = ModelProto.parseFrom(file).toBuilder();
    try {
      new Reading(model.getGraphBuilder()).run();
    } catch (IndexOutOfBoundsException e) {
      throw new IllegalArgumentException("a node lacks an input, or a constant its value", e);
    }
    return model.build().toByteArray();
  }

  /** From codes between operators to floats between them. */
  private static final class Spelling extends Rewriting {
    /** Scale and zero-point of each tensor of codes. */
    private final Map<String, List<String>> grids = new HashMap<>();

    private final Map<String, String> biases = new HashMap<>();

    Spelling(GraphProto.Builder graph) {
      super(graph);
    }

    @Override
    void rewrite(NodeProto node) {
      String in = node.getInput(0);
      String op = node.getOpType();
      if (op.equals("QuantizeLinear")) {
        grids.put(node.getOutput(0), node.getInputList().subList(1, 3));
        if (onlyReader(node.getOutput(0), "Clip") == null) {
          add(node.toBuilder());
        }
      } else if (op.equals("Clip") && grids.containsKey(in)) {
        activate(node);
      } else if (MOVES.contains(op) && grids.containsKey(in)) {
        move(node);
      } else if (op.equals("DequantizeLinear") && isConstant(in, TensorProto.DataType.INT32)) {
        biases.put(node.getOutput(0), realBias(node));
      } else if (PRODUCTS.contains(op)
          && node.getInputCount() > BIAS
          && biases.containsKey(node.getInput(BIAS))) {
        add(node.toBuilder().setInput(BIAS, biases.get(node.getInput(BIAS))));
      } else {
        add(node.toBuilder());
      }
    }

    private void activate(NodeProto clip) {
      NodeProto quantize = producer(clip.getInput(0));
      List<String> grid = grids.get(clip.getInput(0));
      require(
          clip,
          constant(clip.getInput(1)).getRawData().equals(constant(grid.get(1)).getRawData())
              && constant(clip.getInput(2)).getRawData().byteAt(0) == Byte.MAX_VALUE,
          "a grid of fewer than 8 bits has no such form");
      String real = quantize.getInput(0);
      String active = unique(real + ".relu");
      String codes = clip.getOutput(0);
      grids.put(codes, grid);
      add(node("Relu", active, List.of(real), active));
      add(quantize.toBuilder().setInput(0, active).setOutput(0, codes));
    }

    private void move(NodeProto node) {
      List<String> grid = grids.get(node.getInput(0));
      String codes = node.getOutput(0);
      grids.put(codes, grid);
      String x = unique(codes + ".from");
      String y = unique(codes + ".real");
      add(node("DequantizeLinear", x, concat(node.getInput(0), grid), x));
      NodeProto.Builder made = node.toBuilder().setInput(0, x).setOutput(0, y);
      if (node.getOpType().equals("Pad")) {
        made.setInput(2, floats(unique(codes + ".zero"), List.of(), 0f));
      }
      add(made);
      add(node("QuantizeLinear", unique(codes + ".quantize"), concat(y, grid), codes));
    }

    private String realBias(NodeProto dequantize) {
      String name = dequantize.getInput(0);
      TensorProto bias = constant(name);
      float[] scales = floats(dequantize.getInput(1));
      ByteBuffer codes = raw(bias);
      float[] real = new float[codes.remaining() / Integer.BYTES];
      for (int i = 0; i < real.length; i++) {
        int code = codes.getInt();
        float scale = scales[scales.length == 1 ? 0 : i];
        real[i] = code * scale;
        require(
            dequantize,
            bias(real[i], scale) == code,
            "the bias " + code + " of channel " + i + " has no exact float");
      }
      return floats(name, bias.getDimsList(), real);
    }
  }

  /** From floats between operators to codes between them. */
  private static final class Reading extends Rewriting {
    Reading(GraphProto.Builder graph) {
      super(graph);
    }

    @Override
    void rewrite(NodeProto node) {
      String op = node.getOpType();
      if (isMove(node)) {
        move(node);
      } else if (op.equals("QuantizeLinear")) {
        quantize(node);
      } else if (isProduct(node)) {
        product(node);
      } else if (!isActivation(node)
          && !(op.equals("DequantizeLinear")
              && readers(node.getOutput(0)).stream().anyMatch(this::isMove))) {
        add(node.toBuilder());
      }
    }

    private static boolean isDequantized(NodeProto before) {
      return before != null && before.getOpType().equals("DequantizeLinear");
    }

    private boolean isProduct(NodeProto node) {
      return PRODUCTS.contains(node.getOpType())
          && node.getInputCount() > BIAS
          && isDequantized(producer(node.getInput(0)))
          && isDequantized(producer(node.getInput(1)));
    }

    /** From codes to the same grid; what only floats go through is none. */
    private boolean isMove(NodeProto node) {
      NodeProto from = producer(node.getInput(0));
      NodeProto to = onlyReader(node.getOutput(0), "QuantizeLinear");
      if (!MOVES.contains(node.getOpType()) || !isDequantized(from) || to == null) {
        return false;
      }
      boolean same = readers(node.getInput(0)).size() == 1;
      for (int i = 1; i <= 2; i++) {
        TensorProto own = constant(from.getInput(i));
        same &= own.getRawData().equals(constant(to.getInput(i)).getRawData());
      }
      return same;
    }

    /** A ReLU that belongs to a layer or a sum of codes. */
    private boolean isActivation(NodeProto node) {
      NodeProto before = producer(node.getInput(0));
      return node.getOpType().equals("Relu")
          && before != null
          && onlyReader(node.getOutput(0), "QuantizeLinear") != null
          && (isProduct(before)
              || before.getOpType().equals("Add")
                  && before.getInputList().stream().allMatch(x -> isDequantized(producer(x))));
    }

    private void quantize(NodeProto node) {
      NodeProto before = producer(node.getInput(0));
      if (before != null && isActivation(before)) {
        String codes = node.getOutput(0);
        String wide = unique(codes + ".wide");
        String most = code(unique(codes + ".qmax"), TensorProto.DataType.INT8, Byte.MAX_VALUE);
        require(
            node, isConstant(node.getInput(2), TensorProto.DataType.INT8), "expected signed codes");
        add(node.toBuilder().setInput(0, before.getInput(0)).setOutput(0, wide));
        List<String> ends = List.of(wide, node.getInput(2), most);
        add(node("Clip", unique(codes + ".clip"), ends, codes));
      } else if (before == null || !isMove(before)) {
        add(node.toBuilder());
      }
    }

    private void move(NodeProto node) {
      NodeProto from = producer(node.getInput(0));
      NodeProto to = onlyReader(node.getOutput(0), "QuantizeLinear");
      NodeProto.Builder made =
          node.toBuilder().setInput(0, from.getInput(0)).setOutput(0, to.getOutput(0));
      if (node.getOpType().equals("Pad")) {
        boolean zeros = node.getInputCount() > 2 && floats(node.getInput(2))[0] == 0;
        require(node, zeros, "pads with something else than 0");
        made.setInput(2, from.getInput(2));
      }
      add(made);
    }

    private void product(NodeProto node) {
      String name = node.getInput(BIAS);
      require(node, isConstant(name, TensorProto.DataType.FLOAT), "its bias is not float");
      float[] x = floats(producer(node.getInput(0)).getInput(1));
      float[] w = floats(producer(node.getInput(1)).getInput(1));
      float[] real = floats(name);
      float[] scales = new float[w.length];
      ByteBuffer codes = bytes(Integer.BYTES * real.length);
      for (int i = 0; i < scales.length; i++) {
        scales[i] = x[0] * w[i];
      }
      for (int i = 0; i < real.length; i++) {
        float scale = scales[scales.length == 1 ? 0 : i];
        int code = bias(real[i], scale);
        require(node, code * scale == real[i], "the bias " + real[i] + " is on no grid");
        codes.putInt(code);
      }
      List<Long> dims = constant(name).getDimsList();
      tensor(name, TensorProto.DataType.INT32, dims, codes);
      List<Long> vector = scales.length == 1 ? List.of() : List.of((long) scales.length);
      String scale = floats(unique(name + ".scale"), vector, scales);
      String dequantized = unique(name + ".dq");
      NodeProto.Builder dequantize =
          node("DequantizeLinear", dequantized, List.of(name, scale), dequantized);
      add(scales.length == 1 ? dequantize : axis(dequantize, 0));
      add(node.toBuilder().setInput(BIAS, dequantized));
    }
  }

  /** The code of a real bias. */
  private static int bias(float real, float scale) {
    return (int) Math.rint((double) real / scale);
  }
}
