package org.quantrain.onnx;

import java.util.Arrays;
import java.util.List;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;

/** Writes one node of a float graph, as one operator of a file or several. */
record FloatNodeWriter(Node node, OnnxGraphBuilder out) {

  <T extends Op> T op(Class<T> kind) {
    return kind.cast(node.op());
  }

  String in(int i) {
    return node.input(i).name();
  }

  List<String> inputs() {
    return node.inputs().stream().map(v -> v.name()).toList();
  }

  /** The operator that computes the node's output. */
  OnnxGraphBuilder.NodeAttributes last(String operator, List<String> inputs) {
    return out.node(operator, node.name(), inputs, node.output(0).name());
  }

  OnnxGraphBuilder.NodeAttributes last(String operator, String... inputs) {
    return last(operator, Arrays.asList(inputs));
  }

  /** An operator on the way there; returns the name of its output. */
  String step(String what, String operator, String... inputs) {
    String name = name(what);
    out.node(operator, name, Arrays.asList(inputs), name);
    return name;
  }

  /** As above, with one attribute. */
  String step(String what, String operator, String attribute, int[] value, String... inputs) {
    String name = name(what);
    out.node(operator, name, Arrays.asList(inputs), name).with(attribute, value);
    return name;
  }

  /** As above, with one attribute. */
  String step(String what, String operator, String attribute, long value, String... inputs) {
    String name = name(what);
    out.node(operator, name, Arrays.asList(inputs), name).with(attribute, value);
    return name;
  }

  /** Whether the file's operator set has the axes of every reduction as an input. */
  boolean axesAreInputs() {
    return out.opset() >= 18;
  }

  String scalar(String what, double value) {
    return out.constant(name(what), HostTensor.of(Shape.of(), (float) value));
  }

  String floats(String what, float... values) {
    return out.constant(name(what), HostTensor.of(Shape.of(values.length), values));
  }

  String integers(String what, List<? extends Number> values) {
    return out.integers(name(what), values);
  }

  private String name(String what) {
    return out.unique(node.name() + "." + what);
  }
}
