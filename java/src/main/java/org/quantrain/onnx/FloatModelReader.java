package org.quantrain.onnx;

import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Model;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.op.Add;
import org.quantrain.op.AveragePool;
import org.quantrain.op.BatchNorm;
import org.quantrain.op.Concat;
import org.quantrain.op.Conv2d;
import org.quantrain.op.ConvGeometry;
import org.quantrain.op.Flatten;
import org.quantrain.op.GlobalAveragePool;
import org.quantrain.op.Linear;
import org.quantrain.op.MaxPool;
import org.quantrain.op.Pad;
import org.quantrain.op.PoolWindow;
import org.quantrain.op.Relu;
import org.quantrain.op.Slice;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/** One reading of a float network. Faults are IllegalArgumentException or GraphException. */
final class FloatModelReader {
  private final OnnxFile file;
  private final String name;
  private final Map<String, List<OnnxNode>> consumers;
  private final GraphBuilder builder = new GraphBuilder();
  private final Map<String, HostTensor> contents = new HashMap<>();
  private final Map<String, OnnxTensor> constants;

  /** Tensors of the network by their name in the file. */
  private final Map<String, Value> values = new HashMap<>();

  /** Weights that several layers may share, by name and orientation. */
  private final Map<String, Value> weights = new HashMap<>();

  private final Set<String> taken = new HashSet<>();

  private long fixedBatch = -1;

  FloatModelReader(OnnxFile file, String name) {
    this.file = file;
    this.name = name;
    this.consumers = file.consumers();
    this.constants = new HashMap<>(file.constants());
  }

  Model read() {
    require(file.graphInputs().size() == 1, "expected one input, got " + file.graphInputs().size());
    require(file.outputs().size() == 1, "expected one output, got " + file.outputs().size());
    readInput(file.graphInputs().get(0));
    collectConstants();
    refuseUnsupported();
    file.nodes().forEach(this::readNode);
    Value logits = values.get(file.outputs().get(0));
    require(
        logits != null && logits.spec().shape().rank() == 2,
        "expected logits [N,classes] as output, got " + logits);
    return new Model(name, builder.build(logits), contents);
  }

  private void readInput(OnnxFile.Input input) {
    List<Long> dims = input.dims();
    boolean image = dims.size() == 4 && input.type() == OnnxTensor.FLOAT;
    for (int i = 1; image && i < 4; i++) {
      image = dims.get(i) >= 1 && dims.get(i) <= 1 << 20;
    }
    require(
        image,
        "input \""
            + input.name()
            + "\": expected FLOAT [N,C,H,W] of known size, got "
            + OnnxTensor.nameOf(input.type())
            + " "
            + dims);
    fixedBatch = dims.get(0);
    values.put(
        input.name(),
        builder.input(
            input.name(),
            TensorSpec.f32(
                Shape.BATCH,
                dims.get(1).intValue(),
                dims.get(2).intValue(),
                dims.get(3).intValue())));
  }

  /** What Constant nodes hold, and initializers under a second name. */
  private void collectConstants() {
    for (OnnxNode node : file.nodes()) {
      if (node.op().equals("Constant") && node.domain().isEmpty()) {
        OnnxTensor value = constantOf(node);
        if (value != null) {
          constants.put(node.output(), value);
        }
      } else if (node.op().equals("Identity") && constants.containsKey(node.input(0))) {
        OnnxTensor original = constants.get(node.input(0));
        constants.put(
            node.output(),
            new OnnxTensor(node.output(), original.type(), original.shape(), original.data()));
      }
    }
  }

  private static OnnxTensor constantOf(OnnxNode node) {
    if (node.attributes().get("value") instanceof OnnxTensor t) {
      return new OnnxTensor(node.output(), t.type(), t.shape(), t.data());
    }
    if (node.attributes().get("value_float") instanceof Float f) {
      HostTensor t = HostTensor.of(Shape.of(), f);
      return new OnnxTensor(node.output(), OnnxTensor.FLOAT, t.shape(), MemoryOrder.toOnnx(t));
    }
    return null;
  }

