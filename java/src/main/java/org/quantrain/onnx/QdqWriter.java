package org.quantrain.onnx;

import java.io.IOException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Function;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.io.AtomicFile;
import org.quantrain.op.Add;
import org.quantrain.op.AddCodes;
import org.quantrain.op.AveragePoolCodes;
import org.quantrain.op.Binary;
import org.quantrain.op.Concat;
import org.quantrain.op.ConcatCodes;
import org.quantrain.op.ConvCodes;
import org.quantrain.op.Dequantize;
import org.quantrain.op.DequantizeAcc;
import org.quantrain.op.FixedMultiplier;
import org.quantrain.op.Flatten;
import org.quantrain.op.FoldWeight;
import org.quantrain.op.Gather;
import org.quantrain.op.GlobalPoolSum;
import org.quantrain.op.LearnedQParams;
import org.quantrain.op.LinearCodes;
import org.quantrain.op.MatMul;
import org.quantrain.op.MatMulCodes;
import org.quantrain.op.MaxPool;
import org.quantrain.op.MinMax;
import org.quantrain.op.Multiplier;
import org.quantrain.op.PadCodes;
import org.quantrain.op.PoolMultiplier;
import org.quantrain.op.ProductScale;
import org.quantrain.op.Quantize;
import org.quantrain.op.RangeToQParams;
import org.quantrain.op.Reduce;
import org.quantrain.op.Relu;
import org.quantrain.op.Requantize;
import org.quantrain.op.RequantizeCodes;
import org.quantrain.op.RequantizeFixed;
import org.quantrain.op.Reshape;
import org.quantrain.op.Resize;
import org.quantrain.op.Slice;
import org.quantrain.op.Softmax;
import org.quantrain.op.Transpose;
import org.quantrain.op.Unary;
import org.quantrain.op.Where;
import org.quantrain.quant.AccumulatorBound;
import org.quantrain.quant.DeployedWeights;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/**
 * Writes the integers of an evaluation graph as an ONNX file of QuantizeLinear and DequantizeLinear
 * (QDQ), in the forms that ONNX Runtime executes on integers. Codes, scales, zero-points and biases
 * are written as they were trained; nothing is computed anew. Every tensor of codes is named as in
 * the graph.
 *
 * <p>Of the forms, these are not obvious:
 *
 * <ul>
 *   <li>Each reader of codes has a DequantizeLinear of its own.
 *   <li>Activation functions are left out: the grid's clamp is the ReLU, and where it is not, on
 *       signed grids, a Clip on codes.
 *   <li>Grids narrower than 8 bits are QuantizeLinear, then Clip on codes. Codes that are
 *       requantized have such a Clip always: without it ONNX Runtime merges the two grids into one.
 *   <li>Weights of at most 4 bits are stored two in a byte and cast to int8 before anything else:
 *       ONNX Runtime does that once and then computes as with any weights. A DequantizeLinear of 4
 *       bits would leave the layer in float.
 *   <li>Max pooling and what only moves or reshapes stand on the codes themselves, and so does the
 *       Gather that picks rows of a table of codes.
 *   <li>Operations without an integer form are float operators between DequantizeLinear and
 *       QuantizeLinear. Where ONNX Runtime has an integer kernel of its own for the last one, whose
 *       arithmetic is no contract of ours, a Max with the lowest float keeps them apart.
 *   <li>The scale of a bias is the product of the scales of input and weights, to the bit;
 *       otherwise ONNX Runtime would take it for another bias without a word.
 * </ul>
 */
public final class QdqWriter {
  private static final int PACKED_BITS = 4;
  private static final int LARGEST_SHIFT = 31;

  private final Graph graph;
  private final Function<Value, HostTensor> contents;
  private final OnnxGraphBuilder out = new OnnxGraphBuilder("quantrain");

  /** Functions that ONNX Runtime has on codes, or leaves to the clamp of a quantizer. */
  private static final Set<Unary.Kind> FUSED_FUNCTIONS =
      Set.of(Unary.Kind.SIGMOID, Unary.Kind.LEAKY_RELU, Unary.Kind.CLIP);

