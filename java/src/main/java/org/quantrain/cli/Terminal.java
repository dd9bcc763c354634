package org.quantrain.cli;

import java.io.Console;

/** Whether a person is looking. */
final class Terminal {
  private Terminal() {}

  /** True if standard input and output are a terminal. */
  static boolean isAttached() {
    Console console = System.console();
    if (console == null || "dumb".equals(System.getenv("TERM"))) {
      return false;
    }
    try {
      // Since Java 22 there is a console without a terminal, and a method that tells.
      return (Boolean) Console.class.getMethod("isTerminal").invoke(console);
    } catch (ReflectiveOperationException e) {
      return true;
    }
  }
}
