package org.quantrain.tflite;

import com.google.flatbuffers.FlatBufferBuilder;
import java.io.IOException;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.Function;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.io.AtomicFile;
import org.quantrain.onnx.QdqMetadata;
import org.quantrain.op.AddCodes;
import org.quantrain.op.AveragePoolOnGrid;
import org.quantrain.op.ConcatCodes;
import org.quantrain.op.ConvCodes;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.Dequantize;
import org.quantrain.op.FixedMultiplier;
import org.quantrain.op.Flatten;
import org.quantrain.op.FoldWeight;
import org.quantrain.op.LearnedQParams;
import org.quantrain.op.LinearCodes;
import org.quantrain.op.MaxPool;
import org.quantrain.op.Multiplier;
import org.quantrain.op.Pad;
import org.quantrain.op.PadCodes;
import org.quantrain.op.PoolWindow;
import org.quantrain.op.Quantize;
import org.quantrain.op.Requantize;
import org.quantrain.op.RequantizeFixed;
import org.quantrain.op.Slice;
import org.quantrain.quant.AccumulatorBound;
import org.quantrain.quant.DeployedWeights;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.Shape;
import org.tensorflow.lite.schema.ActivationFunctionType;
import org.tensorflow.lite.schema.AddOptions;
import org.tensorflow.lite.schema.BuiltinOperator;
import org.tensorflow.lite.schema.BuiltinOptions;
import org.tensorflow.lite.schema.ConcatenationOptions;
import org.tensorflow.lite.schema.Conv2DOptions;
import org.tensorflow.lite.schema.DepthwiseConv2DOptions;
import org.tensorflow.lite.schema.DequantizeOptions;
import org.tensorflow.lite.schema.FullyConnectedOptions;
import org.tensorflow.lite.schema.FullyConnectedOptionsWeightsFormat;
import org.tensorflow.lite.schema.PadOptions;
import org.tensorflow.lite.schema.PadV2Options;
import org.tensorflow.lite.schema.Padding;
import org.tensorflow.lite.schema.Pool2DOptions;
import org.tensorflow.lite.schema.QuantizeOptions;
import org.tensorflow.lite.schema.ReshapeOptions;
import org.tensorflow.lite.schema.StridedSliceOptions;
import org.tensorflow.lite.schema.TensorType;

/**
 * Writes the integers of an evaluation graph as a TensorFlow Lite file of int8 operators. Codes,
 * scales, zero-points and biases are written as they were trained. Every tensor of codes is named
 * as in the graph; images are [N,H,W,C].
 *
 * <p>Of the forms, these are not obvious:
 *
 * <ul>
 *   <li>The network's input and output are codes, unless floats are asked for: then QUANTIZE and
 *       DEQUANTIZE stand at the ends.
 *   <li>Padding that is not TensorFlow's SAME is an operator of its own, PAD by the zero-point, or
 *       PADV2 by the lowest code before a maximum.
 *   <li>Flattened images are in the order (H,W,C), so the columns of the linear layer behind them
 *       are moved.
 *   <li>Every layer has a scale for each output channel, also where they are equal: a fully
 *       connected layer with one scale rounds its multiplier otherwise.
 *   <li>Biases are named after their layer: "conv1.bias".
 * </ul>
 */
public final class TfliteWriter {
  private static final byte NONE = ActivationFunctionType.NONE;
  private static final byte RELU = ActivationFunctionType.RELU;

  private final Graph graph;
  private final Function<Value, HostTensor> contents;
  private final boolean floats;
  private final TfliteBuilder out = new TfliteBuilder();

  /** Index and grid of each tensor of codes. */
  private final Map<Value, Codes> codes = new HashMap<>();

  private int input;
  private int output;

  /**
   * @param image shape before the image was flattened to this tensor; null for others
   */
  private record Codes(int tensor, float scale, int zeroPoint, QuantSpec spec, Shape image) {
    TfliteBuilder.Grid grid() {
      return TfliteBuilder.Grid.of(scale, zeroPoint);
    }
  }

  private static final class Refusal extends RuntimeException {
    private static final long serialVersionUID = 1L;

    Refusal(Node node, String problem) {
      super(node.op().kind() + " \"" + node.name() + "\": " + problem);
    }
  }

