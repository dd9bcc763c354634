package org.quantrain.runtime;

/** The processes that train together cannot go on: one is gone, or they do not agree. */
public final class CollectiveException extends QuantrainException {
  private static final long serialVersionUID = 1L;

  public CollectiveException(String message) {
    super(message);
  }
}