  /** Grid of each tensor of codes. */
  private final Map<Value, Grid> grids = new HashMap<>();

  private final Set<String> layers = new HashSet<>();

  /** Names of the initializers of each scale and zero-point. */
  private final Map<Value, String> constants = new HashMap<>();

  /**
   * @param lowest the lowest code that occurs: the zero-point behind a ReLU
   */
  private record Grid(Value scale, Value zeroPoint, QuantSpec spec, int lowest) {
    boolean fillsItsContainer() {
      int least = spec.signed() ? Byte.MIN_VALUE : 0;
      return lowest == least && spec.qmax() == least + 255;
    }
  }

  private static final class Refusal extends RuntimeException {
    private static final long serialVersionUID = 1L;

    Refusal(Node node, String problem) {
      super(node.op().kind() + " \"" + node.name() + "\": " + problem);
    }
  }

  private QdqWriter(Graph graph, Function<Value, HostTensor> contents) {
    this.graph = graph;
    this.contents = contents;
  }

  /**
   * Writes a file, completely or not at all.
   *
   * @param integerGraph a lowered evaluation graph: codes from the input to the logits
   * @param contents of its scales and zero-points, of the outputs of its {@link FoldWeight}, {@link
   *     LearnedQParams} and {@link RangeToQParams} nodes, and of the codes of its tables
   * @param metadata what the file says about itself, see {@link QdqMetadata}; the digest is added
   * @throws OnnxException if the graph has a node without a QDQ form, an accumulator could
   *     overflow, or scales contradict each other
   */
  public static void write(
      Graph integerGraph,
      Function<Value, HostTensor> contents,
      Map<String, String> metadata,
      Path file)
      throws IOException {
    AtomicFile.write(file, toBytes(integerGraph, contents, metadata));
  }

  /** The contents of the file. */
  public static byte[] toBytes(
      Graph integerGraph, Function<Value, HostTensor> contents, Map<String, String> metadata)
      throws OnnxException {
    String where = "quantized export";
    try {
      QdqWriter writer = new QdqWriter(integerGraph, contents);
      writer.writeGraph();
      Map<String, String> all = new LinkedHashMap<>(OnnxWriter.withVersion(metadata));
      all.put(QdqMetadata.DIGEST, OnnxFile.parse(where, writer.out.bytes(all)).digest());
      return writer.out.bytes(all);
    } catch (Refusal e) {
      throw new OnnxException(where, e.getMessage(), e);
    }
  }

  /**
   * Whether a lowered evaluation graph has a QDQ form at all, before anybody trains it.
   *
   * @throws OnnxException naming every node that has none
   */
  public static void check(Graph integerGraph) throws OnnxException {
    List<String> unknown =
        integerGraph.nodes().stream()
            .filter(n -> !hasForm(integerGraph, n))
            .map(n -> n.op().kind() + " \"" + n.name() + "\"")
            .toList();
    if (!unknown.isEmpty()) {
      throw new OnnxException(
          "quantized export",
          "no integer form for "
              + String.join(", ", unknown)
              + "; these would compute on floats between quantized layers");
    }
  }

  /** Known operations; what an integer layer computes is float only as the network's output. */
  private static boolean hasForm(Graph graph, Node node) {
    if (node.op() instanceof DequantizeAcc) {
      return isOutput(graph, node.output())
          && graph.producer(node.input(0)).map(Node::op).orElse(null) instanceof LinearCodes;
    }
    boolean output = node.outputs().stream().anyMatch(graph.outputs()::contains);
    return output ? isLogits(graph, node) : isKnown(node.op()) || isFloat(node);
  }

  private static boolean isLogits(Graph graph, Node node) {
    return node.op() instanceof DequantizeAcc
        || node.op() instanceof Dequantize
        || (moves(node.op())
            && graph.producer(node.input(0)).filter(n -> isLogits(graph, n)).isPresent());
  }

  private static boolean isOutput(Graph graph, Value value) {
    return graph.outputs().contains(value)
        || (!graph.consumers(value).isEmpty()
            && graph.consumers(value).stream()
                .allMatch(n -> moves(n.op()) && isOutput(graph, n.output(0))));
  }

