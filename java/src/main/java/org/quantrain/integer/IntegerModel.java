package org.quantrain.integer;

import com.google.protobuf.InvalidProtocolBufferException;
import java.io.IOException;
import java.nio.BufferUnderflowException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.quantrain.graph.Graph;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.GraphException;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.integer.IntegerLayer.ToCodes;
import org.quantrain.onnx.CompilerForm;
import org.quantrain.onnx.MemoryOrder;
import org.quantrain.onnx.OnnxException;
import org.quantrain.onnx.OnnxFile;
import org.quantrain.onnx.OnnxWriter;
import org.quantrain.onnx.QOperatorForm;
import org.quantrain.onnx.QdqMetadata;
import org.quantrain.op.AddCodes;
import org.quantrain.op.AveragePoolCodes;
import org.quantrain.op.AveragePoolOnGrid;
import org.quantrain.op.BatchNorm;
import org.quantrain.op.ConcatCodes;
import org.quantrain.op.Contract;
import org.quantrain.op.ConvCodes;
import org.quantrain.op.Dequantize;
import org.quantrain.op.DequantizeAcc;
import org.quantrain.op.Flatten;
import org.quantrain.op.Gather;
import org.quantrain.op.GlobalPoolSum;
import org.quantrain.op.LinearCodes;
import org.quantrain.op.Lowering;
import org.quantrain.op.MatMulCodes;
import org.quantrain.op.MaxPool;
import org.quantrain.op.PadCodes;
import org.quantrain.op.PoolMultiplier;
import org.quantrain.op.ProductScale;
import org.quantrain.op.Quantize;
import org.quantrain.op.Requantize;
import org.quantrain.op.RequantizeCodes;
import org.quantrain.op.Reshape;
import org.quantrain.op.Transpose;
import org.quantrain.pass.SetBatchNormMode;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Layout;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;
import org.quantrain.tflite.TfliteException;
import org.quantrain.tflite.TfliteFile;

/**
 * A quantized file, read back. What the file says is what is run: codes, scales, zero-points and
 * biases are all the file's.
 */
public final class IntegerModel {
  /** Behind the name of a layer's tensor, the name of its sums of products. */
  static final String SUM = "/acc";

  private final Source source;
  private final List<IntegerLayer> layers;
  private final Contract contract;
  private final Graph graph;
  private final Map<String, HostTensor> contents;
  private final Map<String, TensorSpec> specs = new HashMap<>();

  /**
   * The file that was read.
   *
   * @param inputs of the network by name
   * @param output name of its output
   * @param digestMatches null where there is none and none is due
   */
  private record Source(
      String where,
      ModelRuntime runtime,
      Map<String, String> metadata,
      Map<String, TensorSpec> inputs,
      String output,
      Boolean digestMatches) {}

  private IntegerModel(Source source, List<IntegerLayer> layers, Contract contract) {
    this.source = source;
    this.layers = List.copyOf(layers);
    this.contract = contract;
    if (contract.powersOfTwo()) {
      requirePowersOfTwo();
    }
    GraphMaker maker = new GraphMaker(false);
    this.graph = maker.make();
    this.contents = Map.copyOf(maker.contents);
    graph.outputs().forEach(v -> specs.put(v.name(), v.spec()));
  }

  /**
   * Reads a file.
   *
   * @throws IOException if it cannot be read, is not sound, or has other forms than {@link
   *     org.quantrain.onnx.QdqWriter} and {@link org.quantrain.tflite.TfliteWriter} write
   */
  public static IntegerModel read(Path path) throws IOException {
    return read(path.toAbsolutePath().normalize().toString(), OnnxFile.readBytes(path));
  }

  /** Reads the bytes of a file; {@code where} is what messages call it. */
  public static IntegerModel read(String where, byte[] bytes) throws IOException {
    return TfliteFile.isTflite(bytes)
        ? of(TfliteFile.parse(where, bytes))
        : of(OnnxFile.parse(where, bytes), bytes);
  }

