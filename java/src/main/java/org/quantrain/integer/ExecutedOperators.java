package org.quantrain.integer;

import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;

/** Whether an optimized graph computes the layers of a quantized file on integers. */
final class ExecutedOperators {
  /** Operators that, where they are left over, compute a layer in float. */
  private static final Set<String> FLOAT =
      Set.of(
          "Conv",
          "FusedConv",
          "NhwcFusedConv",
          "Gemm",
          "FusedGemm",
          "MatMul",
          "FusedMatMul",
          "Add",
          "Sum",
          "BiasAdd",
          "Concat",
          "AveragePool",
          "GlobalAveragePool",
          "Relu");

  private ExecutedOperators() {}

  static Map<String, Integer> counts(List<ChildProtocol.OptimizedNode> nodes) {
    Map<String, Integer> counts = new TreeMap<>();
    nodes.forEach(n -> counts.merge(n.op(), 1, Integer::sum));
    return counts;
  }

  /** Adds a line for every layer that stayed float and every operator that is missing. */
  static void check(
      List<IntegerLayer> layers,
      List<ChildProtocol.OptimizedNode> nodes,
      String suffix,
      List<String> problems) {
    Set<String> islands = new HashSet<>();
    for (IntegerLayer layer : layers) {
      if (layer instanceof IntegerLayer.Island island) {
        island.floats().operators().forEach(op -> islands.addAll(inFloat(op)));
      }
    }
    for (ChildProtocol.OptimizedNode node : nodes) {
      if (FLOAT.contains(node.op()) && !islands.contains(node.op())) {
        problems.add(node.op() + " \"" + node.name() + "\" is computed in float" + suffix);
      }
    }
    Map<String, Integer> expected = new LinkedHashMap<>();
    for (IntegerLayer layer : layers) {
      String op = operator(layer);
      if (op != null) {
        expected.merge(op, 1, Integer::sum);
      }
    }
    Map<String, Integer> counts = counts(nodes);
    expected.forEach(
        (op, count) -> {
          int found = counts.getOrDefault(op, 0);
          if (found != count) {
            problems.add("expected " + count + " " + op + ", found " + found + suffix);
          }
        });
  }

  /** What an operator of a float island may have become. */
  private static Set<String> inFloat(String operator) {
    return switch (operator) {
      case "Add" -> Set.of("Add", "Sum", "BiasAdd");
      case "MatMul" -> Set.of("MatMul", "FusedMatMul");
      default -> Set.of(operator);
    };
  }

  private static String operator(IntegerLayer layer) {
    if (layer instanceof IntegerLayer.Conv) {
      return "QLinearConv";
    } else if (layer instanceof IntegerLayer.Linear || layer instanceof IntegerLayer.Logits) {
      return "QGemm";
    } else if (layer instanceof IntegerLayer.MatMul) {
      return "QLinearMatMul";
    } else if (layer instanceof IntegerLayer.Add) {
      return "QLinearAdd";
    } else if (layer instanceof IntegerLayer.Concat) {
      return "QLinearConcat";
    } else if (layer instanceof IntegerLayer.AveragePool) {
      return "QLinearAveragePool";
    } else if (layer instanceof IntegerLayer.GlobalAveragePool) {
      return "QLinearGlobalAveragePool";
    }
    return null;
  }
}
