package org.quantrain.train;

import java.io.IOException;

/**
 * A checkpoint that cannot be read or does not belong to this run; one line that says which and
 * why.
 */
public final class CheckpointException extends IOException {
  private static final long serialVersionUID = 1L;

  public CheckpointException(String message) {
    super(message);
  }
}