  private TfliteWriter(Graph graph, Function<Value, HostTensor> contents, boolean floats) {
    this.graph = graph;
    this.contents = contents;
    this.floats = floats;
  }

  /**
   * Writes a file, completely or not at all.
   *
   * @param integerGraph a lowered evaluation graph: int8 codes from the input to the logits
   * @param contents of its scales and zero-points, and of the outputs of its {@link FoldWeight} and
   *     {@link LearnedQParams} nodes
   * @param floats input and output are float32 instead of codes
   * @param metadata what the file says about itself, see {@link QdqMetadata}; the digest is added
   * @throws TfliteException if the graph has a node without such a form, an accumulator could
   *     overflow, or scales contradict each other
   */
  public static void write(
      Graph integerGraph,
      Function<Value, HostTensor> contents,
      boolean floats,
      Map<String, String> metadata,
      Path file)
      throws IOException {
    AtomicFile.write(file, toBytes(integerGraph, contents, floats, metadata));
  }

  /** The contents of the file. */
  public static byte[] toBytes(
      Graph integerGraph,
      Function<Value, HostTensor> contents,
      boolean floats,
      Map<String, String> metadata)
      throws TfliteException {
    String where = "TensorFlow Lite export";
    Map<String, String> all = new TreeMap<>(metadata);
    all.putIfAbsent(QdqMetadata.VERSION, QdqMetadata.currentVersion());
    all.put(QdqMetadata.DIGEST, FileDigest.PLACE);
    try {
      TfliteWriter writer = new TfliteWriter(integerGraph, contents, floats);
      writer.writeGraph();
      byte[] bytes = writer.out.build("quantrain", writer.input, writer.output, all);
      TfliteFile.parse(where, bytes).digest().write(bytes);
      return bytes;
    } catch (Refusal e) {
      throw new TfliteException(where, e.getMessage(), e);
    }
  }

  /**
   * Whether a lowered evaluation graph has such a form at all, before anybody trains it.
   *
   * @throws TfliteException naming every node that has none
   */
  public static void check(Graph integerGraph) throws TfliteException {
    List<String> unknown =
        integerGraph.nodes().stream()
            .filter(n -> !hasForm(integerGraph, n))
            .map(n -> n.op().kind() + " \"" + n.name() + "\"")
            .toList();
    if (!unknown.isEmpty()) {
      throw new TfliteException(
          "TensorFlow Lite export",
          "no int8 form for "
              + String.join(", ", unknown)
              + "; everything from the input to the logits must be codes of 8 bits");
    }
  }

  private static boolean hasForm(Graph graph, Node node) {
    Op op = node.op();
    if (op instanceof Quantize quantize) {
      return graph.inputs().contains(node.input(0)) && isInt8(quantize.spec());
    } else if (op instanceof Dequantize) {
      return graph.outputs().contains(node.output());
    } else if (op instanceof Requantize requantize) {
      return isInt8(requantize.spec());
    } else if (op instanceof RequantizeFixed requantize) {
      return isInt8(requantize.spec());
    } else if (op instanceof AddCodes add) {
      return isInt8(add.spec());
    } else if (op instanceof MaxPool || op instanceof Flatten) {
      return node.input(0).spec().dtype().isCodes();
    } else if (op instanceof Slice slice) {
      return slice.step() > 0 && slice.axis() > 0 && node.input(0).spec().dtype().isCodes();
    } else if (op instanceof ConcatCodes) {
      return joinsOneGrid(node);
    }
    return op instanceof FoldWeight
        || op instanceof LearnedQParams
        || op instanceof ConvCodes
        || op instanceof LinearCodes
        || op instanceof Multiplier
        || op instanceof FixedMultiplier
        || op instanceof PadCodes
        || op instanceof AveragePoolOnGrid;
  }

  /** The operator only moves codes. */
  private static boolean joinsOneGrid(Node concat) {
    int whole = 3 * ConcatCodes.parts(concat.inputs().size());
    for (int i = 0; i < whole; i += 3) {
      if (concat.input(i + 1) != concat.input(whole)) {
        return false;
      }
    }
    return true;
  }