  private void refuseUnsupported() {
    List<String> problems = new ArrayList<>();
    for (OnnxNode node : file.nodes()) {
      String problem = problemOf(node);
      if (problem != null) {
        problems.add(node.label() + (problem.isEmpty() ? "" : " (" + problem + ")"));
      }
    }
    require(problems.isEmpty(), "not supported: " + String.join(", ", problems));
  }

  /** Null if the node can be read, else why not (empty: the operator is not known). */
  private String problemOf(OnnxNode node) {
    if (!node.domain().isEmpty()) {
      return "";
    }
    for (int i = 1; i < node.outputs().size(); i++) {
      if (!node.op().equals("BatchNormalization") && isRead(node.outputs().get(i))) {
        return "its output \"" + node.outputs().get(i) + "\" is read";
      }
    }
    return switch (node.op()) {
      case "Relu", "GlobalAveragePool", "Identity", "Dropout" -> null;
      case "Conv" -> isFloat(node.input(1)) ? null : "weights are not a FLOAT constant";
      case "BatchNormalization" -> problemOfBatchNorm(node);
      case "Clip" -> isRelu(node) ? null : "only from 0 to a constant above 0";
      case "Add" -> problemOfAdd(node);
      case "Concat" ->
          node.inputs().stream().anyMatch(constants::containsKey) ? "of a constant" : null;
      case "MaxPool" -> allOne(node, "dilations") ? null : "dilations";
      case "AveragePool" -> allOne(node, "dilations") ? null : "dilations";
      case "Flatten" -> node.integer("axis", 1) == 1 ? null : "axis other than 1";
      case "Reshape" -> isConstantOf(node.input(1), OnnxTensor.INT64) ? null : "computed shape";
      case "Gemm" -> problemOfGemm(node);
      case "MatMul" -> isFloat(node.input(1)) ? null : "right operand is not a FLOAT constant";
      case "Slice" -> areIntegers(node, 1) ? null : "computed bounds";
      case "Pad" -> padsNothing(node) || padsZeros(node) ? null : "only by constant zeros";
      case "Constant" -> constants.containsKey(node.output()) ? null : "kind of value";
      default -> "";
    };
  }

  private String problemOfBatchNorm(OnnxNode node) {
    if (node.integer("spatial", 1) != 1) {
      return "spatial = 0";
    }
    for (int i = 1; i < 5; i++) {
      if (!isFloat(node.input(i))) {
        return "input " + i + " is not a FLOAT constant";
      }
    }
    for (int i = 1; i < node.outputs().size(); i++) {
      if (consumers.containsKey(node.outputs().get(i))) {
        return "its output \"" + node.outputs().get(i) + "\" is read";
      }
    }
    return null;
  }

  private String problemOfAdd(OnnxNode node) {
    boolean constant = constants.containsKey(node.input(0)) || constants.containsKey(node.input(1));
    return !constant || productOf(node) != null
        ? null
        : "a constant operand is read only as the bias after a MatMul";
  }

  private String problemOfGemm(OnnxNode node) {
    if (!isFloat(node.input(1)) || !(node.input(2).isEmpty() || isFloat(node.input(2)))) {
      return "weights and bias are not FLOAT constants";
    }
    return node.integer("transA", 0) == 0
            && node.real("alpha", 1) == 1
            && (node.real("beta", 1) == 1 || node.input(2).isEmpty())
        ? null
        : "transA, alpha or beta";
  }

  private boolean isRead(String tensor) {
    return !tensor.isEmpty() && (consumers.containsKey(tensor) || file.outputs().contains(tensor));
  }

  private boolean isFloat(String tensor) {
    return isConstantOf(tensor, OnnxTensor.FLOAT);
  }

  private boolean isConstantOf(String tensor, int type) {
    return constants.containsKey(tensor) && constants.get(tensor).type() == type;
  }

  private static boolean allOne(OnnxNode node, String attribute) {
    int[] sizes = node.sizes(attribute, 1, 1);
    return sizes[0] == 1 && sizes[1] == 1;
  }

  private boolean isRelu(OnnxNode node) {
    return bound(node, 1, "min", Float.NEGATIVE_INFINITY) == 0
        && bound(node, 2, "max", Float.POSITIVE_INFINITY) > 0;
  }

