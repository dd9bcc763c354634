package org.quantrain.integer;

import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.quantrain.op.Contract;

/** Whether TensorFlow Lite executes each operator by the kernels whose arithmetic is expected. */
final class DelegatedOperators {
  /** Operators that have an arithmetic of their own, and its name among a contract's rules. */
  private static final Map<String, String> RULES =
      Map.of(
          "CONV_2D", "convolution",
          "DEPTHWISE_CONV_2D", "depthwise convolution",
          "FULLY_CONNECTED", "linear",
          "ADD", "add",
          "AVERAGE_POOL_2D", "average pool");

  private static final String BUILT_IN = "built-in";
  private static final String XNNPACK = "XNNPACK";

  private DelegatedOperators() {}

  /** As in "CONV_2D by XNNPACK: FP32_RNE"; operators without an arithmetic are exact anyhow. */
  static Map<String, Integer> counts(Contract contract, List<ChildProtocol.OptimizedNode> nodes) {
    Map<String, Integer> counts = new TreeMap<>();
    for (ChildProtocol.OptimizedNode node : nodes) {
      String rule = RULES.get(node.op());
      String suffix = rule == null ? "" : ": " + contract.rules().get(rule);
      counts.merge(node.op() + " by " + node.domain() + suffix, 1, Integer::sum);
    }
    return counts;
  }

  /** Adds a line for every operator that other kernels execute. */
  static void check(
      Contract contract,
      List<ChildProtocol.OptimizedNode> nodes,
      String suffix,
      List<String> problems) {
    for (ChildProtocol.OptimizedNode node : nodes) {
      if (!RULES.containsKey(node.op())) {
        continue;
      }
      boolean delegated = contract == Contract.XNNPACK && !node.op().equals("AVERAGE_POOL_2D");
      String expected = delegated ? XNNPACK : BUILT_IN;
      if (!node.domain().equals(expected)) {
        problems.add(
            "%s \"%s\" is executed by %s kernels, contract %s is of %s kernels%s"
                .formatted(node.op(), node.name(), node.domain(), contract.id(), expected, suffix));
      }
    }
  }
}
