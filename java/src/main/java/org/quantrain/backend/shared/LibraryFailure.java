package org.quantrain.backend.shared;

/** A library refused a call; {@link Steps} says of which node. */
public class LibraryFailure extends RuntimeException {
  private static final long serialVersionUID = 1L;

  public LibraryFailure(String message) {
    super(message);
  }
}