  private static boolean moves(Op op) {
    return op instanceof Reshape || op instanceof Transpose || op instanceof Slice;
  }

  private static boolean isFloat(Node node) {
    return !node.output(0).spec().dtype().isCodes() && FloatOperators.has(node.op());
  }

  private void writeGraph() throws OnnxException {
    check(graph);
    if (graph.nodes().stream().anyMatch(QdqWriter::isPacked)) {
      out.allowInt4();
    }
    graph.inputs().forEach(v -> out.reserve(v.name()));
    graph.nodes().forEach(n -> n.outputs().forEach(v -> out.reserve(v.name())));
    Set<Value> floats = new LinkedHashSet<>();
    graph.nodes().stream().filter(QdqWriter::isFloat).forEach(n -> floats.addAll(n.inputs()));
    floats.removeIf(v -> !v.isPersistent());
    floats.forEach(v -> out.reserve(v.name()));
    graph.inputs().forEach(out::input);
    graph.outputs().forEach(out::output);
    floats.forEach(v -> out.constant(v.name(), contents.apply(v)));
    graph.nodes().forEach(this::writeNode);
  }

  /** Name of the layer whose product of codes this is, as the file has it. */
  public static String layerName(Node product) {
    String name = product.name();
    return name.endsWith(".acc") ? name.substring(0, name.length() - 4) : name;
  }

  private static boolean isKnown(Op op) {
    return op instanceof Quantize
        || op instanceof FoldWeight
        || op instanceof LearnedQParams
        || op instanceof MinMax
        || op instanceof RangeToQParams
        || op instanceof Gather
        || op instanceof ConvCodes
        || op instanceof LinearCodes
        || op instanceof MatMulCodes
        || op instanceof ProductScale
        || op instanceof Dequantize
        || op instanceof Multiplier
        || op instanceof PoolMultiplier
        || op instanceof GlobalPoolSum
        || op instanceof Requantize
        || op instanceof FixedMultiplier
        || (op instanceof RequantizeFixed fixed && fixed.rule().isShift())
        || op instanceof DequantizeAcc
        || op instanceof AddCodes
        || op instanceof ConcatCodes
        || op instanceof MaxPool
        || op instanceof AveragePoolCodes
        || op instanceof RequantizeCodes
        || op instanceof PadCodes
        || op instanceof Slice
        || op instanceof Flatten
        || op instanceof Reshape
        || op instanceof Transpose;
  }

