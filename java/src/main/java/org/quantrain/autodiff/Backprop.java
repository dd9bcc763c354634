package org.quantrain.autodiff;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.quantrain.graph.Graph;
import org.quantrain.graph.GraphBuilder;
import org.quantrain.graph.GraphException;
import org.quantrain.graph.Node;
import org.quantrain.graph.Value;
import org.quantrain.op.Add;
import org.quantrain.op.SoftmaxCrossEntropy;

/**
 * Reverse-mode differentiation: appends the gradient of the loss as ordinary nodes. Some of them
 * may be dead.
 */
public final class Backprop {
  private Backprop() {}

  /**
   * Gradient of the graph's {@link SoftmaxCrossEntropy} with respect to every parameter it depends
   * on.
   *
   * @throws GraphException if there is no loss or an operation on the way has no gradient
   */
  public static TrainingGraph of(Graph forward) {
    Node loss =
        forward.nodes().stream()
            .filter(n -> n.op() instanceof SoftmaxCrossEntropy)
            .findFirst()
            .orElseThrow(() -> new GraphException("the graph has no loss to differentiate"));
    Set<Value> wanted = dependOnParams(forward);
    GraphBuilder builder = new GraphBuilder(forward);
    Map<Value, Value> grads = new HashMap<>();
    grads.put(loss.output(0), loss.output(0));
    List<Node> nodes = forward.nodes();
    for (int i = nodes.size() - 1; i >= 0; i--) {
      Node node = nodes.get(i);
      if (node.outputs().stream().noneMatch(grads::containsKey)
          || node.inputs().stream().noneMatch(wanted::contains)) {
        continue;
      }
      List<Value> outputGrads = new ArrayList<>();
      node.outputs().forEach(v -> outputGrads.add(grads.get(v)));
      List<Value> inputGrads = node.op().vjp(builder, node, outputGrads);
      for (int k = 0; k < node.inputs().size(); k++) {
        Value in = node.input(k);
        Value grad = inputGrads.get(k);
        if (grad != null && wanted.contains(in)) {
          grads.merge(
              in, grad, (a, b) -> builder.add("grad." + in.name() + ".sum", new Add(), a, b));
        }
      }
    }
    Map<Value, Value> gradients = new LinkedHashMap<>();
    for (Value param : forward.params()) {
      if (grads.containsKey(param)) {
        gradients.put(param, grads.get(param));
      }
    }
    return new TrainingGraph(builder.build(forward.outputs()), gradients);
  }

  /** Values that a parameter reaches; gradients are formed for these only. */
  private static Set<Value> dependOnParams(Graph graph) {
    Set<Value> found = new HashSet<>(graph.params());
    for (Node node : graph.nodes()) {
      if (node.inputs().stream().anyMatch(found::contains)) {
        found.addAll(node.outputs());
      }
    }
    return found;
  }
}
