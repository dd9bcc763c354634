package org.quantrain.graph;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.quantrain.tensor.TensorSpec;

/** Builds a graph node by node; shapes are inferred, names made unique. */
public final class GraphBuilder {
  private final List<Value> inputs = new ArrayList<>();
  private final List<Node> nodes = new ArrayList<>();
  private final Map<String, Value> persistent = new HashMap<>();
  private final Set<String> names = new HashSet<>();

  public GraphBuilder() {}

  /** Continues a graph: its inputs and nodes are kept as they are. */
  public GraphBuilder(Graph graph) {
    graph.inputs().forEach(this::input);
    graph.nodes().forEach(this::keep);
  }

  public Value input(String name, TensorSpec spec) {
    return input(new Value(unique(name), spec, Value.Role.INPUT));
  }

  /** Takes over an input of another graph of the same model. */
  public Value input(Value value) {
    names.add(value.name());
    inputs.add(value);
    return value;
  }

  /** The parameter of this name, made at the first call. */
  public Value param(String name, TensorSpec spec) {
    return persistent(name, spec, Value.Role.PARAM);
  }

  /** The state of this name, made at the first call. */
  public Value state(String name, TensorSpec spec) {
    return persistent(name, spec, Value.Role.STATE);
  }

  private Value persistent(String name, TensorSpec spec, Value.Role role) {
    Value value = persistent.computeIfAbsent(name, n -> new Value(unique(n), spec, role));
    if (!value.spec().equals(spec) || value.role() != role) {
      throw new GraphException(
          name
              + " exists as "
              + value.role()
              + " "
              + value.spec()
              + ", wanted "
              + role
              + " "
              + spec);
    }
    return value;
  }

  /** Adds a node that exists already, keeping its values. */
  public Node keep(Node node) {
    names.add(node.name());
    node.outputs().forEach(v -> names.add(v.name()));
    adopt(node.inputs());
    nodes.add(node);
    return node;
  }

  /** Parameters and state of other graphs of the same model keep their names. */
  private void adopt(List<Value> values) {
    for (Value v : values) {
      if (v.isPersistent()) {
        persistent.putIfAbsent(v.name(), v);
        names.add(v.name());
      }
    }
  }

  /** Adds a node; its first output takes the node's name, further outputs "name:1" and so on. */
  public Node node(String name, Op op, Value... in) {
    return node(name, op, List.of(in));
  }

  public Node node(String name, Op op, List<Value> in) {
    List<TensorSpec> specs;
    try {
      specs = op.infer(in.stream().map(Value::spec).toList());
    } catch (ShapeException e) {
      throw new ShapeException("[" + op.kind() + ":" + name + "] " + e.getMessage());
    }
    adopt(in);
    String nodeName = unique(name);
    List<Value> outputs = new ArrayList<>();
    for (int i = 0; i < specs.size(); i++) {
      String valueName = i == 0 ? nodeName : unique(nodeName + ":" + i);
      outputs.add(new Value(valueName, specs.get(i), Value.Role.COMPUTED));
    }
    Node node = new Node(nodeName, op, in, outputs);
    nodes.add(node);
    return node;
  }

  /** Adds a node with one output and returns that output. */
  public Value add(String name, Op op, Value... in) {
    return node(name, op, in).output();
  }

  /** The nodes so far, each behind those it reads; a view. */
  public List<Node> nodes() {
    return Collections.unmodifiableList(nodes);
  }

  public Graph build(Value... outputs) {
    return build(List.of(outputs));
  }

  public Graph build(List<Value> outputs) {
    return new Graph(inputs, nodes, outputs);
  }

  private String unique(String name) {
    String candidate = name;
    for (int i = 2; !names.add(candidate); i++) {
      candidate = name + "_" + i;
    }
    return candidate;
  }
}