  private static boolean isInt8(QuantSpec spec) {
    return spec.bits() == 8 && spec.signed() && !spec.narrow();
  }

  private void writeGraph() throws TfliteException {
    check(graph);
    graph.inputs().forEach(v -> out.unique(v.name()));
    graph.nodes().forEach(n -> n.outputs().forEach(v -> out.unique(v.name())));
    graph.nodes().forEach(this::writeNode);
  }

  private void writeNode(Node node) {
    Op op = node.op();
    if (op instanceof Quantize quantize) {
      writeInput(node, quantize);
    } else if (op instanceof Requantize requantize) {
      int multiplier = 1;
      Node made = producer(node, node.input(multiplier));
      require(node, made.op() instanceof Multiplier, "its multiplier is of " + made.op().kind());
      require(node, node.inputs().size() == 4, "expected an accumulator of a folded layer");
      writeProduct(node, requantize.spec(), requantize.relu(), made.input(1), 2);
    } else if (op instanceof RequantizeFixed requantize) {
      Node made = producer(node, node.input(1));
      require(node, node.inputs().size() == 5, "expected an accumulator of a folded layer");
      writeProduct(node, requantize.spec(), requantize.relu(), made.input(2), 3);
    } else if (op instanceof AddCodes add) {
      writeAdd(node, add);
    } else if (op instanceof MaxPool pool) {
      writePool(node, pool.window(), BuiltinOperator.MAX_POOL_2D);
    } else if (op instanceof AveragePoolOnGrid pool) {
      writePool(node, pool.window(), BuiltinOperator.AVERAGE_POOL_2D);
    } else if (op instanceof Flatten) {
      writeFlatten(node);
    } else if (op instanceof Slice slice) {
      writeSlice(node, slice);
    } else if (op instanceof PadCodes pad) {
      writePadding(node, pad.pad());
    } else if (op instanceof ConcatCodes concat) {
      writeConcat(node, concat);
    } else if (op instanceof Dequantize) {
      writeOutput(node);
    }
  }

  // ---- the ends

  private void writeInput(Node node, Quantize op) {
    Value x = node.input(0);
    Codes made = codes(node, op.spec(), node.input(1), node.input(2));
    input = made.tensor();
    if (floats) {
      input = out.tensor(x.name(), TensorType.FLOAT32, nhwc(x.spec().shape()), null);
      out.operator(
          BuiltinOperator.QUANTIZE,
          1,
          new int[] {input},
          made.tensor(),
          BuiltinOptions.QuantizeOptions,
          b -> {
            QuantizeOptions.startQuantizeOptions(b);
            return QuantizeOptions.endQuantizeOptions(b);
          });
    }
  }

  private void writeOutput(Node node) {
    Codes x = read(node, 0, 1, 2);
    require(node, x.image() == null, "logits are not an image");
    output = x.tensor();
    if (floats) {
      Value y = node.output();
      output = out.tensor(y.name(), TensorType.FLOAT32, nhwc(y.spec().shape()), null);
      out.operator(
          BuiltinOperator.DEQUANTIZE,
          2,
          new int[] {x.tensor()},
          output,
          BuiltinOptions.DequantizeOptions,
          b -> {
            DequantizeOptions.startDequantizeOptions(b);
            return DequantizeOptions.endDequantizeOptions(b);
          });
    }
  }

  // ---- layers

  private void writeProduct(
      Node node, QuantSpec spec, boolean relu, Value yScale, int zeroPointAt) {
    Node product = producer(node, node.input(0));
    require(
        node,
        product.op() instanceof ConvCodes || product.op() instanceof LinearCodes,
        "its accumulator comes from " + product.op().kind());
    Node fold = producer(product, product.input(3));
    require(
        product,
        fold.op() instanceof FoldWeight
            && product.input(4) == fold.output(1)
            && node.input(zeroPointAt + 1) == fold.output(3),
        "weights, scales and bias are not those of one FoldWeight");
    Codes x = read(product, 0, 1, 2);
    DeployedWeights weights = weights(fold, x);
    Codes y = codes(node, spec, yScale, node.input(zeroPointAt));
    byte activation = activation(node, relu, y);
    if (product.op() instanceof ConvCodes conv) {
      writeConvolution(product, fold, conv.geometry(), x, weights, y, activation);
    } else {
      writeLinear(product, fold, x, weights, y, activation);
    }
  }