  private void writeNode(Node node) {
    Op op = node.op();
    if (isFloat(node)) {
      FloatOperators.write(new FloatNodeWriter(node, out));
    } else if (op instanceof Quantize quantize) {
      Grid grid = grid(node, node.input(1), node.input(2), quantize.spec(), false);
      if (node.input(0).isPersistent()) {
        out.constant(node.output(0).name(), contents.apply(node.output(0)));
      } else {
        quantize(node, keptFloat(node.input(0)), grid, false);
      }
    } else if (op instanceof Gather gather) {
      keepGrid(node);
      List<String> in = List.of(node.input(0).name(), node.input(1).name());
      onCodes("Gather", node, in).with("axis", gather.axis());
    } else if (op instanceof Dequantize) {
      dequantize(node, node.input(0), node.input(1), node.input(2), node.output().name());
    } else if (op instanceof Requantize requantize) {
      writeRequantize(node, requantize);
    } else if (op instanceof RequantizeFixed shift) {
      writeShift(node, shift);
    } else if (op instanceof DequantizeAcc) {
      writeLogits(node);
    } else if (op instanceof AddCodes add) {
      Grid grid = grid(node, node.input(6), node.input(7), add.spec(), add.relu());
      String a = dequantize(node, node.input(0), node.input(1), node.input(2));
      String b = dequantize(node, node.input(3), node.input(4), node.input(5));
      String sum = out.unique(node.output(0).name() + ".real");
      out.node("Add", out.unique(node.name() + ".add"), List.of(a, b), sum);
      quantize(node, sum, grid, false);
    } else if (op instanceof ConcatCodes concat) {
      int parts = ConcatCodes.parts(node.inputs().size());
      int own = 3 * parts;
      Grid grid = grid(node, node.input(own), node.input(own + 1), concat.spec(), false);
      List<String> real = new ArrayList<>();
      for (int i = 0; i < own; i += 3) {
        real.add(dequantize(node, node.input(i), node.input(i + 1), node.input(i + 2)));
      }
      String whole = out.unique(node.output(0).name() + ".real");
      out.node("Concat", out.unique(node.name() + ".concat"), real, whole)
          .with("axis", concat.axis());
      quantize(node, whole, grid, false);
    } else if (op instanceof AveragePoolCodes pool) {
      Grid grid = grid(node, node.input(3), node.input(4), pool.spec(), false);
      String x = dequantize(node, node.input(0), node.input(1), node.input(2));
      String mean = out.unique(node.output(0).name() + ".real");
      OnnxWriter.window(
              out.node("AveragePool", out.unique(node.name() + ".pool"), List.of(x), mean),
              pool.window())
          .with("count_include_pad", pool.countPadding() ? 1 : 0);
      quantize(node, mean, grid, false);
    } else if (op instanceof RequantizeCodes requantize) {
      Grid grid = grid(node, node.input(3), node.input(4), requantize.spec(), false);
      String x = dequantize(node, node.input(0), node.input(1), node.input(2));
      quantize(node, x, grid, true);
    } else if (op instanceof MaxPool pool) {
      keepGrid(node);
      OnnxWriter.window(onCodes("MaxPool", node, List.of(node.input(0).name())), pool.window());
    } else if (op instanceof Flatten) {
      keepGrid(node);
      onCodes("Flatten", node, List.of(node.input(0).name())).with("axis", 1);
    } else if (op instanceof Reshape reshape) {
      keepGrid(node);
      onCodes("Reshape", node, OnnxWriter.reshaped(out, node, reshape));
    } else if (op instanceof Transpose transpose) {
      keepGrid(node);
      List<String> x = List.of(node.input(0).name());
      OnnxWriter.permuted(onCodes(OnnxWriter.operator(transpose), node, x), transpose);
    } else if (op instanceof Slice slice) {
      keepGrid(node);
      onCodes("Slice", node, OnnxWriter.sliced(out, node, slice));
    } else if (op instanceof PadCodes pad) {
      Grid grid = keepGrid(node);
      String zeroPoint = constants.get(grid.zeroPoint());
      String pads = OnnxWriter.pads(out, node, pad.pad());
      onCodes("Pad", node, List.of(node.input(0).name(), pads, zeroPoint));
    }
  }

  /** The result is on the grid of the first input, which is returned. */
  private Grid keepGrid(Node node) {
    Grid grid = grids.get(node.input(0));
    require(node, grid != null, "its input " + node.input(0) + " is not codes of this graph");
    grids.put(node.output(0), grid);
    return grid;
  }

  /** A node from codes to codes. */
  private OnnxGraphBuilder.NodeAttributes onCodes(String op, Node node, List<String> in) {
    return out.node(op, node.name(), in, node.output(0).name());
  }

  private void writeRequantize(Node node, Requantize op) {
    require(
        node, node.inputs().size() <= 4, "the accumulator of a folded layer has no keep factor");
    Node multiplier = producer(node, node.input(1));
    Grid grid = grid(node, multiplier.input(1), node.input(2), op.spec(), op.relu());
    Node product = producer(node, node.input(0));
    String real;
    if (product.op() instanceof MatMulCodes) {
      require(node, node.inputs().size() == 3, "a product of activations has no bias");
      quantize(node, writeMatMul(node, product), grid, false);
      return;
    }
    if (product.op() instanceof GlobalPoolSum) {
      require(node, node.inputs().size() == 3, "a global average pool has no bias");
      require(
          node,
          multiplier.op() instanceof PoolMultiplier,
          "its multiplier does not come from PoolMultiplier");
      requireCells(node, product, (PoolMultiplier) multiplier.op());
      String x = dequantize(product, product.input(0), multiplier.input(0), product.input(1));
      real = out.unique(node.output(0).name() + ".real");
      out.node("GlobalAveragePool", layerName(product), List.of(x), real);
    } else {
      require(
          node,
          multiplier.op() instanceof Multiplier && node.inputs().size() == 4,
          "expected a multiplier from Multiplier, and a bias");
      real = writeProduct(node, product, multiplier.input(0), node.input(3));
    }
    quantize(node, real, grid, false);
  }

