package org.quantrain.cli;

import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** The launcher in the source tree builds and runs the other benchmarks. */
@Command(
    name = "bench",
    description =
        "Time training steps on a device; from the source tree also the native kernels and a step"
            + " beside libtorch, the images' way into a step, the integer interpreter beside ONNX"
            + " Runtime, and importing a large model.",
    abbreviateSynopsis = true,
    optionListHeading = "%nOptions:%n",
    footer = {
      "",
      "Examples:",
      "  quantrain bench step --device cuda",
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
      description = "step; from the source tree kernels, input, interpreter or import, too.")
  private String[] what;

  @Override
  public Integer call() {
    throw new UsageException(
        "bench step is here; the other benchmarks are run by the launcher in the source tree:"
            + " ./quantrain bench --help");
  }
}
