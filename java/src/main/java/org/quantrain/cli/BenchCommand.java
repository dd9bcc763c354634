package org.quantrain.cli;

import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** Only for the help: the launcher in the source tree builds and runs the benchmarks. */
@Command(
    name = "bench",
    description =
        "Time the native kernels and a training step beside libtorch, the images' way into a step,"
            + " the integer interpreter beside ONNX Runtime, and importing a large model; from the"
            + " source tree.",
    abbreviateSynopsis = true,
    optionListHeading = "%nOptions:%n",
    footer = {
      "",
      "Examples:",
      "  ./quantrain bench kernels",
      "  ./quantrain bench step --profile",
      "  ./quantrain bench interpreter --help"
    })
final class BenchCommand implements Callable<Integer> {
  @Option(
      names = {"-h", "--help"},
      usageHelp = true,
      description = "Print this help.")
  private boolean help;

  @Parameters(
      paramLabel = "WHAT",
      arity = "0..*",
      description = "kernels, step, input, interpreter or import, and its options.")
  private String[] what;

  @Override
  public Integer call() {
    throw new UsageException(
        "benchmarks are run by the launcher in the source tree: ./quantrain bench --help");
  }
}
