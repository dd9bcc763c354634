package org.quantrain.benchmarks;

import picocli.CommandLine.Option;

/** The options that every benchmark has. */
final class Printing {
  @Option(names = "--json", description = "Print one JSON object instead of text.")
  private boolean json;

  @Option(
      names = {"-h", "--help"},
      usageHelp = true,
      description = "Print this help.")
  private boolean help;

  boolean json() {
    return json;
  }
}
