package org.quantrain.integer;

import static org.quantrain.integer.QdqAttributes.require;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Deque;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.onnx.MemoryOrder;
import org.quantrain.onnx.OnnxFile;
import org.quantrain.onnx.OnnxNode;
import org.quantrain.onnx.OnnxTensor;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.Gather;
import org.quantrain.op.Lowering;
import org.quantrain.op.MatMulCodes;
import org.quantrain.op.Pad;
import org.quantrain.op.PoolWindow;
import org.quantrain.op.Slice;
import org.quantrain.op.Transpose;
import org.quantrain.quant.AccumulatorBound;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Layout;
import org.quantrain.tensor.QuantSpec;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/**
 * Recognizes the QDQ forms in a file. Layers with integer weights that are not exactly one of them
 * are refused, because a runtime would compute them in float or by another rule. Other operators
 * between DequantizeLinear and QuantizeLinear are float islands.
 */
final class QdqParser {
  private static final int LARGEST_IMAGE = 1 << 20;

  /** Operators that leave codes on their grid, and the output what it is. */
  private static final Set<String> MOVEMENTS =
      Set.of("MaxPool", "Flatten", "Reshape", "Identity", "Transpose", "Slice", "Pad");

  private final OnnxFile file;
  private final Map<String, List<OnnxNode>> consumers;
  private final List<IntegerLayer> layers = new ArrayList<>();

  private final Map<String, CodesTensor> codes = new HashMap<>();

  /** Outputs of DequantizeLinear on codes: the codes they stand for. */
  private final Map<String, CodesTensor> real = new HashMap<>();

  /** Weights of 4 bits by the output of the Cast that makes them int8. */
  private final Map<String, OnnxTensor> unpacked = new HashMap<>();

  /** Outputs of DequantizeLinear on constants: that node. */
  private final Map<String, OnnxNode> constants = new HashMap<>();

  /** Float results that wait for their QuantizeLinear. */
  private final Map<String, OnnxNode> pending = new HashMap<>();

  private final Map<String, Shape> pendingShapes = new HashMap<>();

  /** Codes that are row-major though of rank 4. */
  private final Set<String> rowMajor = new HashSet<>();

  /** Clip nodes that were read together with their QuantizeLinear. */
  private final Set<String> clipped = new HashSet<>();

  private final FloatParts floats;

  /** The network's, as {@link IntegerModel#inputs} has them. */
  private final Map<String, TensorSpec> inputs = new LinkedHashMap<>();

  QdqParser(OnnxFile file) {
    this.file = file;
    this.consumers = file.consumers();
    this.floats = new FloatParts(file, real, rowMajor);
  }

  Map<String, TensorSpec> inputs() {
    return Collections.unmodifiableMap(inputs);
  }

  List<IntegerLayer> layers() {
    require(!file.graphInputs().isEmpty(), "expected an input, got none");
    require(file.outputs().size() == 1, "expected one output, got " + file.outputs().size());
    require(file.opset() >= 13, "opset: expected at least 13, got " + file.opset());
    file.graphInputs().forEach(this::readInput);
    long images = inputs.values().stream().filter(s -> s.dtype() == DType.F32).count();
    require(images <= 1, "expected one input of type FLOAT, got " + images);
    file.nodes().forEach(this::readNode);
    readOutput(file.outputs().get(0));
    List<String> left = new ArrayList<>(pending.values().stream().map(OnnxNode::label).toList());
    floats.unused().forEach(n -> left.add(n.label()));
    require(left.isEmpty(), "not quantized: " + left);
    return layers;
  }

  /** The float result of a Gemm on codes, perhaps in another shape. */
  private void readOutput(String output) {
    if (real.containsKey(output)) {
      layers.add(new IntegerLayer.Dequantize(real.get(output), output));
      return;
    }
    IntegerLayer logits =
        layers.stream()
            .filter(l -> l instanceof IntegerLayer.Logits && l.name().equals(output))
            .findFirst()
            .orElse(null);
    if (logits != null) {
      // Nothing reads it: codes are not made of it.
      layers.remove(logits);
      layers.add(logits);
      return;
    }
    String problem =
        "the output \""
            + output
            + "\" is neither dequantized codes nor the float result of a Gemm on codes";
    require(floats.makes(output), problem);
    // Before a model is made of them: a file that is not quantized may have any number.
    Set<String> operators = floats.operators(output);
    require(MOVEMENTS.containsAll(operators), problem + ", but of " + operators);
    IntegerLayer.Floats shaped = floats.behind(output);
    require(shaped.reads().isEmpty(), problem + ", but of codes in floats");
    layers.add(new IntegerLayer.Output(shaped, output));
  }

