package org.quantrain.tflite;

import com.google.flatbuffers.FlatBufferBuilder;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.ToIntFunction;
import org.tensorflow.lite.schema.Buffer;
import org.tensorflow.lite.schema.BuiltinOperator;
import org.tensorflow.lite.schema.Metadata;
import org.tensorflow.lite.schema.Model;
import org.tensorflow.lite.schema.Operator;
import org.tensorflow.lite.schema.OperatorCode;
import org.tensorflow.lite.schema.QuantizationParameters;
import org.tensorflow.lite.schema.SubGraph;
import org.tensorflow.lite.schema.Tensor;

/** Collects tensors and operators of one subgraph, then makes the file's bytes. */
final class TfliteBuilder {
  private static final int SCHEMA_VERSION = 3;

  /** Where a runtime maps a constant, its vector loads want it aligned. */
  private static final int ALIGNMENT = 16;

  private final List<TensorEntry> tensors = new ArrayList<>();
  private final List<OperatorEntry> operators = new ArrayList<>();
  private final List<byte[]> buffers = new ArrayList<>(List.of(new byte[0]));
  private final Set<String> names = new HashSet<>();

  /** Version of the newest form of each operator that is written; the keys are in file order. */
  private final Map<Integer, Integer> codes = new LinkedHashMap<>();

  /**
   * Grid of a tensor.
   *
   * @param scale one, or one for each index of a dimension
   * @param zeroPoint the same for all
   */
  record Grid(float[] scale, int zeroPoint, int dimension) {
    static Grid of(float scale, int zeroPoint) {
      return new Grid(new float[] {scale}, zeroPoint, 0);
    }
  }

  /**
   * @param shape -1 for the number of images
   * @param grid null for a tensor without
   */
  private record TensorEntry(String name, byte type, int[] shape, Grid grid, int buffer) {}

  /** Writes an operator's options; the result is their place in the file. */
  interface Options extends ToIntFunction<FlatBufferBuilder> {}

  private record OperatorEntry(
      int code, int[] inputs, int[] outputs, byte optionsType, Options options) {}

  /** The name itself, or with a number where it is taken. */
  String unique(String name) {
    String candidate = name;
    for (int i = 2; !names.add(candidate); i++) {
      candidate = name + "_" + i;
    }
    return candidate;
  }

  /**
   * A tensor that is computed, or the network's input.
   *
   * @param name unique
   * @param shape of one image behind -1
   * @return its index
   */
  int tensor(String name, byte type, int[] shape, Grid grid) {
    tensors.add(new TensorEntry(name, type, shape, grid, 0));
    return tensors.size() - 1;
  }

  /** A constant; the data are little-endian. */
  int constant(String name, byte type, int[] shape, Grid grid, byte[] data) {
    buffers.add(data);
    tensors.add(new TensorEntry(unique(name), type, shape, grid, buffers.size() - 1));
    return tensors.size() - 1;
  }

  /** Little-endian. */
  static byte[] bytes(int... values) {
    ByteBuffer buffer = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    buffer.asIntBuffer().put(values);
    return buffer.array();
  }

  /**
   * @param code of {@link BuiltinOperator}
   * @param version of the operator's form
   * @param optionsType of BuiltinOptions
   */
  void operator(
      int code, int version, int[] inputs, int output, byte optionsType, Options options) {
    codes.merge(code, version, Math::max);
    operators.add(new OperatorEntry(code, inputs, new int[] {output}, optionsType, options));
  }

