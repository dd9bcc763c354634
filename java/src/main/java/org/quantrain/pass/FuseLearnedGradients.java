package org.quantrain.pass;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.quantrain.autodiff.TrainingGraph;
import org.quantrain.graph.Graph;
import org.quantrain.graph.Node;
import org.quantrain.graph.Op;
import org.quantrain.graph.Value;
import org.quantrain.op.Add;
import org.quantrain.op.Dequantize;
import org.quantrain.op.DequantizeAcc;
import org.quantrain.op.LearnedAccBackward;
import org.quantrain.op.LearnedAddBackward;
import org.quantrain.op.LearnedGridBackward;
import org.quantrain.op.Relu;
import org.quantrain.op.ReluBackward;
import org.quantrain.op.ScaleRule;
import org.quantrain.tensor.DType;
import org.quantrain.tensor.TensorSpec;

/**
 * The gradient of a learned scale reads the real values in front of its quantizer. Where integers
 * tell them, it computes them as it goes, with the ReLU between: a step writes and reads none of
 * them. The same bits.
 */
final class FuseLearnedGradients {
  private final Map<Value, Node> producers = new HashMap<>();
  private final Map<Value, List<Node>> consumers = new HashMap<>();
  private final Set<Value> results;

  private FuseLearnedGradients(Graph graph, Set<Value> gradients) {
    for (Node node : graph.nodes()) {
      node.outputs().forEach(v -> producers.put(v, node));
      node.inputs().forEach(v -> consumers.computeIfAbsent(v, k -> new ArrayList<>()).add(node));
    }
    results = new HashSet<>(graph.outputs());
    results.addAll(gradients);
  }

  static TrainingGraph apply(TrainingGraph training) {
    Graph graph = training.graph();
    Set<Value> gradients = new HashSet<>(training.gradients().values());
    FuseLearnedGradients pass = new FuseLearnedGradients(graph, gradients);
    List<Node> nodes = new ArrayList<>();
    Set<Node> fused = new HashSet<>();
    for (Node node : graph.nodes()) {
      if (!fused.contains(node)) {
        nodes.add(pass.changed(node, fused));
      }
    }
    return EliminateDead.apply(
        new TrainingGraph(
            new Graph(graph.inputs(), nodes, graph.outputs()), training.gradients()));
  }

  /** What stands in the place of a node; further nodes that it stands for are added to fused. */
  private Node changed(Node node, Set<Node> fused) {
    if (!(node.op() instanceof LearnedGridBackward gradient)
        || gradient.rule() != ScaleRule.STEP
        || gradient.spec().perChannel()) {
      return node;
    }
    Node source = producers.get(node.input(0));
    Value dx = node.output(0);
    boolean relu = source != null && source.op() instanceof Relu;
    float upper = Float.POSITIVE_INFINITY;
    if (relu) {
      Node behind = onlyReader(dx);
      upper = ((Relu) source.op()).upper();
      if (behind == null
          || !behind.op().equals(new ReluBackward(upper))
          || behind.input(0) != source.output()) {
        return node;
      }
      dx = behind.output();
      source = producers.get(source.input(0));
    }
    Node one = ofIntegers(node, gradient, source, relu, upper, dx);
    if (one == null) {
      return node;
    }
    if (relu) {
      fused.add(producers.get(dx));
    }
    return one;
  }

  private Node onlyReader(Value v) {
    List<Node> readers = consumers.getOrDefault(v, List.of());
    return readers.size() == 1 && !results.contains(v) ? readers.get(0) : null;
  }

  /** Null where it is not integers that the source reads. */
  private Node ofIntegers(
      Node node, LearnedGridBackward gradient, Node source, boolean relu, float upper, Value dx) {
    List<Value> of = node.inputs().subList(1, 4);
    List<Value> in = new ArrayList<>();
    Op op;
    if (source == null) {
      return null;
    } else if (source.op() instanceof DequantizeAcc) {
      in.addAll(source.inputs().subList(0, 2));
      in.addAll(of);
      in.addAll(source.inputs().subList(2, source.inputs().size()));
      op = new LearnedAccBackward(gradient.spec(), gradient.gradientScale(), relu, upper);
    } else {
      List<Value> a = codes(source);
      List<Value> b = List.of();
      if (source.op() instanceof Add) {
        a = codes(producers.get(source.input(0)));
        b = codes(producers.get(source.input(1)));
        if (b.isEmpty() || a.isEmpty() || !a.get(0).spec().equals(b.get(0).spec())) {
          return null;
        }
      }
      if (a.isEmpty()) {
        return null;
      }
      in.addAll(a);
      in.addAll(of);
      in.addAll(b);
      op = new LearnedAddBackward(gradient.spec(), gradient.gradientScale(), relu, upper);
    }
    return new Node(node.name(), op, in, List.of(dx, node.output(1)));
  }

  /** Codes, scale and zero-point of a tensor's real values; empty if a node does not give such. */
  private static List<Value> codes(Node node) {
    boolean fits =
        node != null
            && node.op() instanceof Dequantize
            && node.inputs().size() == 3
            && node.input(1).spec().equals(TensorSpec.f32(1))
            && isByte(node.input(0).spec().dtype());
    return fits ? node.inputs() : List.of();
  }

  private static boolean isByte(DType dtype) {
    return dtype == DType.U8 || dtype == DType.S8;
  }
}
