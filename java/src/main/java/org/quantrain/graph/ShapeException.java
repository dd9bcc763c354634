package org.quantrain.graph;

/** Inputs of an operation do not fit together. */
public final class ShapeException extends GraphException {
  private static final long serialVersionUID = 1L;

  public ShapeException(String message) {
    super(message);
  }
}