  private void readInput(OnnxFile.Input input) {
    List<Long> dims = input.dims();
    boolean tokens = input.type() == OnnxTensor.INT32 && dims.size() >= 2;
    boolean fits = tokens || (dims.size() == 4 && input.type() == OnnxTensor.FLOAT);
    for (int i = 1; fits && i < dims.size(); i++) {
      fits = dims.get(i) >= 1 && dims.get(i) <= LARGEST_IMAGE;
    }
    require(
        fits,
        "input \"" + input.name() + "\": expected FLOAT [N,C,H,W] or INT32 [N,...], got " + dims);
    int[] d = dims.stream().mapToInt(Long::intValue).toArray();
    d[0] = Shape.BATCH;
    inputs.put(input.name(), new TensorSpec(tokens ? DType.S32 : DType.F32, Shape.of(d)));
    floats.give(input.name(), inputs.get(input.name()));
  }

  private void readNode(OnnxNode node) {
    require(
        node.domain().isEmpty() && node.outputs().size() == 1,
        node.label() + " is no part of a quantized file of Quantrain");
    if (!isInteger(node)) {
      require(
          node.inputs().stream().noneMatch(constants::containsKey),
          node.label() + " is no part of a quantized file of Quantrain");
      floats.add(node);
      return;
    }
    switch (node.op()) {
      case "QuantizeLinear" -> readQuantize(node);
      case "DequantizeLinear" -> readDequantize(node);
      case "Cast" -> readCast(node);
      case "Clip" ->
          require(
              clipped.contains(node.output()),
              node.label() + ": only directly after a QuantizeLinear without another reader");
      case "Conv" -> {
        CodesTensor x = operand(node, 0);
        Shape w = weightShape(node, 4);
        wait(node, QdqAttributes.geometry(node, w).output(x.shape(), w));
      }
      case "Gemm" -> {
        CodesTensor x = operand(node, 0);
        Shape w = weightShape(node, 2);
        require(
            node.integer("transB", 0) == 1
                && node.integer("transA", 0) == 0
                && node.real("alpha", 1) == 1
                && node.real("beta", 1) == 1,
            node.label() + ": expected transB = 1, alpha = beta = 1");
        require(
            x.shape().rank() == 2 && x.shape().dim(1) == w.dim(1),
            node.label() + ": input " + x.shape() + " does not fit weights " + w);
        Shape y = Shape.of(x.shape().dim(0), w.dim(0));
        if (isQuantized(node)) {
          wait(node, y);
        } else {
          layers.add(new IntegerLayer.Logits(x, weights(node, x), node.output()));
          floats.give(node.output(), new TensorSpec(DType.F32, y));
        }
      }
      case "MatMul" -> {
        CodesTensor a = operand(node, 0);
        CodesTensor b = operand(node, 1);
        TensorSpec y =
            new MatMulCodes(Lowering.REFERENCE)
                .infer(
                    List.of(
                        new TensorSpec(a.dtype(), a.shape(), Layout.ROW_MAJOR),
                        TensorSpec.f32(1),
                        TensorSpec.s32(1),
                        new TensorSpec(b.dtype(), b.shape(), Layout.ROW_MAJOR),
                        TensorSpec.f32(1),
                        TensorSpec.s32(1)))
                .get(0);
        long terms = a.shape().dim(a.shape().rank() - 1);
        require(
            terms * largest(a) * largest(b) <= Integer.MAX_VALUE,
            node.label() + ": the int32 accumulator of " + terms + " products could overflow");
        wait(node, y.shape());
      }
      case "Add" -> {
        CodesTensor a = operand(node, 0);
        CodesTensor b = operand(node, 1);
        require(
            a.shape().equals(b.shape()),
            node.label() + ": expected equal shapes, got " + a.shape() + " and " + b.shape());
        wait(node, a.shape());
      }
      case "Concat" -> wait(node, QdqAttributes.joined(node, operands(node)));
      case "AveragePool" -> wait(node, QdqAttributes.window(node).output(operand(node, 0).shape()));
      case "GlobalAveragePool" -> {
        Shape x = operand(node, 0).shape();
        require(x.rank() == 4, node.label() + ": expected [N,C,H,W], got " + x);
        long cells = (long) x.dim(2) * x.dim(3);
        require(cells * 255 <= Integer.MAX_VALUE, node.label() + ": the sum could overflow");
        wait(node, Shape.of(Shape.BATCH, x.dim(1), 1, 1));
      }
      case "MaxPool" -> {
        CodesTensor x = codes(node, 0);
        PoolWindow window = QdqAttributes.window(node);
        CodesTensor y = x.as(node.output(), window.output(x.shape()));
        add(new IntegerLayer.MaxPool(x, window, y));
      }
      case "Flatten" -> {
        CodesTensor x = codes(node, 0);
        Shape s = x.shape();
        require(
            node.integer("axis", 1) == 1 && s.rank() == 4,
            node.label() + ": expected axis 1 of [N,C,H,W], got " + s);
        Shape flat = Shape.of(Shape.BATCH, Math.toIntExact(s.elementsPerSample()));
        add(new IntegerLayer.Flatten(x, x.as(node.output(), flat)));
      }
      case "Reshape" -> {
        CodesTensor x = codes(node, 0);
        Shape y = QdqAttributes.reshaped(file, node, x.shape());
        add(new IntegerLayer.Reshape(x, x.as(node.output(), y)));
      }
      case "Identity", "Transpose" -> {
        CodesTensor x = codes(node, 0);
        List<Integer> perm = QdqAttributes.permutation(node, x.shape().rank());
        Transpose op = new Transpose(perm, Layout.ROW_MAJOR);
        add(new IntegerLayer.Transpose(x, perm, moved(node, x, op)));
      }
      case "Slice" -> {
        CodesTensor x = codes(node, 0);
        Slice slice = QdqAttributes.slice(file, node, x.shape());
        add(new IntegerLayer.Slice(x, slice, moved(node, x, slice)));
      }
      case "Gather" -> add(lookup(node));
      case "Pad" -> {
        CodesTensor x = codes(node, 0);
        Pad pad = pad(node, x);
        add(new IntegerLayer.Pad(x, pad, moved(node, x, pad)));
      }
      default -> throw new IllegalStateException(node.label());
    }
  }

