package org.quantrain.benchmarks;

import java.util.Arrays;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.VerboseMode;
import org.quantrain.testkit.Example;
import org.quantrain.testkit.OpCase;
import org.quantrain.testkit.OpCases;

/**
 * Measures the copy and every operation in one run and prints a Markdown table: time of a call,
 * bytes per element of the largest buffer, GB/s, that as a fraction of the copy, and GFLOP/s of
 * products. Of the iterations the best counts, for the copy too. Arguments are names of operations;
 * none means all.
 */
public final class KernelTable {
  /** Below this a call is mostly overhead, and a bandwidth would say nothing. */
  private static final long LARGE = 1 << 20;

  private KernelTable() {}

  /** Runs the benchmarks and prints the table. */
  public static void main(String[] args) throws RunnerException, NoSuchFieldException {
    List<String> all = OpCases.all().stream().map(OpCase::name).toList();
    Param listed = OpCaseBenchmark.class.getField("op").getAnnotation(Param.class);
    if (!all.equals(Arrays.asList(listed.value()))) {
      throw new IllegalStateException(
          "OpCaseBenchmark lists " + Arrays.asList(listed.value()) + ", cases are " + all);
    }
    List<String> ops = args.length == 0 ? all : Arrays.asList(args);
    ops.forEach(OpCases::of);

    double copy =
        secondary(
            run(new OptionsBuilder().include(CopyBenchmark.class.getName())).iterator().next(),
            "gigabytes");
    Map<String, RunResult> results = new HashMap<>();
    for (RunResult r :
        run(
            new OptionsBuilder()
                .include(OpCaseBenchmark.class.getName())
                .param("op", ops.toArray(String[]::new)))) {
      results.put(r.getParams().getParam("op"), r);
    }
    System.out.printf("copy: %.1f GB/s%n%n", copy);
    System.out.println("| operation | us/call | bytes/element | GB/s | of copy | GFLOP/s |");
    System.out.println("|---|---:|---:|---:|---:|---:|");
    for (String op : ops) {
      print(OpCases.of(op).benchmark().get(), results.get(op), copy);
    }
  }

  private static Collection<RunResult> run(ChainedOptionsBuilder options) throws RunnerException {
    return new Runner(options.verbosity(VerboseMode.NORMAL).shouldFailOnError(true).build()).run();
  }

  private static double secondary(RunResult result, String label) {
    return result.getSecondaryResults().get(label).getStatistics().getMax();
  }

  private static void print(Example example, RunResult result, double copy) {
    double micros = 1e6 / result.getPrimaryResult().getStatistics().getMax();
    if (example.operations() > 0) {
      System.out.printf(
          "| %s | %.0f | | | | %.0f |%n",
          example.op().kind(), micros, secondary(result, "gigaflops"));
    } else if (example.bytes() < LARGE) {
      System.out.printf("| %s | %.1f | | | | |%n", example.op().kind(), micros);
    } else {
      double gigabytes = secondary(result, "gigabytes");
      System.out.printf(
          "| %s | %.0f | %.2f | %.1f | %.2f | |%n",
          example.op().kind(),
          micros,
          (double) example.bytes() / example.elements(),
          gigabytes,
          gigabytes / copy);
    }
  }
}
