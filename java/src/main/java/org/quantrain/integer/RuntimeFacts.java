package org.quantrain.integer;

import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/**
 * The runtime that executed the file, and what it made of it.
 *
 * @param optimization level of graph optimization, and options that change the integers
 * @param instructions instruction sets of the processor that matter to integer arithmetic
 * @param operators of the optimized graph of the file as it is, with how many there are; where a
 *     runtime has kernels of several makers, with the maker and the rule of its contract
 * @param keptFloat which layers were executed in float, or by kernels of another contract
 */
public record RuntimeFacts(
    String name,
    String version,
    String optimization,
    String instructions,
    Map<String, Integer> operators,
    List<String> keptFloat) {
  public RuntimeFacts {
    operators = Collections.unmodifiableMap(new TreeMap<>(operators));
    keptFloat = List.copyOf(keptFloat);
  }

  /**
   * Every quantized layer ran on integers by the contract: else equal codes would prove nothing.
   */
  public boolean integersExecuted() {
    return keptFloat.isEmpty();
  }

  @Override
  public String toString() {
    return name + " " + version + ", " + optimization + ", " + instructions;
  }
}
