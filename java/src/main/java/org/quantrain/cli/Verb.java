package org.quantrain.cli;

import java.util.concurrent.Callable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;
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

  /**
   * Picocli lets options in groups overwrite themselves.
   *
   * @throws UsageException if an option that has one value is given twice
   */
  static void refuseRepeated(CommandSpec spec) {
    for (OptionSpec option : spec.options()) {
      if (!option.isMultiValue() && option.originalStringValues().size() > 1) {
        throw new UsageException(
            "option '%s' is given %d times"
                .formatted(option.longestName(), option.originalStringValues().size()));
      }
    }
  }

  /** The exit code: 0 only if everything is as it should be. */
  @Override
  public abstract Integer call() throws Exception;
}