  private static IntegerModel of(OnnxFile file, byte[] bytes) throws OnnxException {
    try {
      QdqParser parser =
          new QdqParser(
              CompilerForm.isOne(file)
                  ? OnnxFile.parse(file.where(), CompilerForm.toQdq(bytes))
                  : QOperatorForm.toQdq(file));
      List<IntegerLayer> layers = parser.layers();
      String digest = file.metadata().get(QdqMetadata.DIGEST);
      boolean ours =
          file.metadata().containsKey(QdqMetadata.VERSION)
              || file.producer().equals(OnnxWriter.PRODUCER);
      Boolean matches = digest == null && !ours ? null : (Boolean) file.digest().equals(digest);
      Source source =
          new Source(
              file.where(),
              ModelRuntime.ONNX_RUNTIME,
              file.metadata(),
              parser.inputs(),
              file.outputs().get(0),
              matches);
      return new IntegerModel(source, layers, contract(file.metadata(), Contract.FP32));
    } catch (GraphException | ArithmeticException | IllegalArgumentException e) {
      throw new OnnxException(file.where(), e.getMessage(), e);
    } catch (InvalidProtocolBufferException e) {
      throw new IllegalStateException("what was parsed once cannot be parsed again", e);
    }
  }

  private static IntegerModel of(TfliteFile file) throws TfliteException {
    try {
      TfliteParser parser = new TfliteParser(file);
      List<IntegerLayer> layers = parser.layers();
      boolean ours = file.metadata().containsKey(QdqMetadata.VERSION);
      Source source =
          new Source(
              file.where(),
              ModelRuntime.TFLITE,
              file.metadata(),
              Map.of(file.tensors().get(file.inputs().get(0)).name(), parser.inputSpec()),
              file.tensors().get(file.outputs().get(0)).name(),
              ours ? (Boolean) file.digestMatches() : null);
      return new IntegerModel(source, layers, contract(file.metadata(), Contract.XNNPACK));
    } catch (GraphException | ArithmeticException | IllegalArgumentException e) {
      throw new TfliteException(file.where(), e.getMessage(), e);
    } catch (IndexOutOfBoundsException | BufferUnderflowException e) {
      throw new TfliteException(
          file.where(), "is truncated or damaged: an offset leaves the file", e);
    }
  }

  private static Contract contract(Map<String, String> metadata, Contract otherwise) {
    String id = metadata.get(QdqMetadata.CONTRACT);
    return id == null ? otherwise : Contract.of(id);
  }

  private void requirePowersOfTwo() {
    Map<String, float[]> scales = new LinkedHashMap<>();
    codes().forEach(t -> scales.put(t.name(), new float[] {t.scale()}));
    weights().forEach(w -> scales.put(w.name(), w.scale().floats()));
    scales.forEach(
        (name, all) -> {
          for (float scale : all) {
            if (!QuantSpec.isPowerOfTwo(scale)) {
              throw new IllegalArgumentException(
                  "%s: its contract \"%s\" has powers of two as scales, got %s"
                      .formatted(name, contract.id(), scale));
            }
          }
        });
  }

  /**
   * The same file by another arithmetic: one file can be executed in several ways.
   *
   * @throws IllegalArgumentException if the file's forms do not go with it
   */
  public IntegerModel withContract(Contract other) {
    return new IntegerModel(source, layers, other);
  }

  /** The arithmetic by which accumulators become codes; unless the file says, its runtime's. */
  public Contract contract() {
    return contract;
  }

  /** What executes the file. */
  ModelRuntime runtime() {
    return source.runtime();
  }

  /** How messages name the file. */
  public String where() {
    return source.where();
  }

  /**
   * The network's inputs by name, in order: F32 [N,C,H,W] for images, of which there is one at
   * most, S32 [N,...] for tokens.
   */
  public Map<String, TensorSpec> inputs() {
    return source.inputs();
  }

  /** Name of the network's first input. */
  public String input() {
    return inputs().keySet().iterator().next();
  }

  /** Name of the network's output. */
  String output() {
    return source.output();
  }

  /** What the first input is. */
  public TensorSpec inputSpec() {
    return inputs().get(input());
  }

  /** F32 [N,classes]. */
  TensorSpec logitsSpec() {
    return graph.outputs().get(graph.outputs().size() - 1).spec();
  }

  /** Weights of all convolutions and linear layers, in order. */
  public List<IntegerWeights> weights() {
    return layers.stream().map(IntegerModel::weightsOf).filter(Objects::nonNull).toList();
  }

  private static IntegerWeights weightsOf(IntegerLayer layer) {
    if (layer instanceof IntegerLayer.Conv conv) {
      return conv.w();
    } else if (layer instanceof IntegerLayer.Linear linear) {
      return linear.w();
    }
    return layer instanceof IntegerLayer.Logits logits ? logits.w() : null;
  }