  /** On scales that are powers of two the quotient that QuantizeLinear rounds is the shift. */
  private void writeShift(Node node, RequantizeFixed op) {
    Node product = producer(node, node.input(0));
    Node multiplier = producer(node, node.input(1));
    require(
        node,
        multiplier.op() instanceof FixedMultiplier && node.inputs().size() == 5,
        "expected a shift from FixedMultiplier, and a bias");
    int left = 0;
    for (Value scale : multiplier.inputs()) {
      float s = contents.apply(scale).floats()[0];
      require(node, QuantSpec.isPowerOfTwo(s), "scale " + s + " is no power of two");
      left += scale == multiplier.input(2) ? -Math.getExponent(s) : Math.getExponent(s);
    }
    Grid grid = grid(node, multiplier.input(2), node.input(3), op.spec(), op.relu());
    Node fold = producer(product, product.input(3));
    String real = writeProduct(node, product, fold.output(2), node.input(4));
    HostTensor weights = contents.apply(fold.output(0));
    int[] bias = contents.apply(fold.output(3)).ints();
    int input = (int) largestInput(product.input(0));
    long largest = AccumulatorBound.largest(weights, input, bias);
    require(
        node,
        left < -LARGEST_SHIFT
            ? largest <= Integer.MAX_VALUE / 2
            : left < LARGEST_SHIFT && largest << Math.max(left, 0) <= Integer.MAX_VALUE,
        "a sum of " + largest + " cannot be shifted by " + left + " bits in an int32");
    quantize(node, real, grid, false);
  }

  private String writeMatMul(Node node, Node product) {
    String a = dequantize(product, product.input(0), product.input(1), product.input(2));
    String b = dequantize(product, product.input(3), product.input(4), product.input(5));
    Shape shape = product.input(0).spec().shape();
    long terms = shape.dim(shape.rank() - 1);
    long largest = largestInput(product.input(0)) * largestInput(product.input(3));
    require(
        product,
        terms * largest <= Integer.MAX_VALUE,
        "the int32 accumulator of " + terms + " products could overflow");
    String real = out.unique(node.output(0).name() + ".real");
    out.node("MatMul", layerName(product), List.of(a, b), real);
    return real;
  }

  /** Largest magnitude of code - zero-point. */
  private long largestInput(Value codes) {
    Grid grid = grids.get(codes);
    int zeroPoint = contents.apply(grid.zeroPoint()).ints()[0];
    return AccumulatorBound.largestInput(zeroPoint, grid.lowest(), grid.spec().qmax());
  }

  /** The real values to quantize, in the way of any integer kernel that could compute them. */
  private String keptFloat(Value real) {
    Node producer = graph.producer(real).orElse(null);
    boolean fused =
        producer != null
            && isFused(producer.op())
            && producer.inputs().stream()
                .allMatch(v -> graph.producer(v).map(Node::op).orElse(null) instanceof Dequantize);
    if (!fused) {
      return real.name();
    }
    String kept = out.unique(real.name() + ".kept");
    String lowest =
        out.scalar(
            out.unique(kept + ".lowest"), HostTensor.of(Shape.of(1), -Float.MAX_VALUE));
    out.node("Max", kept, List.of(real.name(), lowest), kept);
    return kept;
  }

  /** What ONNX Runtime merges with the quantizers around it, or drops between them. */
  private static boolean isFused(Op op) {
    if (op instanceof Unary unary) {
      return FUSED_FUNCTIONS.contains(unary.function());
    }
    return op instanceof Softmax
        || op instanceof Binary
        || op instanceof MatMul
        || op instanceof Add
        || op instanceof Where
        || op instanceof Relu
        || op instanceof Concat
        || op instanceof Resize
        || op instanceof Reduce;
  }

