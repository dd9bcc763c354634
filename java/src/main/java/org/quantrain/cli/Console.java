package org.quantrain.cli;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.PrintStream;
import org.quantrain.report.Json;

/**
 * Where a command talks: people are told on standard output, or on standard error where standard
 * output belongs to a machine.
 */
final class Console {
  private final PrintStream out;
  private final PrintStream err;
  private final boolean terminal;
  private boolean json;
  private String command = "quantrain";

  Console(PrintStream out, PrintStream err, boolean terminal) {
    this.out = out;
    this.err = err;
    this.terminal = terminal;
  }

  /** From now on standard output is for one JSON object. */
  void useJson() {
    json = true;
  }

  void setCommand(String[] args) {
    StringBuilder line = new StringBuilder("quantrain");
    for (String arg : args) {
      boolean plain = arg.matches("[\\w@%+=:,./-]+");
      line.append(' ').append(plain ? arg : "'" + arg.replace("'", "'\\''") + "'");
    }
    command = line.toString();
  }

  /** What was typed, as a shell would take it again. */
  String command() {
    return command;
  }

  /** Whether something that moves can be shown. */
  boolean isTerminal() {
    return terminal && !json;
  }

  /** What people read. */
  PrintStream text() {
    return json ? err : out;
  }

  PrintStream errors() {
    return err;
  }

  void say(String line) {
    text().println(line);
    text().flush();
  }

  /** As in "run runs/digits-lenet-w8a8-1". */
  void fact(String name, String value) {
    say("%-9s%s".formatted(name, value));
  }

  void warn(String line) {
    err.println("quantrain: " + line);
    err.flush();
  }

  /** The result for machines, if one listens. */
  void result(JsonNode result) {
    if (json) {
      out.println(Json.line(result));
      out.flush();
    }
  }
}