  /** Name of the convolution or linear layer that computes a tensor, else the tensor's own name. */
  String layerOf(String tensor) {
    for (IntegerLayer layer : layers) {
      if (layer.name().equals(tensor) && weightsOf(layer) != null) {
        return weightsOf(layer).layer();
      }
    }
    return tensor;
  }

  /**
   * In the order in which they are executed; the last one is {@link IntegerLayer.Logits}, {@link
   * IntegerLayer.Output} or {@link IntegerLayer.Dequantize}.
   */
  public List<IntegerLayer> layers() {
    return layers;
  }

  /** Every tensor of codes, in the order of the layers. */
  public List<CodesTensor> codes() {
    List<CodesTensor> codes = new ArrayList<>();
    for (IntegerLayer layer : layers) {
      if (layer instanceof ToCodes step) {
        codes.add(step.y());
      }
    }
    return codes;
  }

  /** Names of the codes that end float islands. */
  public Set<String> islands() {
    return layers.stream()
        .filter(IntegerLayer.Island.class::isInstance)
        .map(IntegerLayer::name)
        .collect(Collectors.toUnmodifiableSet());
  }

  /** What the file says about itself; keys are in {@link QdqMetadata}. */
  public Map<String, String> metadata() {
    return source.metadata();
  }

  /**
   * Whether the file is what was written. Quantrain always records a digest, so a file that names
   * Quantrain and has none was changed.
   *
   * @return empty if the file carries no digest and does not claim to be Quantrain's
   */
  public Optional<Boolean> digestMatches() {
    return Optional.ofNullable(source.digestMatches());
  }

  // ---- tensors as the file's runtime has them

  private boolean isChannelsLast() {
    return runtime() == ModelRuntime.TFLITE;
  }

  private boolean takesCodes() {
    return codes().get(0).name().equals(input());
  }

  private boolean givesCodes() {
    return codes().stream().anyMatch(t -> t.name().equals(output()));
  }

  /**
   * An input for the runtime: a file whose input is codes gets them quantized, as its user would.
   *
   * @param images in memory order
   */
  byte[] encode(HostTensor images) {
    if (!isChannelsLast()) {
      return MemoryOrder.toOnnx(images);
    } else if (!takesCodes()) {
      return images.bytes();
    }
    CodesTensor y = codes().get(0);
    float[] pixels = images.floats();
    byte[] quantized = new byte[pixels.length];
    for (int i = 0; i < pixels.length; i++) {
      quantized[i] = (byte) y.code(pixels[i]);
    }
    return quantized;
  }

  /** A tensor's codes from the runtime. */
  HostTensor decode(CodesTensor tensor, int count, byte[] bytes) {
    TensorSpec spec = specs.get(tensor.name()).withBatch(count);
    if (!isChannelsLast()) {
      return MemoryOrder.fromOnnx(spec, bytes);
    }
    for (IntegerLayer layer : layers) {
      if (layer instanceof IntegerLayer.Flatten flatten && flatten.y().equals(tensor)) {
        TensorSpec image = new TensorSpec(spec.dtype(), flatten.x().shape().withBatch(count));
        byte[] logical = MemoryOrder.toOnnx(HostTensor.ofBytes(image, bytes));
        return HostTensor.ofBytes(spec, logical);
      }
    }
    return HostTensor.ofBytes(spec, bytes);
  }

  /** Bytes of one image's logits in the runtime. */
  long logitsBytes() {
    long classes = logitsSpec().shape().elementsPerSample();
    return givesCodes() ? classes : 4 * classes;
  }

  /** Logits from the runtime; codes stand for their real numbers. */
  HostTensor decodeLogits(int count, byte[] bytes) {
    TensorSpec spec = logitsSpec().withBatch(count);
    if (!givesCodes()) {
      return MemoryOrder.fromOnnx(spec, bytes);
    }
    CodesTensor x = ((IntegerLayer.Dequantize) layers.get(layers.size() - 1)).x();
    float[] real = new float[bytes.length];
    for (int i = 0; i < real.length; i++) {
      real[i] = (bytes[i] - x.zeroPoint()) * x.scale();
    }
    return HostTensor.of(spec.shape(), real);
  }

  /**
   * The file as a graph of operations on codes, for a plan. Products are {@link
   * Lowering#REFERENCE}. Outputs are all tensors of codes, named as in the file, then the logits.
   */
  public Graph toGraph() {
    return graph;
  }

  /** The same graph with products that are executed otherwise, to the same accumulators. */
  Graph toGraph(Lowering lowering) {
    return lowered(graph, lowering);
  }

