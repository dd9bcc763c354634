package org.quantrain.autodiff;

import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Value;

/**
 * A forward graph with its gradient nodes.
 *
 * @param gradients for each parameter that the loss depends on, the value that holds its gradient
 */
public record TrainingGraph(Graph graph, Map<Value, Value> gradients) {
  /** The parameters that have gradients, in the order in which these are computed. */
  public List<Value> inOrderOfGradients() {
    Map<Value, Integer> made = new HashMap<>();
    graph.nodes().forEach(node -> node.outputs().forEach(v -> made.put(v, made.size())));
    return gradients.keySet().stream()
        .sorted(Comparator.comparing(param -> made.getOrDefault(gradients.get(param), 0)))
        .toList();
  }
}
