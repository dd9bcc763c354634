package org.quantrain.graph;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.TensorSpec;

/**
 * An immutable graph. Nodes are in topological order and run in that order, so a node sees what
 * earlier nodes wrote to STATE values.
 */
public final class Graph {
  private final List<Value> inputs;
  private final List<Node> nodes;
  private final List<Value> outputs;
  private final Map<Value, Node> producers = new HashMap<>();
  private final Map<Value, List<Node>> consumers = new HashMap<>();

  /** Checked by {@link GraphVerifier}. */
  public Graph(List<Value> inputs, List<Node> nodes, List<Value> outputs) {
    this.inputs = List.copyOf(inputs);
    this.nodes = List.copyOf(nodes);
    this.outputs = List.copyOf(outputs);
    for (Node node : nodes) {
      node.outputs().forEach(v -> producers.put(v, node));
      new LinkedHashSet<>(node.inputs())
          .forEach(v -> consumers.computeIfAbsent(v, k -> new ArrayList<>()).add(node));
    }
    GraphVerifier.verify(this);
  }

  public List<Value> inputs() {
    return inputs;
  }

  /**
   * Rows of a batch: the first dimension of all its tensors.
   *
   * @param batch a tensor for each input, in memory order
   * @throws IllegalArgumentException if the batch does not fit the inputs
   */
  public int rows(List<HostTensor> batch) {
    int first = batch.isEmpty() ? 0 : batch.get(0).shape().dim(0);
    int rows = Math.max(1, first);
    List<TensorSpec> expected = inputs.stream().map(v -> v.spec().withBatch(rows)).toList();
    List<TensorSpec> given = batch.stream().map(HostTensor::spec).toList();
    if (!expected.equals(given)) {
      throw new IllegalArgumentException("expected a batch of %s, got %s".formatted(expected, given));
    }
    return rows;
  }

  public List<Node> nodes() {
    return nodes;
  }

  public List<Value> outputs() {
    return outputs;
  }

  /** The node that computes the value; empty for inputs, parameters and state. */
  public Optional<Node> producer(Value value) {
    return Optional.ofNullable(producers.get(value));
  }

  /** Nodes that read the value, in order, each once. */
  public List<Node> consumers(Value value) {
    return List.copyOf(consumers.getOrDefault(value, List.of()));
  }

  /** PARAM and STATE values in order of first use. */
  public List<Value> persistent() {
    LinkedHashSet<Value> found = new LinkedHashSet<>();
    nodes.forEach(n -> n.inputs().stream().filter(Value::isPersistent).forEach(found::add));
    return List.copyOf(found);
  }

  /** PARAM values in order of first use. */
  public List<Value> params() {
    return persistent().stream().filter(v -> v.role() == Value.Role.PARAM).toList();
  }

  /** The input, computed or persistent value with this name. */
  public Optional<Value> value(String name) {
    for (Value v : inputs) {
      if (v.name().equals(name)) {
        return Optional.of(v);
      }
    }
    for (Node n : nodes) {
      for (Value v : n.outputs()) {
        if (v.name().equals(name)) {
          return Optional.of(v);
        }
      }
      for (Value v : n.inputs()) {
        if (v.isPersistent() && v.name().equals(name)) {
          return Optional.of(v);
        }
      }
    }
    return Optional.empty();
  }

  @Override
  public String toString() {
    return GraphPrinter.print(this);
  }
}