  private DeployedWeights weights(Node fold, Codes x) {
    int largest = AccumulatorBound.largestInput(x.zeroPoint(), x.spec().qmin(), x.spec().qmax());
    try {
      return DeployedWeights.of(fold, contents, x.scale(), largest);
    } catch (IllegalArgumentException e) {
      throw new Refusal(fold, e.getMessage());
    }
  }

  private void writeConvolution(
      Node product,
      Node fold,
      ConvGeometry g,
      Codes x,
      DeployedWeights weights,
      Codes y,
      byte activation) {
    require(product, x.image() == null, "a flattened image is convolved");
    Shape in = product.input(0).spec().shape();
    Shape w = fold.output(0).spec().shape();
    Shape result = product.output(0).spec().shape();
    SamePadding h = SamePadding.of(in.dim(2), w.dim(2), g.strideH(), g.dilationH());
    SamePadding v = SamePadding.of(in.dim(3), w.dim(3), g.strideW(), g.dilationW());
    boolean padded = g.padTop() + g.padLeft() + g.padBottom() + g.padRight() > 0;
    boolean same =
        padded
            && h.before() == g.padTop()
            && v.before() == g.padLeft()
            && h.outputs() == result.dim(2)
            && v.outputs() == result.dim(3);
    int from =
        padded && !same
            ? pad(product, x, false, g.padTop(), g.padBottom(), g.padLeft(), g.padRight())
            : x.tensor();
    byte padding = same ? Padding.SAME : Padding.VALID;
    boolean depthwise = g.groups() > 1 && w.dim(1) == 1;
    int multiplier = w.dim(0) / g.groups();
    byte[] data = weights.codes().bytes();
    int[] shape = {w.dim(0), w.dim(2), w.dim(3), w.dim(1)};
    if (depthwise) {
      data = channelsLast(data, w.dim(0));
      shape = new int[] {1, w.dim(2), w.dim(3), w.dim(0)};
    }
    int[] inputs = inputs(product, fold, from, weights, data, shape, depthwise ? 3 : 0);
    if (depthwise) {
      out.operator(
          BuiltinOperator.DEPTHWISE_CONV_2D,
          3,
          inputs,
          y.tensor(),
          BuiltinOptions.DepthwiseConv2DOptions,
          b ->
              DepthwiseConv2DOptions.createDepthwiseConv2DOptions(
                  b,
                  padding,
                  g.strideW(),
                  g.strideH(),
                  multiplier,
                  activation,
                  g.dilationW(),
                  g.dilationH()));
    } else {
      out.operator(
          BuiltinOperator.CONV_2D,
          3,
          inputs,
          y.tensor(),
          BuiltinOptions.Conv2DOptions,
          b ->
              Conv2DOptions.createConv2DOptions(
                  b, padding, g.strideW(), g.strideH(), activation, g.dilationW(), g.dilationH()));
    }
  }

  private void writeLinear(
      Node product, Node fold, Codes x, DeployedWeights weights, Codes y, byte activation) {
    Shape w = fold.output(0).spec().shape();
    byte[] data = weights.codes().bytes();
    if (x.image() != null) {
      data = columnsChannelsLast(data, x.image());
    }
    int[] shape = {w.dim(0), w.dim(1)};
    int[] inputs = inputs(product, fold, x.tensor(), weights, data, shape, 0);
    out.operator(
        BuiltinOperator.FULLY_CONNECTED,
        12, // scales for each channel
        inputs,
        y.tensor(),
        BuiltinOptions.FullyConnectedOptions,
        b ->
            FullyConnectedOptions.createFullyConnectedOptions(
                b, activation, FullyConnectedOptionsWeightsFormat.DEFAULT, false, false));
  }

