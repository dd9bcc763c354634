package org.quantrain.cli;

/** A command that cannot do its work; one line that says why, and what to do. */
final class FailureException extends RuntimeException {
  private static final long serialVersionUID = 1L;

  FailureException(String message) {
    super(message);
  }
}