  /**
   * The same graph cut behind its float islands: the codes of each are an output, as there, but
   * what follows reads an input instead, the codes that another runtime found. Inputs are the
   * network's, then one for each of {@link #islands} in the order of the layers.
   */
  Graph toSegments(Lowering lowering) {
    return lowered(new GraphMaker(true).make(), lowering);
  }

  private static Graph lowered(Graph graph, Lowering lowering) {
    List<Node> nodes =
        graph.nodes().stream()
            .map(n -> new Node(n.name(), lowered(n.op(), lowering), n.inputs(), n.outputs()))
            .toList();
    return new Graph(graph.inputs(), nodes, graph.outputs());
  }

  private static Op lowered(Op op, Lowering lowering) {
    if (op instanceof ConvCodes conv) {
      return new ConvCodes(conv.geometry(), lowering);
    }
    if (op instanceof MatMulCodes) {
      return new MatMulCodes(lowering);
    }
    return op instanceof LinearCodes ? new LinearCodes(lowering) : op;
  }

  private static final String GIVEN = "/given";

  /** Name of the codes for which an input of {@link #toSegments} stands. */
  static String island(String input) {
    return input.substring(0, input.length() - GIVEN.length());
  }

  /** Contents of the graph's STATE values by name: everything that is constant in the file. */
  public Map<String, HostTensor> contents() {
    return contents;
  }

  /** Makes the graph and notes the contents. */
  private final class GraphMaker {
    private final GraphBuilder builder = new GraphBuilder();
    private final Map<String, Value> codes = new HashMap<>();
    private final Map<String, Value> scales = new HashMap<>();
    private final Map<String, Value> zeroPoints = new HashMap<>();
    private final List<Value> outputs = new ArrayList<>();
    private final Map<String, HostTensor> contents = new HashMap<>();
    private final boolean segments;

    /** Inputs and float results of layers. */
    private final Map<String, Value> floats = new HashMap<>();

    private final Map<Value, Value> otherLayout = new HashMap<>();
    /** The images. */
    private Value input;

    GraphMaker(boolean segments) {
      this.segments = segments;
    }

    Graph make() {
      inputs()
          .forEach(
              (name, spec) -> {
                Value v = builder.input(takesCodes() ? name + ".real" : name, spec);
                floats.put(name, v);
                input = spec.dtype() == DType.F32 ? v : input;
              });
      layers.forEach(this::add);
      outputs.add(floats.get(layers.get(layers.size() - 1).name()));
      return builder.build(outputs);
    }

    private void add(IntegerLayer layer) {
      if (layer instanceof IntegerLayer.Logits logits) {
        Value[] w = weights(logits.w());
        Op op = new LinearCodes(Lowering.REFERENCE);
        Value acc = product(logits.name(), op, logits.x(), w).output();
        Value y = builder.add(logits.name(), new DequantizeAcc(), acc, w[2], w[3]);
        requireName(y, logits.name());
        floats.put(logits.name(), y);
      } else if (layer instanceof IntegerLayer.Dequantize logits) {
        Value y = builder.node(logits.name(), new Dequantize(), of(logits.x())).output();
        requireName(y, logits.name());
        floats.put(logits.name(), y);
      } else if (layer instanceof IntegerLayer.Output output) {
        floats.put(output.name(), floats(output.name(), output.floats()));
      } else {
        ToCodes step = (ToCodes) layer;
        CodesTensor y = step.y();
        Node node = node(step, y);
        requireName(node.output(0), y.name());
        Value found = node.output(0);
        boolean given = segments && layer instanceof IntegerLayer.Island;
        codes.put(y.name(), given ? builder.input(y.name() + GIVEN, found.spec()) : found);
        scale(y);
        outputs.add(found);
      }
    }