  private static long largest(CodesTensor x) {
    return AccumulatorBound.largestInput(x.zeroPoint(), x.lowest(), x.qmax());
  }

  /** Whether a node is, or should be, one of the integer forms. */
  private boolean isInteger(OnnxNode node) {
    return switch (node.op()) {
      case "QuantizeLinear", "DequantizeLinear" -> true;
      case "Cast" -> isPacked(node);
      case "Clip" -> clipped.contains(node.output()) || codes.containsKey(node.input(0));
      case "Conv", "Gemm" ->
          real.containsKey(node.input(0)) || constants.containsKey(node.input(1));
      case "Gather" -> isTable(file.constants().get(node.input(0)));
      case "MatMul", "Add", "Concat", "AveragePool", "GlobalAveragePool" ->
          isQuantized(node) && node.inputs().stream().allMatch(real::containsKey);
      default -> MOVEMENTS.contains(node.op()) && !floats.isFloat(node.input(0));
    };
  }

  private boolean isQuantized(OnnxNode node) {
    return consumers.getOrDefault(node.output(), List.of()).stream()
            .anyMatch(reader -> reader.op().equals("QuantizeLinear"))
        && !file.outputs().contains(node.output());
  }

  /** What becomes of codes that an operation takes or leaves. */
  private static CodesTensor moved(OnnxNode node, CodesTensor x, Op op) {
    TensorSpec y = op.infer(List.of(new TensorSpec(DType.F32, x.shape()))).get(0);
    return x.as(node.output(), y.shape());
  }

  private static boolean isTable(OnnxTensor constant) {
    return constant != null
        && (constant.type() == OnnxTensor.UINT8 || constant.type() == OnnxTensor.INT8);
  }