  /**
   * A bound of a Clip: an attribute in old files, a constant input since; NaN if it is computed.
   */
  private float bound(OnnxNode node, int input, String attribute, float orElse) {
    if (node.input(input).isEmpty()) {
      float bound = node.real(attribute, orElse);
      return Math.abs(bound) >= Float.MAX_VALUE ? orElse : bound;
    }
    boolean scalar = isFloat(node.input(input)) && constants.get(node.input(input)).elements() == 1;
    return scalar ? constants.get(node.input(input)).floats()[0] : Float.NaN;
  }

  private boolean padsNothing(OnnxNode node) {
    if (node.attributes().get("pads") instanceof List<?> pads) {
      return pads.stream().allMatch(p -> p.equals(0L));
    }
    if (!isConstantOf(node.input(1), OnnxTensor.INT64)) {
      return false;
    }
    for (long pad : constants.get(node.input(1)).longs()) {
      if (pad != 0) {
        return false;
      }
    }
    return true;
  }

  private boolean areIntegers(OnnxNode node, int from) {
    for (int i = from; i < node.inputs().size(); i++) {
      if (!node.input(i).isEmpty() && !isConstantOf(node.input(i), OnnxTensor.INT64)) {
        return false;
      }
    }
    return node.inputs().size() >= 3;
  }

  private boolean padsZeros(OnnxNode node) {
    String value = node.input(2);
    return node.text("mode", "constant").equals("constant")
        && isConstantOf(node.input(1), OnnxTensor.INT64)
        && node.input(3).isEmpty()
        && (value.isEmpty() || (isFloat(value) && constants.get(value).floats()[0] == 0));
  }

  /** The MatMul whose bias this Add is; null if it is another kind of Add. */
  private OnnxNode productOf(OnnxNode add) {
    for (int i = 0; i < 2; i++) {
      String constant = add.input(i);
      String product = add.input(1 - i);
      if (isFloat(constant)
          && !file.outputs().contains(product)
          && consumers.getOrDefault(product, List.of()).size() == 1) {
        for (OnnxNode node : file.nodes()) {
          if (node.output().equals(product) && node.op().equals("MatMul")) {
            return node;
          }
        }
      }
    }
    return null;
  }

  private void readNode(OnnxNode node) {
    if (constants.containsKey(node.output())) {
      return;
    }
    switch (node.op()) {
      case "Conv" -> readConv(node);
      case "BatchNormalization" -> readBatchNorm(node);
      case "Relu" -> add(node, new Relu(), value(node, 0));
      case "Clip" -> {
        float upper = bound(node, 2, "max", Float.POSITIVE_INFINITY);
        add(node, new Relu(upper), value(node, 0));
      }
      case "Add" -> readAdd(node);
      case "Concat" -> readConcat(node);
      case "MaxPool" -> add(node, new MaxPool(window(node)), value(node, 0));
      case "AveragePool" -> {
        boolean countPadding = node.integer("count_include_pad", 0) == 1;
        add(node, new AveragePool(window(node), countPadding), value(node, 0));
      }
      case "GlobalAveragePool" -> add(node, new GlobalAveragePool(), value(node, 0));
      case "Flatten" -> readFlatten(node);
      case "Reshape" -> readReshape(node);
      case "Gemm" ->
          readLinear(
              node, value(node, 0), node.input(1), node.integer("transB", 0) == 1, node.input(2));
      case "MatMul" -> readMatMul(node);
      case "Slice" -> readSlice(node);
      case "Pad" -> readPad(node);
      case "Identity", "Dropout" -> values.put(node.output(), value(node, 0));
      default -> throw new IllegalStateException(node.label());
    }
  }

  private Value value(OnnxNode node, int input) {
    Value value = values.get(node.input(input));
    require(
        value != null,
        node.label()
            + ": input "
            + input
            + " \""
            + node.input(input)
            + "\" is not computed from the network's input");
    return value;
  }

  private void add(OnnxNode node, Op op, Value... in) {
    values.put(node.output(), builder.node(node.output(), op, in).output(0));
  }