  /**
   * The file.
   *
   * @param metadata texts under their names
   */
  byte[] build(String name, int input, int output, Map<String, String> metadata) {
    FlatBufferBuilder b = new FlatBufferBuilder(1 << 16);
    int[] metadataOffsets = new int[metadata.size()];
    List<byte[]> all = new ArrayList<>(buffers);
    int at = 0;
    for (Map.Entry<String, String> entry : metadata.entrySet()) {
      all.add(entry.getValue().getBytes(StandardCharsets.UTF_8));
      int key = b.createString(entry.getKey());
      metadataOffsets[at++] = Metadata.createMetadata(b, key, all.size() - 1);
    }
    int metadataVector = Model.createMetadataVector(b, metadataOffsets);
    int bufferVector =
        Model.createBuffersVector(b, all.stream().mapToInt(data -> buffer(b, data)).toArray());
    int subgraph = subgraph(b, name, input, output);
    int subgraphs = Model.createSubgraphsVector(b, new int[] {subgraph});
    int description = b.createString("Written by Quantrain.");
    int codeVector =
        Model.createOperatorCodesVector(
            b,
            codes.entrySet().stream()
                .mapToInt(
                    code ->
                        OperatorCode.createOperatorCode(
                            b,
                            (byte) (int) code.getKey(), // all of them are below 127
                            0,
                            code.getValue(),
                            code.getKey()))
                .toArray());
    Model.finishModelBuffer(
        b,
        Model.createModel(
            b,
            SCHEMA_VERSION,
            codeVector,
            subgraphs,
            description,
            bufferVector,
            0,
            metadataVector,
            0));
    return b.sizedByteArray();
  }

  private static int buffer(FlatBufferBuilder b, byte[] data) {
    if (data.length == 0) {
      return Buffer.createBuffer(b, 0);
    }
    b.createUnintializedVector(1, data.length, ALIGNMENT).put(data);
    return Buffer.createBuffer(b, b.endVector());
  }

  private int subgraph(FlatBufferBuilder b, String name, int input, int output) {
    int[] tensorOffsets = tensors.stream().mapToInt(t -> tensor(b, t)).toArray();
    List<Integer> order = List.copyOf(codes.keySet());
    int[] operatorOffsets =
        operators.stream().mapToInt(o -> operator(b, o, order.indexOf(o.code()))).toArray();
    int tensorVector = SubGraph.createTensorsVector(b, tensorOffsets);
    int inputs = SubGraph.createInputsVector(b, new int[] {input});
    int outputs = SubGraph.createOutputsVector(b, new int[] {output});
    int operatorVector = SubGraph.createOperatorsVector(b, operatorOffsets);
    int subgraphName = b.createString(name);
    return SubGraph.createSubGraph(b, tensorVector, inputs, outputs, operatorVector, subgraphName);
  }

  private static int tensor(FlatBufferBuilder b, TensorEntry t) {
    int grid = 0;
    if (t.grid() != null) {
      int scale = QuantizationParameters.createScaleVector(b, t.grid().scale());
      long[] zeros = new long[t.grid().scale().length];
      Arrays.fill(zeros, t.grid().zeroPoint());
      int zeroPoint = QuantizationParameters.createZeroPointVector(b, zeros);
      grid =
          QuantizationParameters.createQuantizationParameters(
              b, 0, 0, scale, zeroPoint, (byte) 0, 0, t.grid().dimension());
    }
    int name = b.createString(t.name());
    int[] shape = t.shape();
    boolean batched = shape.length > 0 && shape[0] < 0;
    int signature = batched ? Tensor.createShapeSignatureVector(b, shape) : 0;
    int[] single = shape.clone();
    if (batched) {
      single[0] = 1;
    }
    int dims = Tensor.createShapeVector(b, single);
    return Tensor.createTensor(
        b, dims, t.type(), t.buffer(), name, grid, false, 0, signature, true, 0);
  }

  private static int operator(FlatBufferBuilder b, OperatorEntry o, int code) {
    int options = o.options().applyAsInt(b);
    int inputs = Operator.createInputsVector(b, o.inputs());
    int outputs = Operator.createOutputsVector(b, o.outputs());
    return Operator.createOperator(
        b, code, inputs, outputs, o.optionsType(), options, 0, (byte) 0, 0, 0);
  }
}