  /** Rows of constant codes, on the grid of the DequantizeLinear that first reads them. */
  private IntegerLayer.Lookup lookup(OnnxNode node) {
    OnnxTensor t = file.constants().get(node.input(0));
    TensorSpec indices = inputs.get(node.input(1));
    require(
        node.integer("axis", 0) == 0
            && t.shape().rank() > 0
            && t.elements() > 0
            && indices != null
            && indices.dtype() == DType.S32,
        node.label() + ": expected rows of a table by an input of type INT32");
    OnnxNode grid = dequantizer(node);
    float scale = scalar(grid, 1, OnnxTensor.FLOAT).floats()[0];
    int zeroPoint = code(grid, 2);
    DType type = t.type() == OnnxTensor.INT8 ? DType.S8 : DType.U8;
    TensorSpec spec = new TensorSpec(type, t.shape(), Layout.ROW_MAJOR);
    HostTensor table = HostTensor.ofBytes(spec, t.data());
    int bits = bitsOf(t.data(), type == DType.S8, zeroPoint);
    QuantSpec narrowest = new QuantSpec(bits, type == DType.S8, false, false, false);
    TensorSpec rows = new Gather(0).infer(List.of(spec, indices.with(Layout.ROW_MAJOR))).get(0);
    CodesTensor y =
        new CodesTensor(
            node.output(),
            rows.shape(),
            scale,
            zeroPoint,
            narrowest.qmin(),
            narrowest.qmax(),
            false);
    return new IntegerLayer.Lookup(table, node.input(1), y);
  }

  /** Of the narrowest grid that has these codes and the zero-point. */
  private static int bitsOf(byte[] codes, boolean signed, int zeroPoint) {
    int least = zeroPoint;
    int most = zeroPoint;
    for (byte code : codes) {
      int value = signed ? code : Byte.toUnsignedInt(code);
      least = Math.min(least, value);
      most = Math.max(most, value);
    }
    return signed
        ? QuantSpec.signedBits(new int[] {least, most})
        : Math.max(2, Integer.SIZE - Integer.numberOfLeadingZeros(most));
  }

  /** The first to read what a node makes, perhaps after it was moved. */
  private OnnxNode dequantizer(OnnxNode node) {
    Set<String> seen = new HashSet<>();
    Deque<String> open = new ArrayDeque<>(List.of(node.output()));
    while (!open.isEmpty()) {
      String tensor = open.poll();
      for (OnnxNode reader : consumers.getOrDefault(tensor, List.of())) {
        if (reader.op().equals("DequantizeLinear")) {
          return reader;
        } else if (MOVEMENTS.contains(reader.op())
            && reader.outputs().size() == 1
            && seen.add(reader.output())) {
          open.add(reader.output());
        }
      }
    }
    throw new IllegalArgumentException(node.label() + ": no DequantizeLinear reads its codes");
  }

  private Pad pad(OnnxNode node, CodesTensor x) {
    OnnxTensor t = file.constants().get(node.input(1));
    int rank = x.shape().rank();
    require(
        node.text("mode", "constant").equals("constant")
            && t != null
            && t.type() == OnnxTensor.INT64
            && t.elements() == 2 * rank,
        node.label() + ": expected " + 2 * rank + " constant pads");
    int zero = code(node, 2);
    require(
        zero == x.zeroPoint(),
        node.label() + ": pads with " + zero + ", the code of zero is " + x.zeroPoint());
    List<Integer> pads = new ArrayList<>();
    for (long pad : t.longs()) {
      require(pad >= 0 && pad <= LARGEST_IMAGE, node.label() + ": pad " + pad);
      pads.add((int) pad);
    }
    return new Pad(pads.subList(0, rank), pads.subList(rank, 2 * rank), 0);
  }

  private void wait(OnnxNode node, Shape y) {
    pending.put(node.output(), node);
    pendingShapes.put(node.output(), y);
  }

  private void add(IntegerLayer.ToCodes layer) {
    layers.add(layer);
    codes.put(layer.y().name(), layer.y());
    if (isRowMajor(layer)) {
      rowMajor.add(layer.y().name());
    }
  }