  private static void requireCells(Node node, Node sum, PoolMultiplier multiplier) {
    Shape x = sum.input(0).spec().shape();
    require(
        node,
        multiplier.count() == x.dim(2) * x.dim(3),
        "the multiplier is of " + multiplier.count() + " cells, the input is " + x);
  }

  private void writeLogits(Node node) {
    require(node, node.inputs().size() == 3, "expected an accumulator, its scale and a bias");
    Node product = producer(node, node.input(0));
    require(
        node,
        product.op() instanceof LinearCodes,
        "ONNX Runtime keeps the float result of a " + product.op().kind() + " in float");
    writeProduct(node, product, node.input(1), node.input(2));
  }

  /**
   * Writes a convolution or linear layer up to its real result, whose name is returned; the result
   * of logits has the name of their value.
   */
  private String writeProduct(Node node, Node product, Value outScale, Value bias) {
    require(
        node,
        product.op() instanceof ConvCodes || product.op() instanceof LinearCodes,
        "its accumulator comes from " + product.op().kind());
    Node fold = producer(product, product.input(3));
    require(
        product,
        fold.op() instanceof FoldWeight
            && product.input(4) == fold.output(1)
            && outScale == fold.output(2)
            && bias == fold.output(3),
        "weights, scales and bias are not those of one FoldWeight");
    String x = dequantize(product, product.input(0), product.input(1), product.input(2));
    List<String> in = new ArrayList<>(List.of(x));
    in.addAll(writeWeights(product, fold));
    boolean logits = node.op() instanceof DequantizeAcc;
    String real = logits ? node.output(0).name() : out.unique(node.output(0).name() + ".real");
    // A sum that goes to several grids is computed for each.
    String layer = layerName(product);
    for (int i = 2; !layers.add(layer); i++) {
      layer = layerName(product) + "_" + i;
    }
    if (product.op() instanceof ConvCodes conv) {
      Shape w = fold.output(0).spec().shape();
      OnnxWriter.convolution(out.node("Conv", layer, in, real), conv.geometry(), w);
    } else {
      out.node("Gemm", layer, in, real).with("transB", 1);
    }
    return real;
  }

  private static boolean isPacked(Node fold) {
    return fold.op() instanceof FoldWeight op && op.spec().bits() <= PACKED_BITS;
  }

  /** Writes weights and bias; returns the names of their real values. */
  private List<String> writeWeights(Node product, Node fold) {
    Grid x = grids.get(product.input(0));
    DeployedWeights weights;
    try {
      weights =
          DeployedWeights.of(
              fold,
              contents,
              contents.apply(x.scale()).floats()[0],
              (int) largestInput(product.input(0)));
    } catch (IllegalArgumentException e) {
      throw new Refusal(fold, e.getMessage());
    }
    String name = fold.input(0).name();
    String w = out.unique(name);
    if (isPacked(fold)) {
      String packed = out.int4(w, weights.codes());
      w = out.unique(name + ".int8");
      out.node("Cast", w, List.of(packed), w).with("to", OnnxTensor.INT8);
    } else {
      out.constant(w, weights.codes());
    }
    String b = out.unique(name + ".bias");
    out.constant(b, weights.bias());
    return List.of(
        dequantizeConstant(w, weights.scale(), DType.S8, weights.hasOneScale()),
        dequantizeConstant(b, weights.outScale(), DType.S32, weights.hasOneScale()));
  }

  private String dequantizeConstant(
      String codes, HostTensor scale, DType dtype, boolean perTensor) {
    HostTensor zeros = HostTensor.zeros(scale.spec().as(dtype));
    String s = out.unique(codes + ".scale");
    String z = out.unique(codes + ".zero_point");
    String real = out.unique(codes + ".dq");
    if (perTensor) {
      out.scalar(s, HostTensor.of(Shape.of(1), scale.floats()[0]));
      out.scalar(z, HostTensor.zeros(new TensorSpec(dtype, Shape.of(1))));
      out.node("DequantizeLinear", real, List.of(codes, s, z), real);
    } else {
      out.constant(s, scale);
      out.constant(z, zeros);
      out.node("DequantizeLinear", real, List.of(codes, s, z), real).with("axis", 0);
    }
    return real;
  }

