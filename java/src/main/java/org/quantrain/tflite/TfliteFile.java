package org.quantrain.tflite;

import com.google.flatbuffers.Table;
import java.io.IOException;
import java.io.InputStream;
import java.nio.BufferUnderflowException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.IntUnaryOperator;
import org.quantrain.onnx.QdqMetadata;
import org.tensorflow.lite.schema.Buffer;
import org.tensorflow.lite.schema.BuiltinOperator;
import org.tensorflow.lite.schema.Metadata;
import org.tensorflow.lite.schema.Model;
import org.tensorflow.lite.schema.Operator;
import org.tensorflow.lite.schema.OperatorCode;
import org.tensorflow.lite.schema.QuantizationParameters;
import org.tensorflow.lite.schema.SubGraph;
import org.tensorflow.lite.schema.Tensor;
import org.tensorflow.lite.schema.TensorType;

/**
 * A TensorFlow Lite file whose structure is sound: offsets stay in the file, constants are as large
 * as their shapes say, every tensor has one producer and is computed before it is read. What the
 * operators mean is not looked at here.
 *
 * @param where how messages name the file
 * @param inputs indices of the network's inputs
 */
public record TfliteFile(
    String where,
    Map<String, String> metadata,
    List<TensorInfo> tensors,
    List<OperatorInfo> operators,
    List<Integer> inputs,
    List<Integer> outputs,
    FileDigest digest,
    boolean digestMatches) {
  private static final long LARGEST_FILE = Integer.MAX_VALUE - 64;
  private static final String IDENTIFIER = "TFL3";
  private static final int MOST_TENSORS = 100_000;
  private static final int MOST_OPERANDS = 1024;
  private static final int HIGHEST_RANK = 6;

  /**
   * @param type of {@link TensorType}
   * @param shape -1 where the file says that the size is free
   * @param scale empty for a tensor without a grid
   * @param data little-endian; null where the tensor is computed
   */
  public record TensorInfo(
      int index,
      String name,
      byte type,
      List<Integer> shape,
      float[] scale,
      long[] zeroPoint,
      int quantizedDimension,
      ByteBuffer data) {
    /** How messages name it. */
    public String label() {
      return "tensor " + index + " \"" + name + "\"";
    }

    public boolean isConstant() {
      return data != null;
    }

    /** A copy of a constant's bytes. */
    public byte[] bytes() {
      byte[] bytes = new byte[data.remaining()];
      data.duplicate().get(bytes);
      return bytes;
    }

    /** The values of a constant of type INT32. */
    public int[] ints() {
      int[] values = new int[data.remaining() / 4];
      data.duplicate().order(ByteOrder.LITTLE_ENDIAN).asIntBuffer().get(values);
      return values;
    }
  }

  /**
   * @param code of {@link BuiltinOperator}
   * @param inputs indices of tensors, -1 for one that is left out
   */
  public record OperatorInfo(
      int index, int code, List<Integer> inputs, List<Integer> outputs, Operator raw) {
    /** How messages name it. */
    public String label() {
      return kind() + " (operator " + index + ")";
    }

    /** As in "CONV_2D". */
    public String kind() {
      return nameOf(code);
    }

    /** Name of a built-in operator, or its number where it is newer than the schema here. */
    public static String nameOf(int code) {
      return code >= 0 && code < BuiltinOperator.names.length
          ? BuiltinOperator.name(code)
          : "operator code " + code;
    }

    /**
     * The options of the operator.
     *
     * @param type of BuiltinOptions
     * @param empty what they are read into
     * @throws IllegalArgumentException if they are of another type or missing
     */
    public <T extends Table> T options(byte type, T empty) {
      if (raw.builtinOptionsType() != type || raw.builtinOptions(empty) == null) {
        throw new IllegalArgumentException(
            label() + ": its options are missing or of another kind");
      }
      return empty;
    }
  }

  /** Whether bytes begin as such a file does. */
  public static boolean isTflite(byte[] bytes) {
    return bytes.length >= 8
        && new String(bytes, 4, 4, StandardCharsets.ISO_8859_1).equals(IDENTIFIER);
  }

  /** Reads and checks a file. */
  public static TfliteFile read(Path file) throws TfliteException {
    return parse(file.toAbsolutePath().normalize().toString(), readBytes(file));
  }

  private static byte[] readBytes(Path file) throws TfliteException {
    try {
      long size = Files.size(file);
      if (size > LARGEST_FILE) {
        throw new TfliteException(file, "expected less than 2 GiB, got " + size + " bytes");
      }
      try (InputStream in = Files.newInputStream(file)) {
        return in.readNBytes((int) size);
      }
    } catch (TfliteException e) {
      throw e;
    } catch (IOException e) {
      String reason = e instanceof NoSuchFileException ? "no such file" : e.toString();
      throw new TfliteException(file, "cannot be read: " + reason, e);
    }
  }

  /** Checks the contents of a file, which are not copied. */
  public static TfliteFile parse(String where, byte[] bytes) throws TfliteException {
    if (!isTflite(bytes)) {
      throw new TfliteException(where, "is no TensorFlow Lite file: no \"TFL3\" at byte 4");
    }
    try {
      return new Reader(where, bytes).read();
    } catch (IllegalArgumentException e) {
      throw new TfliteException(where, e.getMessage(), e);
    } catch (IndexOutOfBoundsException | BufferUnderflowException e) {
      throw new TfliteException(where, "is truncated or damaged: an offset leaves the file", e);
    }
  }

  /** Reads every part once, so that its cost is bounded by the file's size. */
  private static final class Reader {
    private final String where;
    private final byte[] bytes;
    private final Model model;
    private final List<ByteBuffer> buffers = new ArrayList<>();

    /** Bytes of names, scales and constants that were taken. */
    private long taken;

    Reader(String where, byte[] bytes) {
      this.where = where;
      this.bytes = bytes;
      this.model = Model.getRootAsModel(ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN));
    }

    TfliteFile read() {
      require(model.subgraphsLength() == 1, "expected 1 subgraph, got " + model.subgraphsLength());
      for (int i = 0; i < count("buffers", model.buffersLength(), MOST_TENSORS); i++) {
        Buffer buffer = model.buffers(i);
        ByteBuffer data = buffer.dataLength() == 0 ? null : buffer.dataAsByteBuffer();
        buffers.add(data);
      }
      Map<String, String> metadata = new LinkedHashMap<>();
      int digestAt = readMetadata(metadata);
      SubGraph graph = model.subgraphs(0);
      List<TensorInfo> tensors = readTensors(graph);
      List<Integer> inputs = indices("inputs", graph.inputsLength(), graph::inputs, tensors, false);
      List<Integer> outputs =
          indices("outputs", graph.outputsLength(), graph::outputs, tensors, false);
      List<OperatorInfo> operators = readOperators(graph, tensors);
      checkOrder(tensors, operators, inputs, outputs);
      FileDigest digest = new FileDigest(digestAt);
      return new TfliteFile(
          where,
          metadata,
          List.copyOf(tensors),
          List.copyOf(operators),
          inputs,
          outputs,
          digest,
          digestAt >= 0 && digest.matches(bytes));
    }

    /** Returns where the digest stands, or -1. */
    private int readMetadata(Map<String, String> metadata) {
      int digestAt = -1;
      for (int i = 0; i < count("metadata", model.metadataLength(), MOST_OPERANDS); i++) {
        Metadata entry = model.metadata(i);
        String name = text(entry.name());
        ByteBuffer data = buffer(entry.buffer(), "metadata \"" + name + "\"");
        if (data == null || !name.startsWith("quantrain.")) {
          continue; // a converter's own, which may be anything
        }
        take(data.remaining());
        if (name.equals(QdqMetadata.DIGEST) && data.remaining() == FileDigest.PLACE.length()) {
          digestAt = data.position();
        }
        metadata.put(name, StandardCharsets.UTF_8.decode(data.duplicate()).toString());
      }
      return digestAt;
    }

    private List<TensorInfo> readTensors(SubGraph graph) {
      List<TensorInfo> tensors = new ArrayList<>();
      for (int i = 0; i < count("tensors", graph.tensorsLength(), MOST_TENSORS); i++) {
        tensors.add(readTensor(i, graph.tensors(i)));
      }
      return tensors;
    }

    private TensorInfo readTensor(int index, Tensor tensor) {
      String name = text(tensor.name());
      String label = "tensor " + index + " \"" + name + "\"";
      int rank = tensor.shapeLength();
      require(rank <= HIGHEST_RANK, label + ": " + rank + " dimensions");
      boolean signed = tensor.shapeSignatureLength() == rank;
      List<Integer> shape = new ArrayList<>();
      for (int d = 0; d < rank; d++) {
        int size = tensor.shape(d);
        require(size >= 0, label + ": dimension " + d + " is " + size);
        shape.add(signed && tensor.shapeSignature(d) == -1 ? -1 : size);
      }
      QuantizationParameters grid = tensor.quantization();
      float[] scale = new float[0];
      long[] zeroPoint = new long[0];
      int dimension = 0;
      if (grid != null && grid.scaleLength() > 0) {
        take(12L * grid.scaleLength());
        require(
            grid.zeroPointLength() == grid.scaleLength(),
            label
                + ": "
                + grid.scaleLength()
                + " scales, "
                + grid.zeroPointLength()
                + " zero-points");
        scale = new float[grid.scaleLength()];
        zeroPoint = new long[scale.length];
        for (int k = 0; k < scale.length; k++) {
          scale[k] = grid.scale(k);
          zeroPoint[k] = grid.zeroPoint(k);
        }
        dimension = grid.quantizedDimension();
      }
      ByteBuffer data = tensor.buffer() == 0 ? null : buffer(tensor.buffer(), label);
      if (data != null) {
        take(data.remaining());
        requireSize(label, tensor.type(), shape, data.remaining());
      }
      return new TensorInfo(
          index, name, tensor.type(), List.copyOf(shape), scale, zeroPoint, dimension, data);
    }

    private static void requireSize(String label, byte type, List<Integer> shape, int bytes) {
      int width =
          switch (type) {
            case TensorType.INT8, TensorType.UINT8, TensorType.BOOL -> 1;
            case TensorType.INT16, TensorType.FLOAT16 -> 2;
            case TensorType.INT32, TensorType.FLOAT32, TensorType.UINT32 -> 4;
            case TensorType.INT64, TensorType.FLOAT64 -> 8;
            default -> 0;
          };
      long size = width;
      for (int d : shape) {
        require(d >= 0, label + ": a constant of free size");
        size *= d;
        require(size <= bytes, label + ": " + shape + " is more than its " + bytes + " bytes");
      }
      require(
          width > 0 && size == bytes,
          label + ": expected " + size + " bytes for " + shape + ", got " + bytes);
    }

    private List<OperatorInfo> readOperators(SubGraph graph, List<TensorInfo> tensors) {
      List<Integer> codes = new ArrayList<>();
      for (int i = 0;
          i < count("operator codes", model.operatorCodesLength(), MOST_OPERANDS);
          i++) {
        OperatorCode code = model.operatorCodes(i);
        codes.add(Math.max(code.builtinCode(), code.deprecatedBuiltinCode()));
      }
      List<OperatorInfo> operators = new ArrayList<>();
      for (int i = 0; i < count("operators", graph.operatorsLength(), MOST_TENSORS); i++) {
        Operator raw = graph.operators(i);
        String label = "operator " + i;
        long code = raw.opcodeIndex();
        require(code < codes.size(), label + ": operator code " + code);
        operators.add(
            new OperatorInfo(
                i,
                codes.get((int) code),
                indices(label, raw.inputsLength(), raw::inputs, tensors, true),
                indices(label, raw.outputsLength(), raw::outputs, tensors, false),
                raw));
      }
      return operators;
    }

    private List<Integer> indices(
        String label,
        int length,
        IntUnaryOperator at,
        List<TensorInfo> tensors,
        boolean mayBeLeftOut) {
      Integer[] indices = new Integer[count(label, length, MOST_OPERANDS)];
      take(4L * length);
      Arrays.setAll(indices, at::applyAsInt);
      for (int index : indices) {
        require(
            index >= (mayBeLeftOut ? -1 : 0) && index < tensors.size(),
            label + ": tensor " + index + " of " + tensors.size());
      }
      return List.of(indices);
    }

    private static void checkOrder(
        List<TensorInfo> tensors,
        List<OperatorInfo> operators,
        List<Integer> inputs,
        List<Integer> outputs) {
      Set<Integer> there = new HashSet<>();
      tensors.stream().filter(TensorInfo::isConstant).forEach(t -> there.add(t.index()));
      for (int input : inputs) {
        require(there.add(input), tensors.get(input).label() + ": an input twice, or a constant");
      }
      for (OperatorInfo operator : operators) {
        for (int in : operator.inputs()) {
          require(
              in < 0 || there.contains(in),
              operator.label() + " reads " + in + ", which is not computed before");
        }
        for (int out : operator.outputs()) {
          require(there.add(out), tensors.get(out).label() + " is computed twice");
        }
      }
      for (int output : outputs) {
        require(there.contains(output), tensors.get(output).label() + " is not computed");
      }
    }

    private ByteBuffer buffer(long index, String reader) {
      require(index < buffers.size(), reader + ": buffer " + index + " of " + buffers.size());
      return buffers.get((int) index);
    }

    private String text(String text) {
      require(text != null, "a name is missing");
      take(text.length());
      return text;
    }

    /** Parts of a file can be shared, but what they amount to cannot be more than the file. */
    private void take(long size) {
      taken += size;
      require(taken <= 2L * bytes.length + 4096, "more names, scales and operands than bytes");
    }

    private static int count(String what, int length, int most) {
      require(length >= 0 && length <= most, what + ": " + length + ", expected at most " + most);
      return length;
    }

    private static void require(boolean holds, String problem) {
      if (!holds) {
        throw new IllegalArgumentException(problem);
      }
    }
  }
}