  /** Writes weights and bias; the inputs of a layer. */
  private int[] inputs(
      Node product,
      Node fold,
      int x,
      DeployedWeights weights,
      byte[] data,
      int[] shape,
      int dimension) {
    float[] scale = weights.scale().floats();
    float[] outScale = weights.outScale().floats();
    int w =
        out.constant(
            fold.input(0).name(),
            TensorType.INT8,
            shape,
            new TfliteBuilder.Grid(scale, 0, dimension),
            data);
    int[] bias = weights.bias().ints();
    int b =
        out.constant(
            layerName(product) + ".bias",
            TensorType.INT32,
            new int[] {bias.length},
            new TfliteBuilder.Grid(outScale, 0, 0),
            TfliteBuilder.bytes(bias));
    return new int[] {x, w, b};
  }

  private static String layerName(Node product) {
    return product.name().replaceFirst("\\.acc$", "");
  }

  /** [K,cells] to [cells,K]: a depthwise convolution's weights. */
  private static byte[] channelsLast(byte[] data, int channels) {
    byte[] moved = new byte[data.length];
    int cells = data.length / channels;
    for (int i = 0; i < data.length; i++) {
      moved[i % cells * channels + i / cells] = data[i];
    }
    return moved;
  }

  /** Each row from the order (C,H,W) to (H,W,C). */
  private static byte[] columnsChannelsLast(byte[] data, Shape image) {
    byte[] moved = new byte[data.length];
    int channels = image.dim(1);
    int columns = Math.toIntExact(image.elementsPerSample());
    int cells = columns / channels;
    for (int i = 0; i < data.length; i++) {
      int column = i % columns;
      moved[i - column + column % cells * channels + column / cells] = data[i];
    }
    return moved;
  }

  private void writeAdd(Node node, AddCodes op) {
    Codes a = read(node, 0, 1, 2);
    Codes b = read(node, 3, 4, 5);
    require(node, a.image() == null && b.image() == null, "flattened images are added");
    Codes y = codes(node, op.spec(), node.input(6), node.input(7));
    byte activation = activation(node, op.relu(), y);
    out.operator(
        BuiltinOperator.ADD,
        2,
        new int[] {a.tensor(), b.tensor()},
        y.tensor(),
        BuiltinOptions.AddOptions,
        builder -> AddOptions.createAddOptions(builder, activation, true));
  }

  private void writePool(Node node, PoolWindow p, int operator) {
    Codes x = known(node, node.input(0));
    Shape in = node.input(0).spec().shape();
    Shape result = node.output(0).spec().shape();
    SamePadding h = SamePadding.of(in.dim(2), p.kernelH(), p.strideH(), 1);
    SamePadding v = SamePadding.of(in.dim(3), p.kernelW(), p.strideW(), 1);
    boolean same =
        p.isPadded()
            && h.before() == p.padTop()
            && v.before() == p.padLeft()
            && h.outputs() == result.dim(2)
            && v.outputs() == result.dim(3);
    boolean explicit = p.isPadded() && !same;
    require(
        node,
        !explicit || operator == BuiltinOperator.MAX_POOL_2D,
        "TensorFlow Lite has no average pool with this padding");
    int from =
        explicit
            ? pad(node, x, true, p.padTop(), p.padBottom(), p.padLeft(), p.padRight())
            : x.tensor();
    out.operator(
        operator,
        2,
        new int[] {from},
        sameGrid(node, x, null),
        BuiltinOptions.Pool2DOptions,
        b ->
            Pool2DOptions.createPool2DOptions(
                b,
                same ? Padding.SAME : Padding.VALID,
                p.strideW(),
                p.strideH(),
                p.kernelW(),
                p.kernelH(),
                NONE));
  }

  private void writeFlatten(Node node) {
    Codes x = known(node, node.input(0));
    Shape image = node.input(0).spec().shape();
    boolean moves = image.dim(1) > 1 && image.dim(2) * image.dim(3) > 1;
    int[] shape = {-1, Math.toIntExact(image.elementsPerSample())};
    int to =
        out.constant(
            node.output(0).name() + ".shape",
            TensorType.INT32,
            new int[] {2},
            null,
            TfliteBuilder.bytes(shape));
    out.operator(
        BuiltinOperator.RESHAPE,
        1,
        new int[] {x.tensor(), to},
        sameGrid(node, x, moves ? image : null),
        BuiltinOptions.ReshapeOptions,
        b -> ReshapeOptions.createReshapeOptions(b, ReshapeOptions.createNewShapeVector(b, shape)));
  }

