package org.quantrain.integer;

import java.util.List;
import java.util.Map;

/**
 * The runtime that executed the file, and what it made of it.
 *
 * @param optimization level of graph optimization
 * @param instructions instruction sets of the processor that matter to integer arithmetic
 * @param operators of the optimized graph of the file as it is, with how many there are
 * @param keptFloat why layers were not executed on integers; empty if all were
 */
public record RuntimeFacts(
    String name,
    String version,
    String optimization,
    String instructions,
    Map<String, Integer> operators,
    List<String> keptFloat) {
  public RuntimeFacts {
    operators = java.util.Collections.unmodifiableMap(new java.util.TreeMap<>(operators));
    keptFloat = List.copyOf(keptFloat);
  }

  /** Every quantized layer ran on integers: else equal codes would prove nothing. */
  public boolean integersExecuted() {
    return keptFloat.isEmpty();
  }

  @Override
  public String toString() {
    return name + " " + version + ", " + optimization + ", " + instructions;
  }
}