  private boolean isRowMajor(IntegerLayer layer) {
    if (layer instanceof IntegerLayer.Island island) {
      return !island.floats().model().graph().outputs().get(0).spec().isChannelsLast();
    } else if (layer instanceof IntegerLayer.Add add) {
      return rowMajor.contains(add.a().name());
    } else if (layer instanceof IntegerLayer.Concat concat) {
      return rowMajor.contains(concat.parts().get(0).name());
    } else if (layer instanceof IntegerLayer.RequantizeCodes requantize) {
      return rowMajor.contains(requantize.x().name());
    } else if (layer instanceof IntegerLayer.Slice slice) {
      return rowMajor.contains(slice.x().name());
    } else if (layer instanceof IntegerLayer.Pad pad) {
      return rowMajor.contains(pad.x().name());
    }
    return layer instanceof IntegerLayer.MatMul
        || layer instanceof IntegerLayer.Lookup
        || layer instanceof IntegerLayer.Reshape
        || layer instanceof IntegerLayer.Transpose;
  }

  // ---- quantizers

  private void readQuantize(OnnxNode node) {
    String x = node.input(0);
    OnnxNode clip = clipAfter(node);
    String name = clip == null ? node.output() : clip.output();
    float scale = scalar(node, 1, OnnxTensor.FLOAT).floats()[0];
    int zeroPoint = code(node, 2);
    int least = isSigned(node, 2) ? Byte.MIN_VALUE : 0;
    int low = clip == null ? least : code(clip, 1);
    int qmax = clip == null ? least + 255 : code(clip, 2);
    int qmin = least == 0 ? 0 : -qmax - 1;
    boolean relu = low == zeroPoint && low > qmin;
    require(
        low == qmin || relu && pending.containsKey(x),
        (clip == null ? node : clip).label()
            + ": expected a grid from "
            + qmin
            + " or the zero-point, got from "
            + low);
    if (inputs.containsKey(x)) {
      require(
          inputs.get(x).dtype() == DType.F32, node.label() + ": its input \"" + x + "\" is INT32");
      Shape shape = inputs.get(x).shape();
      add(
          new IntegerLayer.QuantizeInput(
              new CodesTensor(name, shape, scale, zeroPoint, qmin, qmax, relu)));
    } else if (real.containsKey(x)) {
      require(
          clip != null,
          node.label() + ": codes requantized without a Clip, which a runtime may merge away");
      CodesTensor wide = operand(node, 0);
      add(
          new IntegerLayer.RequantizeCodes(
              wide, new CodesTensor(name, wide.shape(), scale, zeroPoint, qmin, qmax, relu)));
    } else if (floats.makes(x)) {
      IntegerLayer.Floats island = floats.behind(x);
      for (Value v : island.model().graph().inputs()) {
        require(
            island.reads().containsKey(v.name()) || inputs.containsKey(v.name()),
            node.label() + ": \"" + v.name() + "\" is the float result of a layer on codes");
      }
      Shape shape = island.model().graph().outputs().get(0).spec().shape();
      add(
          new IntegerLayer.Island(
              island, new CodesTensor(name, shape, scale, zeroPoint, qmin, qmax, relu)));
    } else {
      OnnxNode layer = pending.remove(x);
      require(layer != null, node.label() + ": its input \"" + x + "\" is no layer on codes");
      onlyReader(layer, x);
      Shape shape = pendingShapes.get(x);
      CodesTensor y = new CodesTensor(name, shape, scale, zeroPoint, qmin, qmax, relu);
      add(finished(layer, y));
    }
  }

  private IntegerLayer.ToCodes finished(OnnxNode node, CodesTensor y) {
    CodesTensor x = operand(node, 0);
    require(
        !y.relu() || Set.of("Conv", "Gemm", "Add").contains(node.op()),
        node.label() + ": its codes are clipped at the zero-point as behind a ReLU");
    return switch (node.op()) {
      case "Conv" -> {
        ConvGeometry geometry = QdqAttributes.geometry(node, weightShape(node, 4));
        yield new IntegerLayer.Conv(x, weights(node, x), geometry, y);
      }
      case "Gemm" -> new IntegerLayer.Linear(x, weights(node, x), y);
      case "MatMul" -> new IntegerLayer.MatMul(x, operand(node, 1), y);
      case "Add" -> new IntegerLayer.Add(x, operand(node, 1), y);
      case "Concat" -> {
        List<CodesTensor> parts = operands(node);
        yield new IntegerLayer.Concat(parts, QdqAttributes.axis(node, parts), y);
      }
      case "AveragePool" -> {
        boolean countPadding = node.integer("count_include_pad", 0) == 1;
        yield new IntegerLayer.AveragePool(x, QdqAttributes.window(node), countPadding, y);
      }
      default -> new IntegerLayer.GlobalAveragePool(x, y);
    };
  }