  private void readConv(OnnxNode node) {
    Value x = value(node, 0);
    OnnxTensor w = constants.get(node.input(1));
    require(w.shape().rank() == 4, node.label() + ": only 2-D convolutions, got weights " + w);
    int[] kernel = {w.shape().dim(2), w.shape().dim(3)};
    int[] said = node.sizes("kernel_shape", kernel);
    require(
        said[0] == kernel[0] && said[1] == kernel[1],
        node.label() + ": kernel_shape differs from the weights " + w);
    int[] stride = node.sizes("strides", 1, 1);
    int[] dilation = node.sizes("dilations", 1, 1);
    int[] pads = pads(node, x, kernel, stride, dilation);
    long groups = node.integer("group", 1);
    require(groups >= 1 && groups <= Integer.MAX_VALUE, node.label() + ": group " + groups);
    ConvGeometry geometry =
        new ConvGeometry(
            stride[0],
            stride[1],
            pads[0],
            pads[1],
            pads[2],
            pads[3],
            dilation[0],
            dilation[1],
            (int) groups);
    Value weight = weight(w, false);
    if (node.input(2).isEmpty()) {
      add(node, new Conv2d(geometry), x, weight);
    } else {
      require(isFloat(node.input(2)), node.label() + ": bias is not a FLOAT constant");
      Value bias = vector(constants.get(node.input(2)), w.shape().dim(0), Value.Role.PARAM, node);
      add(node, new Conv2d(geometry), x, weight, bias);
    }
  }

  private void readBatchNorm(OnnxNode node) {
    Value x = value(node, 0);
    int channels = x.spec().shape().dim(1);
    Value[] in = new Value[5];
    in[0] = x;
    for (int i = 1; i < 5; i++) {
      Value.Role role = i < 3 ? Value.Role.PARAM : Value.Role.STATE;
      in[i] = vector(constants.get(node.input(i)), channels, role, node);
    }
    float momentum = oneMinus(node.real("momentum", 0.9f));
    float epsilon = node.real("epsilon", 1e-5f);
    require(
        epsilon > 0 && epsilon < 1 && momentum >= 0 && momentum <= 1,
        node.label() + ": epsilon " + epsilon + ", 1 - momentum " + momentum);
    add(node, new BatchNorm(epsilon, momentum, BatchNorm.Mode.TRAIN), in);
  }

  /** 1 - x on the decimals that are meant, so that 0.9 and 0.1 turn into each other exactly. */
  static float oneMinus(float x) {
    return Float.isFinite(x)
        ? BigDecimal.ONE.subtract(new BigDecimal(Float.toString(x))).floatValue()
        : Float.NaN;
  }

  private void readAdd(OnnxNode node) {
    OnnxNode product = productOf(node);
    if (product == null) {
      add(node, new Add(), value(node, 0), value(node, 1));
      return;
    }
    String bias = isFloat(node.input(0)) ? node.input(0) : node.input(1);
    readLinear(node, value(product, 0), product.input(1), false, bias);
  }

  private void readConcat(OnnxNode node) {
    Value[] parts = new Value[node.inputs().size()];
    for (int i = 0; i < parts.length; i++) {
      parts[i] = value(node, i);
    }
    require(parts.length > 0, node.label() + " joins nothing");
    long rank = parts[0].spec().shape().rank();
    long axis = node.integer("axis", 1);
    require(
        axis >= -rank && axis < rank,
        node.label() + ": axis " + axis + " of " + parts[0].spec().shape());
    add(node, new Concat((int) (axis < 0 ? axis + rank : axis)), parts);
  }

