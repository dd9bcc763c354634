package org.quantrain.onnx;

import static org.quantrain.onnx.Arguments.require;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.function.Supplier;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.op.Flatten;
import org.quantrain.op.Reshape;
import org.quantrain.op.ToFloat;
import org.quantrain.op.Transpose;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Layout;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/**
 * A graph that is being made from a file: what the file's tensors have become so far.
 *
 * <p>Initializers turn into parameters or state where a node reads them. A tensor may be wanted in
 * both orders in memory, and one of rank 3 also as the image [N,C,1,L]; each is made once.
 */
final class Importing {
  private final OnnxFile file;
  private final GraphBuilder builder = new GraphBuilder();
  private final Map<String, Value> values = new HashMap<>();
  private final Map<String, Constant> constants = new HashMap<>();
  private final Map<String, OnnxNode> producers = new HashMap<>();
  private final Map<String, HostTensor> contents = new HashMap<>();

  /** Parameters and state that several nodes share, by what was asked for. */
  private final Map<String, Value> shared = new HashMap<>();

  private final TruthValues truths = new TruthValues(builder, contents);
  private final Map<Value, Node> makers = new HashMap<>();
  private final Map<Value, Value> otherLayout = new HashMap<>();
  private final Map<Value, Value> images = new HashMap<>();
  private final Map<Value, Value> rows = new HashMap<>();

  /** Names under which float initializers are known. */
  private final Set<String> initializers = new HashSet<>();

  private final Set<String> taken = new HashSet<>();
  private long fixedBatch = -1;

  Importing(OnnxFile file) {
    this.file = file;
    file.nodes().forEach(node -> node.outputs().forEach(out -> producers.put(out, node)));
  }

  GraphBuilder builder() {
    return builder;
  }

  Map<String, HostTensor> contents() {
    return contents;
  }

  /** The batch size that the file was made for, -1 where it is free. */
  void fixBatch(long size) {
    fixedBatch = size;
  }

  Arguments arguments(OnnxNode node) {
    return new Arguments(node, file.opset(), constants, fixedBatch);
  }

  /** The node that computes a tensor, past nodes that only pass it on; null for what is given. */
  OnnxNode producer(String tensor) {
    OnnxNode node = producers.get(tensor);
    while (node != null && Set.of("Identity", "Cast", "Dropout").contains(node.op())) {
      node = producers.get(node.input(0));
    }
    return node;
  }

  // ---- tensors of the file
  // -----------------------------------------------------------------------

  void put(String tensor, Value value) {
    values.put(tensor, value);
  }

  void put(String tensor, Constant constant) {
    constants.put(tensor, constant);
  }

  Value computed(String tensor) {
    return values.get(tensor);
  }

  Constant constant(String tensor) {
    return constants.get(tensor);
  }

  boolean isKnown(String tensor) {
    return values.containsKey(tensor) || constants.containsKey(tensor);
  }

  /** A constant of the file that may be trained. */
  void putInitializer(String tensor, Constant constant) {
    put(tensor, constant);
    initializers.add(tensor);
  }

  /** Whether the constant is an initializer's values, in whatever shape. */
  boolean isInitializer(Constant c) {
    Constant source = c.transposeOf() == null ? c : c.transposeOf();
    return source.kind() == Constant.Kind.REAL
        && source.file() != null
        && initializers.contains(source.file().name());
  }

  // ---- adding nodes
  // ------------------------------------------------------------------------------

  /** Adds the node that computes the first output. */
  Value add(Arguments a, Op op, Value... in) {
    Node node = builder.node(a.node().output(), op, in);
    makers.put(node.output(0), node);
    values.put(a.node().output(), node.output(0));
    return node.output(0);
  }

  /** The node of the graph that {@link #add} made for this value; null if it came otherwise. */
  Node maker(Value value) {
    return makers.get(value);
  }

  /** Adds a node on the way to the output. */
  Value step(Arguments a, String what, Op op, Value... in) {
    return builder.node(a.node().output() + "." + what, op, in).output(0);
  }

  /** Whether all elements are 0 or 1, because of what computes the value. */
  boolean isTruth(Value value) {
    return truths.holds(value);
  }

  /** The first output is this value. */
  void pass(Arguments a, Value value) {
    values.put(a.node().output(), value);
  }

  // ---- operands
  // ----------------------------------------------------------------------------------

  /** An input that the network computes, or state with the contents of a constant. */
  Value value(Arguments a, int input) {
    return operand(a, input, Value.Role.STATE);
  }

  /** As above; a constant gets the role, unless it is none that can be trained. */
  Value operand(Arguments a, int input, Value.Role role) {
    String tensor = a.node().input(input);
    Value value = values.get(tensor);
    if (value != null) {
      return value;
    }
    Constant c = constants.get(tensor);
    require(c != null, "input " + input + " is left out");
    return stored(tensor, c, c.shape().withBatch(1), role);
  }