  /** Notes the grid of the node's codes and writes its scale and zero-point. */
  private Grid grid(Node node, Value scale, Value zeroPoint, QuantSpec spec, boolean relu) {
    Value codes = node.output(0);
    float s = contents.apply(scale).floats()[0];
    int z = contents.apply(zeroPoint).ints()[0];
    require(node, s > 0 && Float.isFinite(s), "scale " + s);
    require(
        node,
        z >= spec.qmin() && z <= spec.qmax(),
        "zero-point " + z + " is not on the grid " + spec);
    require(
        node,
        !relu || spec.signed() || z == 0,
        "a ReLU is the clamp of an unsigned grid only at zero-point 0, got " + z);
    Grid grid = new Grid(scale, zeroPoint, spec, relu ? z : spec.qmin());
    grids.put(codes, grid);
    if (!constants.containsKey(scale)) {
      constants.put(scale, out.scalar(out.unique(codes.name() + ".scale"), contents.apply(scale)));
    }
    if (!constants.containsKey(zeroPoint)) {
      constants.put(zeroPoint, code(codes.name() + ".zero_point", z, spec));
    }
    return grid;
  }

  private static void require(Node node, boolean holds, String problem) {
    if (!holds) {
      throw new Refusal(node, problem);
    }
  }

  /** A code as a constant, whose name is returned. */
  private String code(String name, int code, QuantSpec spec) {
    return out.code(out.unique(name), code, spec.container());
  }

  private Node producer(Node reader, Value value) {
    return graph
        .producer(value)
        .orElseThrow(() -> new Refusal(reader, value + " is not computed in the graph"));
  }

  /** Writes the codes of the node from the real tensor. */
  private void quantize(Node node, String real, Grid grid, boolean alwaysClip) {
    String codes = node.output(0).name();
    boolean clip = alwaysClip || !grid.fillsItsContainer();
    String wide = clip ? out.unique(codes + ".wide") : codes;
    String scale = constants.get(grid.scale());
    String zeroPoint = constants.get(grid.zeroPoint());
    out.node(
        "QuantizeLinear", out.unique(wide + ".quantize"), List.of(real, scale, zeroPoint), wide);
    if (clip) {
      String min = code(codes + ".qmin", grid.lowest(), grid.spec());
      String max = code(codes + ".qmax", grid.spec().qmax(), grid.spec());
      out.node("Clip", out.unique(codes + ".clip"), List.of(wide, min, max), codes);
    }
  }

  /** Writes the real values of codes for one reader, whose idea of their grid must be the same. */
  private String dequantize(Node reader, Value codes, Value scale, Value zeroPoint) {
    return dequantize(reader, codes, scale, zeroPoint, out.unique(codes.name() + ".dq"));
  }

  private String dequantize(
      Node reader, Value codes, Value scale, Value zeroPoint, String real) {
    Grid grid = grids.get(codes);
    require(reader, grid != null, "its input " + codes + " is not codes of this graph");
    float s = contents.apply(scale).floats()[0];
    float own = contents.apply(grid.scale()).floats()[0];
    int z = contents.apply(zeroPoint).ints()[0];
    int ownZ = contents.apply(grid.zeroPoint()).ints()[0];
    require(
        reader,
        Float.floatToRawIntBits(s) == Float.floatToRawIntBits(own) && z == ownZ,
        "reads "
            + codes.name()
            + " with scale "
            + s
            + " and zero-point "
            + z
            + ", it was made with "
            + own
            + " and "
            + ownZ);
    List<String> in =
        List.of(codes.name(), constants.get(grid.scale()), constants.get(grid.zeroPoint()));
    out.node("DequantizeLinear", real, in, real);
    return real;
  }
}