  /** The Clip on codes that makes a narrower grid, if there is one. */
  private OnnxNode clipAfter(OnnxNode quantize) {
    List<OnnxNode> readers = consumers.getOrDefault(quantize.output(), List.of());
    boolean clip =
        readers.size() == 1
            && readers.get(0).op().equals("Clip")
            && readers.get(0).domain().isEmpty()
            && readers.get(0).outputs().size() == 1
            && !file.outputs().contains(quantize.output());
    if (clip) {
      clipped.add(readers.get(0).output());
    }
    return clip ? readers.get(0) : null;
  }

  /** A constant code, of any container. */
  private int code(OnnxNode node, int input) {
    boolean signed = isSigned(node, input);
    int code = scalar(node, input, signed ? OnnxTensor.INT8 : OnnxTensor.UINT8).data()[0];
    return signed ? code : code & 0xff;
  }

  private boolean isSigned(OnnxNode node, int input) {
    OnnxTensor t = file.constants().get(node.input(input));
    return t != null && t.type() == OnnxTensor.INT8;
  }

  private boolean isPacked(OnnxNode cast) {
    OnnxTensor constant = file.constants().get(cast.input(0));
    return constant != null && constant.type() == OnnxTensor.INT4;
  }

  /** Packed weights to int8. */
  private void readCast(OnnxNode node) {
    require(
        node.integer("to", 0) == OnnxTensor.INT8,
        node.label() + ": expected constant weights from INT4 to INT8");
    unpacked.put(node.output(), file.constants().get(node.input(0)).unpacked());
  }

  private OnnxTensor codesOf(OnnxNode dequantize) {
    String codes = dequantize.input(0);
    return unpacked.getOrDefault(codes, file.constants().get(codes));
  }

  private void readDequantize(OnnxNode node) {
    if (codesOf(node) != null) {
      constants.put(node.output(), node);
      return;
    }
    CodesTensor x = codes(node, 0);
    float scale = scalar(node, 1, OnnxTensor.FLOAT).floats()[0];
    int zeroPoint = code(node, 2);
    require(
        Float.floatToRawIntBits(scale) == Float.floatToRawIntBits(x.scale())
            && zeroPoint == x.zeroPoint(),
        node.label() + ": scale or zero-point differ from those that made " + x.name());
    real.put(node.output(), x);
  }

  // ---- operands

  private CodesTensor codes(OnnxNode node, int input) {
    CodesTensor x = codes.get(node.input(input));
    require(
        x != null,
        node.label() + ": input \"" + node.input(input) + "\" is not codes, or codes before Clip");
    return x;
  }

  /** Real values of codes, by a DequantizeLinear that nothing else reads. */
  private CodesTensor operand(OnnxNode node, int input) {
    String name = node.input(input);
    CodesTensor x = real.get(name);
    require(x != null, node.label() + ": input \"" + name + "\" is not dequantized codes");
    onlyReader(node, name);
    return x;
  }

  private List<CodesTensor> operands(OnnxNode node) {
    List<CodesTensor> operands = new ArrayList<>();
    for (int i = 0; i < node.inputs().size(); i++) {
      operands.add(operand(node, i));
    }
    require(!operands.isEmpty(), node.label() + " has no input");
    return operands;
  }

  private void onlyReader(OnnxNode node, String tensor) {
    require(
        consumers.getOrDefault(tensor, List.of()).size() == 1 && !file.outputs().contains(tensor),
        node.label() + ": \"" + tensor + "\" has several readers");
  }

  private OnnxTensor scalar(OnnxNode node, int input, int type) {
    OnnxTensor t = file.constants().get(node.input(input));
    require(
        t != null && t.type() == type && t.elements() == 1,
        node.label()
            + ": input "
            + input
            + ": expected one constant, got "
            + (t == null ? "\"" + node.input(input) + "\"" : t));
    return t;
  }

