package org.quantrain.onnx;

import static org.quantrain.onnx.Arguments.require;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.quantrain.graph.Graph;
import org.quantrain.graph.GraphException;
import org.quantrain.graph.Model;
import org.quantrain.graph.Value;
import org.quantrain.pass.EliminateDead;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;
import org.quantrain.tensor.TensorSpec;

/**
 * One reading of a float network, node by node in topological order: what is known is computed,
 * what the network computes becomes nodes. Faults are IllegalArgumentException or GraphException.
 */
final class FloatModelReader {
  private static final Map<String, NodeReader> READERS = new HashMap<>();

  static {
    ElementwiseReaders.addTo(READERS);
    MatrixReaders.addTo(READERS);
    ConvolutionReaders.addTo(READERS);
    PoolReaders.addTo(READERS);
    NormalizationReaders.addTo(READERS);
    MovementReaders.addTo(READERS);
  }

  /** Operators that take initializers as trained tensors instead of computing with them once. */
  private static final Set<String> KEEP_TRAINED = Set.of("Gather", "Slice", "Expand", "Tile");

  /** Operators with outputs that this reader can make besides the first. */
  private static final Set<String> SEVERAL_OUTPUTS = Set.of("Split");

  private final OnnxFile file;
  private final String name;
  private final Map<String, Integer> sizes;
  private final Map<String, TensorSpec> inputs;
  private final Importing in;
  private final ConstantFolding folding = new ConstantFolding();
  private final Set<String> read = new HashSet<>();
  private final List<String> problems = new ArrayList<>();

  /**
   * @param sizes of the dimensions that the file names but does not number, by name
   * @param inputs what inputs are, where it is known better than by the file
   */
  FloatModelReader(
      OnnxFile file, String name, Map<String, Integer> sizes, Map<String, TensorSpec> inputs) {
    this.file = file;
    this.name = name;
    this.sizes = sizes;
    this.inputs = inputs;
    this.in = new Importing(file);
    file.nodes().forEach(node -> read.addAll(node.inputs()));
    read.addAll(file.outputs());
  }

  Model read() {
    require(!file.graphInputs().isEmpty(), "has no input");
    require(!file.outputs().isEmpty(), "has no output");
    file.graphInputs().forEach(this::readInput);
    for (OnnxTensor tensor : file.constants().values()) {
      if (OnnxTensor.bytesOf(tensor.type()) > 0) {
        in.putInitializer(tensor.name(), Constant.of(tensor));
      }
    }
    for (OnnxNode node : file.nodes()) {
      readNode(node);
    }
    require(problems.isEmpty(), "not supported: " + String.join(", ", problems));
    List<Value> outputs = new ArrayList<>();
    for (String output : file.outputs()) {
      Value value = in.computed(output);
      require(value != null, "output \"" + output + "\" does not depend on the input");
      outputs.add(value);
    }
    Graph graph = EliminateDead.apply(in.builder().build(outputs));
    Map<String, HostTensor> contents = new HashMap<>();
    graph.persistent().forEach(v -> contents.put(v.name(), in.contents().get(v.name())));
    return new Model(name, graph, contents);
  }

  private void readInput(OnnxFile.Input input) {
    if (inputs.containsKey(input.name())) {
      in.put(input.name(), in.builder().input(input.name(), inputs.get(input.name())));
      return;
    }
    String label = "input \"" + input.name() + "\"";
    List<Long> dims = input.dims();
    DType dtype =
        switch (input.type()) {
          case OnnxTensor.FLOAT, OnnxTensor.FLOAT16, OnnxTensor.BFLOAT16, OnnxTensor.DOUBLE ->
              DType.F32;
          case OnnxTensor.INT64, OnnxTensor.INT32 -> DType.S32;
          default ->
              throw new IllegalArgumentException(
                  label
                      + ": expected FLOAT, INT64 or INT32, got "
                      + OnnxTensor.nameOf(input.type()));
        };
    require(!dims.isEmpty(), label + ": expected a batch in front, got a scalar");
    int[] shape = new int[dims.size()];
    shape[0] = Shape.BATCH;
    for (int i = 1; i < shape.length; i++) {
      long dim = dims.get(i);
      String symbol = input.symbols().get(i);
      if (dim < 0) {
        require(
            sizes.containsKey(symbol),
            label
                + ": dimension "
                + i
                + " \""
                + symbol
                + "\" has no size in the file: say one when reading it");
        dim = sizes.get(symbol);
      }
      require(dim >= 1 && dim <= 1 << 20, label + ": expected sizes from 1, got " + dims);
      shape[i] = (int) dim;
    }
    if (dims.get(0) > 0) {
      in.fixBatch(dims.get(0));
    }
    in.put(input.name(), in.builder().input(input.name(), new TensorSpec(dtype, Shape.of(shape))));
  }