  private void readSlice(OnnxNode node) {
    Value x = value(node, 0);
    long[] starts = constants.get(node.input(1)).longs();
    long[] ends = constants.get(node.input(2)).longs();
    int rank = x.spec().shape().rank();
    for (int i = 0; i < starts.length; i++) {
      long axis = node.input(3).isEmpty() ? i : constants.get(node.input(3)).longs()[i];
      axis = axis < 0 ? axis + rank : axis;
      long step = node.input(4).isEmpty() ? 1 : constants.get(node.input(4)).longs()[i];
      require(axis >= 0 && axis < rank, node.label() + ": axis " + axis);
      int dim = x.spec().shape().dim((int) axis);
      if (dim < 0 && starts[i] == 0 && step == 1) {
        continue; // the whole batch
      }
      require(dim > 0 && step > 0, node.label() + ": only forwards, and not in the batch");
      long start = Math.min(Math.max(starts[i] < 0 ? starts[i] + dim : starts[i], 0), dim);
      long end = Math.min(ends[i] < 0 ? ends[i] + dim : ends[i], dim);
      require(end > start, node.label() + ": nothing is left");
      if (start > 0 || end < dim || step > 1) {
        int size = (int) ((end - start + step - 1) / step);
        Slice slice = new Slice((int) axis, (int) start, (int) Math.min(step, dim), size);
        x = builder.node(node.output() + ".axis" + axis, slice, x).output(0);
      }
    }
    values.put(node.output(), x);
  }

  private void readPad(OnnxNode node) {
    if (padsNothing(node)) {
      values.put(node.output(), value(node, 0));
      return;
    }
    List<Integer> pads = new ArrayList<>();
    for (long pad : constants.get(node.input(1)).longs()) {
      require(pad >= 0 && pad <= 1 << 20, node.label() + ": pad " + pad);
      pads.add((int) pad);
    }
    int rank = pads.size() / 2;
    add(node, new Pad(pads.subList(0, rank), pads.subList(rank, 2 * rank), 0), value(node, 0));
  }

  private void readMatMul(OnnxNode node) {
    List<OnnxNode> readers = consumers.getOrDefault(node.output(), List.of());
    if (readers.size() == 1
        && readers.get(0).op().equals("Add")
        && productOf(readers.get(0)) == node) {
      return;
    }
    readLinear(node, value(node, 0), node.input(1), false, "");
  }

  private void readLinear(OnnxNode node, Value x, String w, boolean transposed, String bias) {
    OnnxTensor weights = constants.get(w);
    require(
        weights.shape().rank() == 2,
        node.label() + ": expected a matrix of weights, got " + weights);
    Value weight = weight(weights, !transposed);
    int outputs = weight.spec().shape().dim(0);
    if (bias.isEmpty()) {
      add(node, new Linear(), x, weight);
    } else {
      Value b = vector(constants.get(bias), outputs, Value.Role.PARAM, node);
      add(node, new Linear(), x, weight, b);
    }
  }

  private void readFlatten(OnnxNode node) {
    Value x = value(node, 0);
    if (x.spec().shape().rank() == 2) {
      values.put(node.output(), x);
    } else {
      add(node, new Flatten(), x);
    }
  }

  private void readReshape(OnnxNode node) {
    Shape x = value(node, 0).spec().shape();
    long[] to = constants.get(node.input(1)).longs();
    boolean batchKept =
        to.length == 2
            && (to[0] == -1
                || to[0] == fixedBatch
                || to[0] == 0 && node.integer("allowzero", 0) == 0);
    boolean rest = to.length == 2 && (to[1] == x.elementsPerSample() || to[1] == -1 && to[0] != -1);
    require(
        batchKept && rest,
        node.label() + ": only to [N,-1], got " + Arrays.toString(to) + " of " + x);
    readFlatten(node);
  }

  private PoolWindow window(OnnxNode node) {
    Value x = value(node, 0);
    require(x.spec().shape().rank() == 4, node.label() + ": expected [N,C,H,W], got " + x);
    int[] kernel = node.sizes("kernel_shape", 0, 0);
    int[] stride = node.sizes("strides", 1, 1);
    int[] pads = pads(node, x, kernel, stride, new int[] {1, 1});
    if (node.integer("ceil_mode", 0) != 0) {
      for (int i = 0; i < 2; i++) {
        int rest = x.spec().shape().dim(2 + i) + pads[i] + pads[2 + i] - kernel[i];
        require(
            stride[i] > 0 && rest % stride[i] == 0,
            node.label() + ": ceil_mode where the window does not divide the input");
      }
    }
    return new PoolWindow(
        kernel[0], kernel[1], stride[0], stride[1], pads[0], pads[1], pads[2], pads[3]);
  }