  private void writeSlice(Node node, Slice op) {
    Codes x = moved(node, node.input(0));
    Shape in = node.input(0).spec().shape();
    int[] begin = new int[in.rank()];
    int[] end = nhwc(in);
    int[] step = new int[in.rank()];
    Arrays.fill(step, 1);
    end[0] = 0; // by the mask: as many as there are
    int axis = nhwcAxis(in.rank(), op.axis());
    begin[axis] = op.start();
    end[axis] = op.start() + op.step() * (op.size() - 1) + 1;
    step[axis] = op.step();
    String name = node.output(0).name();
    int[] inputs = {
      x.tensor(),
      integers(name + ".begin", begin),
      integers(name + ".end", end),
      integers(name + ".step", step)
    };
    out.operator(
        BuiltinOperator.STRIDED_SLICE,
        2,
        inputs,
        sameGrid(node, x, null),
        BuiltinOptions.StridedSliceOptions,
        b -> StridedSliceOptions.createStridedSliceOptions(b, 1, 1, 0, 0, 0, false));
  }

  private void writePadding(Node node, Pad op) {
    Codes x = moved(node, node.input(0));
    int rank = op.before().size();
    int[] amounts = new int[2 * rank];
    for (int d = 0; d < rank; d++) {
      int axis = nhwcAxis(rank, d);
      amounts[2 * axis] = op.before().get(d);
      amounts[2 * axis + 1] = op.after().get(d);
    }
    int constant =
        out.constant(
            node.output(0).name() + ".amounts",
            TensorType.INT32,
            new int[] {rank, 2},
            null,
            TfliteBuilder.bytes(amounts));
    out.operator(
        BuiltinOperator.PAD,
        2,
        new int[] {x.tensor(), constant},
        sameGrid(node, x, null),
        BuiltinOptions.PadOptions,
        TfliteWriter::padOptions);
  }

  private void writeConcat(Node node, ConcatCodes op) {
    int parts = ConcatCodes.parts(node.inputs().size());
    Codes y = codes(node, op.spec(), node.input(3 * parts), node.input(3 * parts + 1));
    int[] inputs = new int[parts];
    for (int i = 0; i < parts; i++) {
      Codes x = read(node, 3 * i, 3 * i + 1, 3 * i + 2);
      require(
          node,
          x.image() == null
              && Float.floatToRawIntBits(x.scale()) == Float.floatToRawIntBits(y.scale())
              && x.zeroPoint() == y.zeroPoint(),
          "TensorFlow Lite joins codes of one grid only; "
              + node.input(3 * i).name()
              + " has another");
      inputs[i] = x.tensor();
    }
    int axis = nhwcAxis(node.output(0).spec().shape().rank(), op.axis());
    out.operator(
        BuiltinOperator.CONCATENATION,
        2,
        inputs,
        y.tensor(),
        BuiltinOptions.ConcatenationOptions,
        b -> ConcatenationOptions.createConcatenationOptions(b, axis, NONE));
  }

  private int integers(String name, int[] values) {
    byte[] data = TfliteBuilder.bytes(values);
    return out.constant(name, TensorType.INT32, new int[] {values.length}, null, data);
  }

  /** Writes a padded image; its tensor. */
  private int pad(Node node, Codes x, boolean lowest, int top, int bottom, int left, int right) {
    Shape image = node.input(0).spec().shape();
    String name = out.unique(layerName(node) + ".padded");
    int[] shape = {-1, image.dim(2) + top + bottom, image.dim(3) + left + right, image.dim(1)};
    int padded = out.tensor(name, TensorType.INT8, shape, x.grid());
    int amounts =
        out.constant(
            name + ".amounts",
            TensorType.INT32,
            new int[] {4, 2},
            null,
            TfliteBuilder.bytes(0, 0, top, bottom, left, right, 0, 0));
    if (lowest) {
      byte[] value = {(byte) x.spec().qmin()};
      int constant = out.constant(name + ".value", TensorType.INT8, new int[0], x.grid(), value);
      out.operator(
          BuiltinOperator.PADV2,
          2,
          new int[] {x.tensor(), amounts, constant},
          padded,
          BuiltinOptions.PadV2Options,
          TfliteWriter::padV2Options);
    } else {
      out.operator(
          BuiltinOperator.PAD,
          2,
          new int[] {x.tensor(), amounts},
          padded,
          BuiltinOptions.PadOptions,
          TfliteWriter::padOptions);
    }
    return padded;
  }