    private Node node(ToCodes layer, CodesTensor y) {
      QuantSpec spec = y.spec();
      if (layer instanceof IntegerLayer.QuantizeInput) {
        return builder.node(y.name(), new Quantize(spec), input, scale(y), zeroPoint(y));
      } else if (layer instanceof IntegerLayer.Conv conv) {
        Op op = new ConvCodes(conv.geometry(), Lowering.REFERENCE);
        return layer(y, spec, op, conv.x(), conv.w());
      } else if (layer instanceof IntegerLayer.Linear linear) {
        return layer(y, spec, new LinearCodes(Lowering.REFERENCE), linear.x(), linear.w());
      } else if (layer instanceof IntegerLayer.Add add) {
        List<Value> in = new ArrayList<>(of(add.a()));
        in.addAll(of(add.b(), in.get(0).spec().layout()));
        in.addAll(List.of(scale(y), zeroPoint(y)));
        return builder.node(y.name(), new AddCodes(spec, y.relu(), contract.addition()), in);
      } else if (layer instanceof IntegerLayer.Concat concat) {
        List<Value> in = new ArrayList<>();
        Layout layout = codes.get(concat.parts().get(0).name()).spec().layout();
        concat.parts().forEach(part -> in.addAll(of(part, layout)));
        in.addAll(List.of(scale(y), zeroPoint(y)));
        return builder.node(y.name(), new ConcatCodes(concat.axis(), spec), in);
      } else if (layer instanceof IntegerLayer.MaxPool pool) {
        return builder.node(y.name(), new MaxPool(pool.window()), image(pool.x()));
      } else if (layer instanceof IntegerLayer.AveragePool pool) {
        if (pool.window().isAllOf(pool.x().shape())) {
          return globalPool(pool.x(), y, spec); // as ONNX Runtime does
        }
        List<Value> in = new ArrayList<>(of(pool.x(), Layout.CHANNELS_LAST));
        in.addAll(List.of(scale(y), zeroPoint(y)));
        Op op = new AveragePoolCodes(pool.window(), pool.countPadding(), spec);
        return builder.node(y.name(), op, in);
      } else if (layer instanceof IntegerLayer.AveragePoolOnGrid pool) {
        Op op = new AveragePoolOnGrid(pool.window());
        return builder.node(y.name(), op, image(pool.x()));
      } else if (layer instanceof IntegerLayer.GlobalAveragePool pool) {
        return globalPool(pool.x(), y, spec);
      } else if (layer instanceof IntegerLayer.RequantizeCodes requantize) {
        List<Value> in = new ArrayList<>(of(requantize.x()));
        in.addAll(List.of(scale(y), zeroPoint(y)));
        return builder.node(y.name(), new RequantizeCodes(spec), in);
      }
      if (layer instanceof IntegerLayer.Slice slice) {
        return builder.node(y.name(), slice.part(), codes.get(slice.x().name()));
      } else if (layer instanceof IntegerLayer.Pad pad) {
        CodesTensor x = pad.x();
        Op op = new PadCodes(pad.pad());
        return builder.node(y.name(), op, codes.get(x.name()), zeroPoint(x));
      }
      if (layer instanceof IntegerLayer.Lookup lookup) {
        Value table = state(y.name() + "/table", lookup.table());
        return builder.node(y.name(), new Gather(0), table, floats.get(lookup.indices()));
      } else if (layer instanceof IntegerLayer.MatMul product) {
        return matMul(product, y, spec);
      } else if (layer instanceof IntegerLayer.Reshape reshape) {
        Value x = in(reshape.x(), Layout.ROW_MAJOR);
        return builder.node(y.name(), new Reshape(y.shape()), x);
      } else if (layer instanceof IntegerLayer.Transpose transpose) {
        Op op = new Transpose(transpose.perm(), Layout.ROW_MAJOR);
        return builder.node(y.name(), op, codes.get(transpose.x().name()));
      } else if (layer instanceof IntegerLayer.Island island) {
        Value real = floats(y.name(), island.floats());
        return builder.node(y.name(), new Quantize(spec), real, scale(y), zeroPoint(y));
      }
      IntegerLayer.Flatten flatten = (IntegerLayer.Flatten) layer;
      return builder.node(y.name(), new Flatten(), image(flatten.x()));
    }

    private Node matMul(IntegerLayer.MatMul product, CodesTensor y, QuantSpec spec) {
      Op op = new MatMulCodes(Lowering.REFERENCE);
      List<Value> in = new ArrayList<>(of(product.a(), Layout.ROW_MAJOR));
      in.addAll(of(product.b(), Layout.ROW_MAJOR));
      Value acc = builder.node(y.name() + "/acc", op, in).output();
      int columns = y.shape().dim(y.shape().rank() - 1);
      Value a = scale(product.a());
      Value b = scale(product.b());
      Value outScale = builder.add(y.name() + "/out_scale", new ProductScale(columns), a, b);
      Contract.Product sum = new Contract.Product(op, acc, a, b, outScale, null, null);
      String multiplier = y.name() + "/multiplier";
      return contract.requantize(
          builder, y.name(), multiplier, spec, false, sum, scale(y), zeroPoint(y));
    }

