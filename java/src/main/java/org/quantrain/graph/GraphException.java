package org.quantrain.graph;

/**
 * A graph that cannot be built, lowered or differentiated; the message says where and what to do.
 */
public class GraphException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public GraphException(String message) {
    super(message);
  }
}