  private void readNode(OnnxNode node) {
    boolean supported =
        node.domain().isEmpty()
            && (READERS.containsKey(node.op())
                || folding.knows(node)
                || node.op().equals("Constant"));
    if (!supported) {
      problems.add(node.label());
      return;
    }
    if (!node.inputs().stream().allMatch(t -> t.isEmpty() || in.isKnown(t))) {
      // It reads from a node that is among the problems.
      return;
    }
    try {
      read(node);
    } catch (GraphException | IllegalArgumentException | ArithmeticException e) {
      problems.add(node.label() + " (" + e.getMessage() + ")");
    }
  }

  private void read(OnnxNode node) {
    Arguments a = in.arguments(node);
    if (node.op().equals("Constant")) {
      in.put(node.output(), constant(node));
      return;
    }
    Value first = in.computed(node.input(0));
    if (first != null && node.op().equals("Shape")) {
      in.put(node.output(), ConstantFolding.shape(a, first.spec().shape()));
      return;
    }
    Constant same = a.constant(0);
    if (node.op().equals("Identity")
        && same != null
        && same.file() != null
        && in.isInitializer(same)) {
      // Tools give equal tensors one initializer; they are trained apart.
      in.putInitializer(node.output(), Constant.of(same.file().named(node.output())));
      return;
    }
    if (folding.knows(node) && isKnown(a) && !keepsTrained(a)) {
      List<Constant> outputs = folding.fold(a);
      for (int i = 0; i < Math.min(outputs.size(), node.outputs().size()); i++) {
        in.put(node.outputs().get(i), outputs.get(i));
      }
      return;
    }
    for (int i = 1; i < node.outputs().size(); i++) {
      String output = node.outputs().get(i);
      require(
          SEVERAL_OUTPUTS.contains(node.op()) || output.isEmpty() || !read.contains(output),
          "its output \"" + output + "\" is read");
    }
    NodeReader reader = READERS.get(node.op());
    require(reader != null, "only of constants and shapes");
    reader.read(in, a);
  }

  private static boolean isKnown(Arguments a) {
    return a.node().inputs().stream()
        .allMatch(tensor -> tensor.isEmpty() || a.constants().containsKey(tensor));
  }

  private boolean keepsTrained(Arguments a) {
    Constant data = a.constant(0);
    return KEEP_TRAINED.contains(a.node().op())
        && data != null
        && data.rank() > 1
        && in.isInitializer(data);
  }

  private static Constant constant(OnnxNode node) {
    Map<String, Object> attributes = node.attributes();
    if (attributes.get("value") instanceof OnnxTensor t) {
      return Constant.of(t.named(node.output()));
    }
    if (attributes.get("value_float") instanceof Float f) {
      return Constant.of(Shape.of(), f);
    }
    if (attributes.get("value_int") instanceof Long i) {
      return Constant.of(Constant.Kind.INTEGER, Shape.of(), i);
    }
    if (attributes.get("value_ints") instanceof List<?> list
        && list.stream().allMatch(Long.class::isInstance)) {
      long[] values = list.stream().mapToLong(v -> (Long) v).toArray();
      return Constant.of(Constant.Kind.INTEGER, Shape.of(values.length), values);
    }
    if (attributes.get("value_floats") instanceof List<?> list
        && list.stream().allMatch(Float.class::isInstance)) {
      float[] values = new float[list.size()];
      for (int i = 0; i < values.length; i++) {
        values[i] = (Float) list.get(i);
      }
      return Constant.of(Shape.of(values.length), values);
    }
    throw new IllegalArgumentException("kind of value");
  }
}
