package org.quantrain.backend.cuda;

import org.quantrain.backend.shared.LibraryFailure;

/** A library has no kernel for what was asked: another type of operands may do. */
final class Unsupported extends LibraryFailure {
  private static final long serialVersionUID = 1L;

  Unsupported(String message) {
    super(message);
  }
}