  /**
   * An operand that is broadcast, as float32 also where the network computes integers. A constant
   * comes without leading dimensions of 1, so that it has the order in memory of no image.
   */
  Value term(Arguments a, int input, Value.Role role) {
    Constant c = a.constant(input);
    if (c != null) {
      int[] dims = c.shape().withBatch(1).dims();
      int ones = 0;
      while (ones < dims.length - 1 && dims[ones] == 1) {
        ones++;
      }
      Shape shape = Shape.of(Arrays.copyOfRange(dims, ones, dims.length));
      return real(a, input, stored(a.node().input(input), c, shape, role));
    }
    return real(a, input, operand(a, input, role));
  }

  private Value real(Arguments a, int input, Value v) {
    return v.spec().dtype() == DType.S32 ? step(a, "real" + input, new ToFloat(), v) : v;
  }

  /** A constant as parameter or state, row-major. Integers become int32, truth values float32. */
  private Value stored(String tensor, Constant c, Shape shape, Value.Role asked) {
    Value.Role role = isInitializer(c) ? asked : Value.Role.STATE;
    if (role == Value.Role.PARAM && shape.rank() != 4) {
      return weights(c, tensor, false, shape);
    }
    return once(
        tensor + " as " + role + shape,
        () -> {
          if (shape.rank() != 4) {
            return persistent(tensor, contentsOf(c, shape), role);
          }
          Shape flat = Shape.of(c.elements());
          Value vector = persistent(tensor, contentsOf(c, flat), role);
          return builder.add(tensor + ".shaped", new Reshape(shape), vector);
        });
  }

  private static HostTensor contentsOf(Constant c, Shape shape) {
    if (c.kind() == Constant.Kind.REAL) {
      return c.file() != null
          ? MemoryOrder.fromOnnx(new TensorSpec(DType.F32, shape), c.file().buffer())
          : HostTensor.of(shape, c.floats());
    }
    long[] integers = c.longs();
    if (c.kind() == Constant.Kind.BOOLEAN) {
      float[] values = new float[integers.length];
      for (int i = 0; i < values.length; i++) {
        values[i] = integers[i];
      }
      return HostTensor.of(shape, values);
    }
    return HostTensor.of(shape, Arrays.stream(integers).mapToInt(Math::toIntExact).toArray());
  }

  /**
   * The weights in this input, shared by all that read them; rank 4 in the order of convolutions.
   *
   * @param transpose the matrix is wanted the other way round
   * @param shape what to see the constant as
   */
  Value weights(Arguments a, int input, boolean transpose, Shape shape) {
    String tensor = a.node().input(input);
    Constant c = a.known(input, "operand " + input);
    require(c.kind() == Constant.Kind.REAL, "operand " + input + " holds no reals");
    if (c.transposeOf() != null && c.rank() == 2) {
      return weights(c.transposeOf(), tensor, !transpose, shape);
    }
    return weights(c, tensor, transpose, shape);
  }

  private Value weights(Constant c, String tensor, boolean transpose, Shape shape) {
    String name = c.file() == null ? tensor : c.file().name();
    return once(
        name + (transpose ? " transposed " : " ") + shape,
        () -> {
          TensorSpec spec = new TensorSpec(DType.F32, shape);
          HostTensor held;
          if (transpose) {
            held = transposed(c, shape);
          } else if (c.file() != null) {
            held = MemoryOrder.fromOnnx(spec, c.file().buffer());
          } else {
            byte[] bytes = new byte[4 * c.elements()];
            ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().put(c.floats());
            held = MemoryOrder.fromOnnx(spec, bytes);
          }
          return persistent(name, held, Value.Role.PARAM);
        });
  }

  private static HostTensor transposed(Constant c, Shape shape) {
    int rows = shape.dim(0);
    int columns = shape.dim(1);
    HostTensor held = HostTensor.zeros(new TensorSpec(DType.F32, shape));
    var to = held.buffer().asFloatBuffer();
    for (int r = 0; r < rows; r++) {
      for (int i = 0; i < columns; i++) {
        to.put(r * columns + i, c.real(i * rows + r));
      }
    }
    return held;
  }

