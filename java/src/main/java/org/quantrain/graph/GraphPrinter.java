package org.quantrain.graph;

/** A graph as text, one node a line. */
public final class GraphPrinter {
  private GraphPrinter() {}

  public static String print(Graph graph) {
    StringBuilder text = new StringBuilder();
    graph.inputs().forEach(v -> text.append("input ").append(v).append('\n'));
    graph
        .persistent()
        .forEach(
            v -> text.append(v.role().name().toLowerCase()).append(' ').append(v).append('\n'));
    graph.nodes().forEach(n -> text.append(n.name()).append(": ").append(n).append('\n'));
    graph.outputs().forEach(v -> text.append("output ").append(v).append('\n'));
    return text.toString();
  }
}
