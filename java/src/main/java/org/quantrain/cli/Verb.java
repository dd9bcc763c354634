package org.quantrain.cli;

import java.util.concurrent.Callable;
import picocli.CommandLine.Option;

/** What all commands have in common. {@link Main} looks at the first two itself. */
abstract class Verb implements Callable<Integer> {
  @Option(names = "--json", description = "Print one JSON object on standard output.")
  private boolean json;

  @Option(names = "--verbose", description = "Show where an error comes from.")
  private boolean verbose;

  @Option(
      names = {"-h", "--help"},
      usageHelp = true,
      description = "Print this help.")
  private boolean help;

  private final Console console;

  Verb(Console console) {
    this.console = console;
  }

  final Console console() {
    return console;
  }

  /** The exit code: 0 only if everything is as it should be. */
  @Override
  public abstract Integer call() throws Exception;
}