  private OnnxNode constantOperand(OnnxNode node, int input, int type) {
    OnnxNode dequantize = constants.get(node.input(input));
    require(
        dequantize != null,
        node.label()
            + ": input "
            + input
            + " \""
            + node.input(input)
            + "\" is not a dequantized constant");
    OnnxTensor codes = codesOf(dequantize);
    require(
        codes.type() == type,
        node.label() + ": input " + input + " is of unexpected type: " + codes);
    onlyReader(node, node.input(input));
    return dequantize;
  }

  private Shape weightShape(OnnxNode node, int rank) {
    OnnxNode dequantize = constantOperand(node, 1, OnnxTensor.INT8);
    OnnxTensor w = codesOf(dequantize);
    require(
        w.shape().rank() == rank && w.elements() > 0,
        node.label() + ": expected weights of rank " + rank + ", got " + w);
    return w.shape();
  }

  private IntegerWeights weights(OnnxNode node, CodesTensor x) {
    OnnxNode dequantize = constantOperand(node, 1, OnnxTensor.INT8);
    OnnxTensor w = codesOf(dequantize);
    int k = w.shape().dim(0);
    float[] scale = scales(dequantize, k);
    requireZeroPoints(dequantize, scalesOf(dequantize), OnnxTensor.INT8);
    float[] product = new float[k];
    for (int i = 0; i < k; i++) {
      product[i] = x.scale() * scale[i];
    }
    int[] bias = new int[k];
    float[] outScale = product;
    if (!node.input(2).isEmpty()) {
      OnnxNode biasNode = constantOperand(node, 2, OnnxTensor.INT32);
      OnnxTensor b = file.constants().get(biasNode.input(0));
      require(
          b.shape().equals(Shape.of(k)),
          node.label() + ": expected a bias of " + k + " values, got " + b);
      bias = b.ints();
      outScale = scales(biasNode, k);
      requireZeroPoints(biasNode, scalesOf(biasNode), OnnxTensor.INT32);
      require(
          Arrays.equals(outScale, product),
          node.label() + ": the bias is not at the scale of input * weights");
    }
    HostTensor codes = MemoryOrder.fromOnnx(new TensorSpec(DType.S8, w.shape()), w.data());
    int overflow = AccumulatorBound.firstOverflow(codes, (int) largest(x), bias);
    require(
        overflow < 0,
        node.label() + ": the int32 accumulator of channel " + overflow + " could overflow");
    Shape vector = Shape.of(k);
    return new IntegerWeights(
        node.name(),
        w.name(),
        codes,
        HostTensor.of(vector, scale),
        HostTensor.of(vector, outScale),
        HostTensor.of(vector, bias));
  }

  private OnnxTensor scalesOf(OnnxNode dequantize) {
    OnnxTensor t = file.constants().get(dequantize.input(1));
    require(
        t != null && t.type() == OnnxTensor.FLOAT,
        dequantize.label() + ": the scale is not a FLOAT constant");
    return t;
  }

  /** One scale for each of dimension 0. */
  private float[] scales(OnnxNode dequantize, int k) {
    OnnxTensor t = scalesOf(dequantize);
    float[] scales = t.floats();
    if (t.shape().rank() == 0) {
      float only = scales[0];
      scales = new float[k];
      Arrays.fill(scales, only);
    } else {
      require(
          t.shape().equals(Shape.of(k)) && dequantize.integer("axis", 1) == 0,
          dequantize.label() + ": expected one scale, or " + k + " along axis 0, got " + t);
    }
    for (float scale : scales) {
      require(scale > 0 && Float.isFinite(scale), dequantize.label() + ": scale " + scale);
    }
    return scales;
  }

  private void requireZeroPoints(OnnxNode dequantize, OnnxTensor scales, int type) {
    if (dequantize.input(2).isEmpty()) {
      return;
    }
    OnnxTensor t = file.constants().get(dequantize.input(2));
    boolean zero = t != null && t.type() == type && t.shape().equals(scales.shape());
    if (zero) {
      for (byte b : t.data()) {
        zero &= b == 0;
      }
    }
    require(zero, dequantize.label() + ": expected zero-points of 0");
  }
}
