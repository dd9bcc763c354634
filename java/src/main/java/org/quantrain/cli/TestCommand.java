package org.quantrain.cli;

import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Only for the help: the launcher in the source tree builds and runs the tests. */
@Command(
    name = "test",
    description = "Run every test, from the source tree; options go to Maven.",
    abbreviateSynopsis = true,
    optionListHeading = "%nOptions:%n",
    footer = {"", "Example:", "  ./quantrain test", "  ./quantrain test -Dtest=PlanTest"})
final class TestCommand implements Callable<Integer> {
  @Option(
      names = {"-h", "--help"},
      usageHelp = true,
      description = "Print this help.")
  private boolean help;

  @Parameters(paramLabel = "OPTION", arity = "0..*", description = "Options of Maven.")
  private String[] options;

  @Override
  public Integer call() {
    throw new UsageException("tests are run by the launcher in the source tree: ./quantrain test");
  }
}
