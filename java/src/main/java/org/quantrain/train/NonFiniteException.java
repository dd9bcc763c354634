package org.quantrain.train;

/** NaN or Inf in the loss or in a gradient; the last checkpoint is intact. */
public final class NonFiniteException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public NonFiniteException(String message) {
    super(message);
  }
}
