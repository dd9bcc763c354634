package org.quantrain.pass;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Collectors;
import org.quantrain.autodiff.TrainingGraph;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.op.LearnedGrid;
import org.quantrain.op.SoftmaxCrossEntropy;

/**
 * What only the backward pass reads is computed there, in front of who reads it, where that keeps
 * no more memory alive than the result itself would: the real values behind codes, of which learned
 * scales take their gradients.
 */
final class ComputeLate {
  private final List<Node> forward;
  private final List<Node> backward;
  private final Map<Value, Node> producers = new HashMap<>();

  /** Of a value and of those that share its memory, by the value that owns it. */
  private final Map<Value, List<Node>> consumers = new HashMap<>();

  private final Map<Value, Value> owners = new HashMap<>();

  /** Of the backward pass, by where they stand or are moved to. */
  private final Set<Node> late = new HashSet<>();

  private ComputeLate(List<Node> nodes) {
    int loss = 0;
    while (!(nodes.get(loss).op() instanceof SoftmaxCrossEntropy)) {
      loss++;
    }
    forward = nodes.subList(0, loss);
    backward = nodes.subList(loss, nodes.size());
    late.addAll(backward);
    for (Node node : nodes) {
      for (int i = 0; i < node.outputs().size(); i++) {
        producers.put(node.output(i), node);
        if (node.op().aliasOf(i) >= 0) {
          owners.put(node.output(i), owner(node.input(node.op().aliasOf(i))));
        }
      }
      for (Value v : node.inputs()) {
        consumers.computeIfAbsent(owner(v), k -> new ArrayList<>()).add(node);
      }
    }
  }

  static TrainingGraph apply(TrainingGraph training) {
    Graph graph = withoutLearnedGrids(training.graph());
    List<Node> nodes = new ComputeLate(graph.nodes()).moved(graph);
    return new TrainingGraph(
        new Graph(graph.inputs(), nodes, graph.outputs()), training.gradients());
  }

  /** Behind differentiation a learned grid is its codes. */
  private static Graph withoutLearnedGrids(Graph graph) {
    Map<Value, Value> codes = new HashMap<>();
    List<Node> nodes = new ArrayList<>();
    for (Node node : graph.nodes()) {
      List<Value> inputs = new ArrayList<>();
      node.inputs().forEach(v -> inputs.add(codes.getOrDefault(v, v)));
      if (node.op() instanceof LearnedGrid) {
        codes.put(node.output(0), inputs.get(0));
      } else {
        nodes.add(new Node(node.name(), node.op(), inputs, node.outputs()));
      }
    }
    return new Graph(graph.inputs(), nodes, graph.outputs());
  }

  private List<Node> moved(Graph graph) {
    Set<Value> updated = new HashSet<>();
    for (int i = forward.size() - 1; i >= 0; i--) {
      Node node = forward.get(i);
      boolean free =
          node.op().updates().isEmpty() && node.inputs().stream().noneMatch(updated::contains);
      boolean given = node.outputs().stream().anyMatch(graph.outputs()::contains);
      if (free && !given && isForLater(node) && keptAlive(node) <= bytes(node.outputs())) {
        late.add(node);
      }
      node.op().updates().forEach(k -> updated.add(node.input(k)));
    }
    List<Node> order = new ArrayList<>();
    Set<Node> placed = new HashSet<>();
    forward.stream().filter(n -> !late.contains(n)).forEach(n -> place(n, order, placed));
    backward.forEach(n -> place(n, order, placed));
    return order;
  }

  private Value owner(Value v) {
    return owners.getOrDefault(v, v);
  }

  private boolean isForLater(Node node) {
    List<Node> readers = new ArrayList<>();
    for (Value v : node.outputs()) {
      if (owners.containsKey(v)) {
        return false;
      }
      readers.addAll(consumers.getOrDefault(v, List.of()));
    }
    return !readers.isEmpty() && late.containsAll(readers);
  }

  /** Bytes that live on if the node is computed late, and would not otherwise. */
  private long keptAlive(Node node) {
    long kept = 0;
    Set<Value> inputs = node.inputs().stream().map(this::owner).collect(Collectors.toSet());
    for (Value v : inputs) {
      kept += v.isPersistent() ? 0 : keptAlive(v, node);
    }
    return kept;
  }

  private long keptAlive(Value v, Node reader) {
    List<Node> others = consumers.get(v).stream().filter(n -> n != reader).toList();
    if (others.stream().anyMatch(late::contains)) {
      return 0;
    }
    Node producer = producers.get(v);
    boolean moves = producer != null && others.isEmpty() && producer.op().updates().isEmpty();
    return moves ? Math.min(bytes(v), keptAlive(producer)) : bytes(v);
  }

  /** In a batch large enough for activations to outweigh what belongs to channels. */
  private static long bytes(Value v) {
    return v.spec().withBatch(64).bytes();
  }

  private static long bytes(List<Value> values) {
    return values.stream().mapToLong(ComputeLate::bytes).sum();
  }

  private void place(Node node, List<Node> order, Set<Node> placed) {
    if (placed.add(node)) {
      for (Value v : node.inputs()) {
        Node producer = producers.get(v);
        if (producer != null && late.contains(producer)) {
          place(producer, order, placed);
        }
      }
      order.add(node);
    }
  }
}