  /** Top, left, bottom, right. */
  private static int[] pads(OnnxNode node, Value x, int[] kernel, int[] stride, int[] dilation) {
    String auto = node.text("auto_pad", "NOTSET");
    int[] pads = node.sizes("pads", 0, 0, 0, 0);
    switch (auto) {
      case "NOTSET", "" -> {
        return pads;
      }
      case "VALID" -> {
        return new int[4];
      }
      case "SAME_UPPER", "SAME_LOWER" -> {
        for (int i = 0; i < 2; i++) {
          require(stride[i] > 0, node.label() + ": stride 0");
          int size = x.spec().shape().dim(2 + i);
          int out = (size + stride[i] - 1) / stride[i];
          int span = dilation[i] * (kernel[i] - 1) + 1;
          int total = Math.max(0, (out - 1) * stride[i] + span - size);
          int less = total / 2;
          pads[i] = auto.equals("SAME_UPPER") ? less : total - less;
          pads[2 + i] = total - pads[i];
        }
        return pads;
      }
      default -> throw new IllegalArgumentException(node.label() + ": auto_pad " + auto);
    }
  }

  /** The parameter of a weight tensor, transposed from [I,O] if so asked; shared by its readers. */
  private Value weight(OnnxTensor tensor, boolean transpose) {
    return weights.computeIfAbsent(
        tensor.name() + (transpose ? " transposed" : ""),
        key -> {
          requireFinite(tensor);
          Shape shape =
              transpose ? Shape.of(tensor.shape().dim(1), tensor.shape().dim(0)) : tensor.shape();
          byte[] data = transpose ? transposed(tensor) : tensor.data();
          HostTensor contentsOf = MemoryOrder.fromOnnx(new TensorSpec(DType.F32, shape), data);
          return persistent(tensor.name(), contentsOf, Value.Role.PARAM);
        });
  }

  private static void requireFinite(OnnxTensor tensor) {
    FloatBuffer values =
        ByteBuffer.wrap(tensor.data()).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
    for (int i = 0; i < values.capacity(); i++) {
      require(
          Float.isFinite(values.get(i)),
          "initializer \"" + tensor.name() + "\": element " + i + " is " + values.get(i));
    }
  }

  private static byte[] transposed(OnnxTensor matrix) {
    int rows = matrix.shape().dim(0);
    int columns = matrix.shape().dim(1);
    byte[] from = matrix.data();
    byte[] to = new byte[from.length];
    for (int r = 0; r < rows; r++) {
      for (int c = 0; c < columns; c++) {
        System.arraycopy(from, (r * columns + c) * 4, to, (c * rows + r) * 4, 4);
      }
    }
    return to;
  }

  /**
   * A vector of its own for the reader: tools give equal vectors (zeros, ones) one initializer,
   * which does not mean that they are to be trained as one.
   */
  private Value vector(OnnxTensor tensor, int n, Value.Role role, OnnxNode node) {
    requireFinite(tensor);
    float[] values = tensor.floats();
    boolean row = tensor.shape().rank() <= 1 || tensor.shape().dim(tensor.shape().rank() - 1) == n;
    require(
        (values.length == n || values.length == 1) && row,
        node.label() + ": expected " + n + " values, got " + tensor);
    if (values.length == 1 && n != 1) {
      float value = values[0];
      values = new float[n];
      Arrays.fill(values, value);
    }
    return persistent(tensor.name(), HostTensor.of(Shape.of(n), values), role);
  }

  private Value persistent(String wanted, HostTensor contentsOf, Value.Role role) {
    String free = wanted;
    for (int i = 2; !taken.add(free); i++) {
      free = wanted + "_" + i;
    }
    Value value =
        role == Value.Role.PARAM
            ? builder.param(free, contentsOf.spec())
            : builder.state(free, contentsOf.spec());
    contents.put(value.name(), contentsOf);
    return value;
  }

  private static void require(boolean holds, String problem) {
    if (!holds) {
      throw new IllegalArgumentException(problem);
    }
  }
}