    /** Adds float operations; their nodes and constants have names behind that of the result. */
    private Value floats(String name, IntegerLayer.Floats part) {
      Graph inner = SetBatchNormMode.apply(part.model().graph(), BatchNorm.Mode.FROZEN);
      Map<Value, Value> made = new HashMap<>();
      for (Value v : inner.inputs()) {
        CodesTensor x = part.reads().get(v.name());
        Value real =
            x == null
                ? floats.get(v.name())
                : builder.node(name + "/float/" + v.name(), new Dequantize(), of(x)).output();
        made.put(v, Transpose.relayout(builder, name + "/float/laid", real, v.spec().layout()));
      }
      for (Value v : inner.persistent()) {
        made.put(v, state(name + "/float/" + v.name(), part.model().contents().get(v.name())));
      }
      for (Node node : inner.nodes()) {
        List<Value> in = node.inputs().stream().map(made::get).toList();
        Node copy = builder.node(name + "/float/" + node.name(), node.op(), in);
        for (int i = 0; i < copy.outputs().size(); i++) {
          made.put(node.output(i), copy.output(i));
        }
      }
      return made.get(inner.outputs().get(0));
    }

    private Value image(CodesTensor x) {
      return in(x, Layout.CHANNELS_LAST);
    }

    /** Codes in this order in memory. */
    private Value in(CodesTensor x, Layout layout) {
      Value v = codes.get(x.name());
      if (v.spec().with(layout).equals(v.spec())) {
        return v;
      }
      return otherLayout.computeIfAbsent(
          v, k -> Transpose.relayout(builder, x.name() + "/laid", k, layout));
    }

    private Node layer(CodesTensor y, QuantSpec spec, Op op, CodesTensor x, IntegerWeights from) {
      Value[] w = weights(from);
      Node product = product(y.name(), op, x, w);
      Contract.Product sum =
          new Contract.Product(op, product.output(), scale(x), w[1], w[2], w[3], null);
      String multiplier = y.name() + "/multiplier";
      return contract.requantize(
          builder, y.name(), multiplier, spec, y.relu(), sum, scale(y), zeroPoint(y));
    }

    private Node globalPool(CodesTensor x, CodesTensor y, QuantSpec spec) {
      Value acc = builder.add(y.name() + "/acc", new GlobalPoolSum(), image(x), zeroPoint(x));
      Op op = new PoolMultiplier(x.shape().dim(1), x.shape().dim(2) * x.shape().dim(3));
      Value m = builder.add(y.name() + "/multiplier", op, scale(x), scale(y));
      return builder.node(y.name(), new Requantize(spec, false), acc, m, zeroPoint(y));
    }

    private Node product(String name, Op op, CodesTensor x, Value[] w) {
      List<Value> in = new ArrayList<>(of(x, Layout.CHANNELS_LAST));
      in.addAll(List.of(w[0], w[1]));
      return builder.node(name + SUM, op, in);
    }

    /** Codes, scale and zero-point. */
    private List<Value> of(CodesTensor x) {
      return List.of(codes.get(x.name()), scale(x), zeroPoint(x));
    }

    private List<Value> of(CodesTensor x, Layout layout) {
      return List.of(in(x, layout), scale(x), zeroPoint(x));
    }

    /** Codes, scale, out scale and bias. */
    private Value[] weights(IntegerWeights w) {
      return new Value[] {
        state(w.name() + "/codes", w.codes()),
        state(w.name() + "/scale", w.scale()),
        state(w.name() + "/out_scale", w.outScale()),
        state(w.name() + "/bias", w.bias())
      };
    }

    private Value scale(CodesTensor t) {
      return scales.computeIfAbsent(
          t.name(), n -> state(n + "/scale", HostTensor.of(Shape.of(1), t.scale())));
    }

    private Value zeroPoint(CodesTensor t) {
      return zeroPoints.computeIfAbsent(
          t.name(), n -> state(n + "/zero_point", HostTensor.of(Shape.of(1), t.zeroPoint())));
    }

    private Value state(String name, HostTensor value) {
      Value state = builder.state(name, value.spec());
      HostTensor before = contents.put(state.name(), value);
      if (before != null) {
        throw new IllegalArgumentException("\"" + name + "\" is the name of two constants");
      }
      return state;
    }

    private void requireName(Value value, String name) {
      if (!value.name().equals(name)) {
        throw new IllegalArgumentException("the name \"" + name + "\" is used for a constant too");
      }
    }
  }

  @Override
  public String toString() {
    return where() + ": " + layers.size() + " integer layers, input " + inputSpec();
  }
}
