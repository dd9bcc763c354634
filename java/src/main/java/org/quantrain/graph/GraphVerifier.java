package org.quantrain.graph;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.quantrain.tensor.TensorSpec;

/** Checks that a graph is well formed and reports every fault at once. */
public final class GraphVerifier {
  private GraphVerifier() {}

  /**
   * Order is topological, names are unique, specs are what the operations infer, only STATE is
   * updated in place.
   *
   * @throws GraphException listing all faults
   */
  public static void verify(Graph graph) {
    List<String> faults = new ArrayList<>();
    Set<Value> known = new HashSet<>(graph.inputs());
    Map<String, Value> names = new HashMap<>();
    Set<String> nodeNames = new HashSet<>();
    graph.inputs().forEach(v -> claim(names, v, faults));
    for (Node node : graph.nodes()) {
      String where = "[" + node.op().kind() + ":" + node.name() + "] ";
      if (!nodeNames.add(node.name())) {
        faults.add(where + "node name is used twice");
      }
      for (Value in : node.inputs()) {
        if (in.isPersistent()) {
          claim(names, in, faults);
        } else if (!known.contains(in)) {
          faults.add(where + "reads " + in.name() + " before it is computed");
        }
      }
      for (int i : node.op().updates()) {
        if (node.input(i).role() != Value.Role.STATE) {
          faults.add(where + "updates " + node.input(i).name() + ", which is not STATE");
        }
      }
      checkSpecs(node, where, faults);
      for (Value out : node.outputs()) {
        claim(names, out, faults);
        if (!known.add(out)) {
          faults.add(where + "computes " + out.name() + " a second time");
        }
      }
    }
    for (Value out : graph.outputs()) {
      if (!out.isPersistent() && !known.contains(out)) {
        faults.add("output " + out.name() + " is not computed");
      }
    }
    if (!faults.isEmpty()) {
      throw new GraphException(String.join("\n", faults));
    }
  }

  private static void checkSpecs(Node node, String where, List<String> faults) {
    try {
      List<TensorSpec> expected = node.op().infer(node.inputs().stream().map(Value::spec).toList());
      List<TensorSpec> actual = node.outputs().stream().map(Value::spec).toList();
      if (!expected.equals(actual)) {
        faults.add(where + "expected outputs " + expected + ", got " + actual);
      }
    } catch (ShapeException e) {
      faults.add(where + e.getMessage());
    }
  }

  private static void claim(Map<String, Value> names, Value value, List<String> faults) {
    Value other = names.putIfAbsent(value.name(), value);
    if (other != null && other != value) {
      faults.add("two values are named " + value.name());
    }
  }
}
