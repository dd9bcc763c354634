package org.quantrain.pass;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import org.quantrain.autodiff.TrainingGraph;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;

/** Removes nodes whose outputs nothing reads; nodes that update state stay. */
public final class EliminateDead {
  private EliminateDead() {}

  public static Graph apply(Graph graph) {
    return apply(graph, Set.of());
  }

  /** Keeps what the gradients need as well. */
  public static TrainingGraph apply(TrainingGraph training) {
    Graph graph = apply(training.graph(), new HashSet<>(training.gradients().values()));
    return new TrainingGraph(graph, training.gradients());
  }

  private static Graph apply(Graph graph, Set<Value> roots) {
    Set<Value> needed = new HashSet<>(graph.outputs());
    needed.addAll(roots);
    List<Node> kept = new ArrayList<>();
    for (int i = graph.nodes().size() - 1; i >= 0; i--) {
      Node node = graph.nodes().get(i);
      if (!node.op().updates().isEmpty() || node.outputs().stream().anyMatch(needed::contains)) {
        needed.addAll(node.inputs());
        kept.add(node);
      }
    }
    Collections.reverse(kept);
    return new Graph(graph.inputs(), kept, graph.outputs());
  }
}
