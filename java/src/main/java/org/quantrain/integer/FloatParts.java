package org.quantrain.integer;

import static org.quantrain.integer.QdqAttributes.require;

import java.util.ArrayDeque;
import java.util.Deque;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.quantrain.onnx.OnnxFile;
import org.quantrain.onnx.OnnxNode;
import org.quantrain.onnx.OnnxReader;
import org.quantrain.onnx.OnnxTensor;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.Layout;
import org.quantrain.tensor.TensorSpec;

/** The float operators of a quantized file, and the parts of them that lie between codes. */
final class FloatParts {
  private final OnnxFile file;

  /** Outputs of DequantizeLinear: the codes they stand for; and codes that are row-major. */
  private final Map<String, CodesTensor> real;

  private final Set<String> rowMajor;

  /** Inputs of the network and float results of layers. */
  private final Map<String, TensorSpec> given = new LinkedHashMap<>();

  /** Float operators by what they compute. */
  private final Map<String, OnnxNode> floats = new LinkedHashMap<>();

  /** Float operators that led to codes or to the output. */
  private final Set<OnnxNode> used = new HashSet<>();

  /** The maps are the parser's, as they grow. */
  FloatParts(OnnxFile file, Map<String, CodesTensor> real, Set<String> rowMajor) {
    this.file = file;
    this.real = real;
    this.rowMajor = rowMajor;
  }

  void give(String tensor, TensorSpec spec) {
    given.put(tensor, spec);
  }

  void add(OnnxNode node) {
    floats.put(node.output(), node);
  }

  /** Whether a float operator makes a tensor. */
  boolean makes(String tensor) {
    return floats.containsKey(tensor);
  }

  /** Whether a tensor is real numbers: made here, given, dequantized codes or constant. */
  boolean isFloat(String tensor) {
    return floats.containsKey(tensor)
        || given.containsKey(tensor)
        || real.containsKey(tensor)
        || file.isConstant(tensor);
  }

  /** Operators that no part was cut with. */
  List<OnnxNode> unused() {
    return floats.values().stream().filter(n -> !used.contains(n)).toList();
  }

  /** Kinds of the float nodes that make a tensor, from it backwards. */
  Set<String> operators(String tensor) {
    Set<String> operators = new LinkedHashSet<>();
    Set<String> seen = new HashSet<>();
    Deque<String> open = new ArrayDeque<>(List.of(tensor));
    while (!open.isEmpty()) {
      OnnxNode node = floats.get(open.poll());
      if (node != null && seen.add(node.output())) {
        operators.add(node.op());
        open.addAll(node.inputs());
      }
    }
    return operators;
  }

  /** The float operators behind a tensor, back to codes, layers and the network's inputs. */
  IntegerLayer.Floats behind(String result) {
    Set<OnnxNode> part = new HashSet<>();
    Map<String, CodesTensor> reads = new LinkedHashMap<>();
    Map<String, TensorSpec> inputs = new LinkedHashMap<>();
    Map<String, OnnxTensor> values = new LinkedHashMap<>();
    Deque<String> open = new ArrayDeque<>(List.of(result));
    while (!open.isEmpty()) {
      String tensor = open.pop();
      if (floats.containsKey(tensor)) {
        OnnxNode node = floats.get(tensor);
        if (part.add(node)) {
          node.inputs().stream().filter(t -> !t.isEmpty()).forEach(open::push);
        }
      } else if (real.containsKey(tensor)) {
        CodesTensor x = real.get(tensor);
        Layout layout = rowMajor.contains(x.name()) ? Layout.ROW_MAJOR : Layout.CHANNELS_LAST;
        reads.put(tensor, x);
        inputs.put(tensor, new TensorSpec(DType.F32, x.shape(), layout));
      } else if (given.containsKey(tensor)) {
        inputs.put(tensor, given.get(tensor));
      } else {
        require(file.isConstant(tensor), "\"" + tensor + "\" is neither float nor constant");
        values.put(tensor, file.constants().get(tensor));
      }
    }
    used.addAll(part);
    List<OnnxNode> nodes = file.nodes().stream().filter(part::contains).toList();
    List<OnnxFile.Input> parameters =
        inputs.keySet().stream()
            .map(name -> new OnnxFile.Input(name, OnnxTensor.FLOAT, List.of(), List.of()))
            .toList();
    OnnxFile whole =
        new OnnxFile(
            file.where(),
            result,
            file.producer(),
            file.opset(),
            Map.of(),
            parameters,
            List.of(result),
            nodes,
            values);
    return new IntegerLayer.Floats(
        OnnxReader.readPart(whole, inputs), reads, nodes.stream().map(OnnxNode::op).toList());
  }
}