  private static int padOptions(FlatBufferBuilder b) {
    PadOptions.startPadOptions(b);
    return PadOptions.endPadOptions(b);
  }

  private static int padV2Options(FlatBufferBuilder b) {
    PadV2Options.startPadV2Options(b);
    return PadV2Options.endPadV2Options(b);
  }

  // ---- tensors

  private static int[] nhwc(Shape shape) {
    return shape.rank() == 4
        ? new int[] {-1, shape.dim(2), shape.dim(3), shape.dim(1)}
        : new int[] {-1, Math.toIntExact(shape.elementsPerSample())};
  }

  /** The place of a dimension of [N,C,H,W] or [N,C] in the file. */
  private static int nhwcAxis(int rank, int axis) {
    return rank == 4 ? new int[] {0, 3, 1, 2}[axis] : axis;
  }

  /** Codes that are moved; flattened images are in an order of their own. */
  private Codes moved(Node reader, Value value) {
    Codes x = known(reader, value);
    require(reader, x.image() == null, "moves a flattened image");
    return x;
  }

  /** The node's codes on a grid of their own. */
  private Codes codes(Node node, QuantSpec spec, Value scale, Value zeroPoint) {
    Value y = node.output(0);
    float s = contents.apply(scale).floats()[0];
    int z = contents.apply(zeroPoint).ints()[0];
    require(node, s > 0 && Float.isFinite(s), "scale " + s);
    require(node, z >= spec.qmin() && z <= spec.qmax(), "zero-point " + z + " is not on its grid");
    int tensor =
        out.tensor(y.name(), TensorType.INT8, nhwc(y.spec().shape()), TfliteBuilder.Grid.of(s, z));
    Codes made = new Codes(tensor, s, z, spec, null);
    codes.put(y, made);
    return made;
  }

  /** The node's codes on the grid of its input; their tensor. */
  private int sameGrid(Node node, Codes x, Shape image) {
    Value y = node.output(0);
    int tensor = out.tensor(y.name(), TensorType.INT8, nhwc(y.spec().shape()), x.grid());
    codes.put(y, new Codes(tensor, x.scale(), x.zeroPoint(), x.spec(), image));
    return tensor;
  }

  private Codes known(Node reader, Value value) {
    Codes x = codes.get(value);
    require(reader, x != null, "its input " + value + " is not codes of this graph");
    return x;
  }

  /** Codes whose grid the reader must see as they were made. */
  private Codes read(Node reader, int codesAt, int scaleAt, int zeroPointAt) {
    Codes x = known(reader, reader.input(codesAt));
    float s = contents.apply(reader.input(scaleAt)).floats()[0];
    int z = contents.apply(reader.input(zeroPointAt)).ints()[0];
    require(
        reader,
        Float.floatToRawIntBits(s) == Float.floatToRawIntBits(x.scale()) && z == x.zeroPoint(),
        "reads "
            + reader.input(codesAt).name()
            + " with scale "
            + s
            + " and zero-point "
            + z
            + ", it was made with "
            + x.scale()
            + " and "
            + x.zeroPoint());
    return x;
  }

  /** A ReLU is the clamp of its grid, which begins at 0. */
  private static byte activation(Node node, boolean relu, Codes y) {
    require(
        node,
        !relu || y.zeroPoint() == y.spec().qmin(),
        "a ReLU is the clamp of the grid only at zero-point "
            + y.spec().qmin()
            + ", got "
            + y.zeroPoint());
    return relu ? RELU : NONE;
  }

  private Node producer(Node reader, Value value) {
    return graph
        .producer(value)
        .orElseThrow(() -> new Refusal(reader, value + " is not computed in the graph"));
  }

  private static void require(Node node, boolean holds, String problem) {
    if (!holds) {
      throw new Refusal(node, problem);
    }
  }
}