  /**
   * A vector of its own for the reader: tools give equal vectors (zeros, ones) one initializer,
   * which does not mean that they are to be trained as one.
   */
  Value vector(Arguments a, int input, int n, Value.Role role) {
    Constant c = a.known(input, "operand " + input);
    boolean fits = c.elements() == 1 || c.elements() == n;
    for (int i = 0; i < c.rank() - 1; i++) {
      fits &= c.shape().dim(i) == 1 || c.elements() == c.shape().dim(i);
    }
    require(
        fits && c.kind() == Constant.Kind.REAL,
        "operand " + input + ": expected " + n + " values, got " + c);
    float[] values = c.floats();
    if (values.length != n) {
      values = filled(n, values[0]);
    }
    String name = c.file() == null ? a.node().input(input) : c.file().name();
    return persistent(name, HostTensor.of(Shape.of(n), values), role);
  }

  static float[] filled(int n, float value) {
    float[] values = new float[n];
    Arrays.fill(values, value);
    return values;
  }

  /** What the key stands for, made at the first call. */
  Value once(String key, Supplier<Value> made) {
    Value value = shared.get(key);
    if (value == null) {
      value = made.get();
      shared.put(key, value);
    }
    return value;
  }

  Value persistent(String wanted, HostTensor held, Value.Role role) {
    if (role == Value.Role.PARAM) {
      requireFinite(wanted, held);
    }
    String free = wanted;
    for (int i = 2; !taken.add(free); i++) {
      free = wanted + "_" + i;
    }
    Value value =
        role == Value.Role.PARAM
            ? builder.param(free, held.spec())
            : builder.state(free, held.spec());
    contents.put(value.name(), held);
    return value;
  }

  private static void requireFinite(String name, HostTensor held) {
    FloatBuffer values = held.buffer().asFloatBuffer();
    for (int i = 0; i < values.capacity(); i++) {
      if (!Float.isFinite(values.get(i))) {
        throw new IllegalArgumentException(
            "initializer \"" + name + "\" has an element " + values.get(i));
      }
    }
  }

  // ---- orders in memory and shapes
  // ---------------------------------------------------------------

  Value channelsLast(Value v) {
    return laidOut(v, Layout.CHANNELS_LAST);
  }

  Value rowMajor(Value v) {
    return laidOut(v, Layout.ROW_MAJOR);
  }

  private Value laidOut(Value v, Layout layout) {
    if (v.spec().with(layout).equals(v.spec())) {
      return v;
    }
    Value other = otherLayout.get(v);
    if (other == null) {
      String name = v.name() + (layout == Layout.ROW_MAJOR ? ".rows" : ".channelsLast");
      other = Transpose.relayout(builder, name, v, layout);
      otherLayout.put(v, other);
      otherLayout.put(other, v);
    }
    return other;
  }

  /** Values of rank 4 in one order: channels-last if one of them is. */
  Value[] aligned(Value... in) {
    boolean images = Arrays.stream(in).anyMatch(v -> v.spec().isChannelsLast());
    return Arrays.stream(in).map(v -> images ? channelsLast(v) : v).toArray(Value[]::new);
  }

  /** [N,C,L] as [N,C,1,L], channels-last; other ranks must be 4. */
  Value image(Value v) {
    Shape shape = v.spec().shape();
    if (shape.rank() != 3) {
      require(shape.rank() == 4, "expected [N,C,H,W] or [N,C,L], got " + v.spec());
      return channelsLast(v);
    }
    return images.computeIfAbsent(
        v,
        key -> {
          Shape to = Shape.of(shape.dim(0), shape.dim(1), 1, shape.dim(2));
          return channelsLast(builder.add(v.name() + ".image", new Reshape(to), v));
        });
  }

  /** The first output is this image, as [N,C,L] if the input had that form. */
  void passImage(Arguments a, Value image, boolean asLine) {
    Value y = image;
    if (asLine) {
      Shape shape = image.spec().shape();
      Shape line = Shape.of(shape.dim(0), shape.dim(1), shape.dim(3));
      y = builder.add(a.node().output() + ".line", new Reshape(line), rowMajor(image));
      images.put(y, image);
    }
    pass(a, y);
  }

  /** The value in another shape. */
  Value reshaped(String name, Value v, Shape to) {
    Shape from = v.spec().shape();
    if (from.equals(to)) {
      return v;
    }
    boolean flat = v.spec().isChannelsLast() && to.rank() == 2 && to.dim(0) == from.dim(0);
    return flat
        ? builder.add(name, new Flatten(), v)
        : builder.add(name, new Reshape(to), rowMajor(v));
  }

  /** A matrix of all rows of the last dimension, one for all layers that read them. */
  Value asRows(Value v) {
    int[] dims = v.spec().shape().dims();
    int last = dims[dims.length - 1];
    long count = ShapeRules.product(Arrays.copyOf(dims, dims.length - 1));
    Shape to = Shape.of(Arguments.size(count), last);
    return rows.computeIfAbsent(v, x -> reshaped(x.name() + ".rows", rowMajor(x), to));
  }
}
