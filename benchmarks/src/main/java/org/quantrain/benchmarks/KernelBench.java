package org.quantrain.benchmarks;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.quantrain.bench.Sampler;
import org.quantrain.internal.bind.QuantrainNative;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine;

/**
 * {@code quantrain bench kernels}: every native kernel beside the machine's copy bandwidth and,
 * where libtorch has the operation, beside libtorch, in one run. A sample of ours and a sample of
 * the peer and of copies take turns, so that what else the machine does falls on all; figures are
 * medians.
 */
@Command(
    name = "kernels",
    description = "Time the native kernels beside the copy bandwidth and beside libtorch.",
    sortOptions = false,
    abbreviateSynopsis = true,
    optionListHeading = "%nOptions:%n",
    footer = {
      "",
      "B/elem   bytes that a call must move, per element; of copy: its bandwidth over that of a copy",
      "         timed beside it, the better of regular and streaming stores",
      "ratio    time of libtorch's operator over ours",
      "",
      "Example:",
      "  ./quantrain bench kernels",
      "  ./quantrain bench kernels --kernel fake_quant --elements 1048576,16777216 --json"
    })
final class KernelBench implements Callable<Integer> {
  @Option(
      names = "--kernel",
      split = ",",
      paramLabel = "NAME",
      description = "Only these kernels (default: all).")
  private List<String> kernels = List.of();

  @Option(
      names = "--elements",
      split = ",",
      paramLabel = "N",
      defaultValue = "16777216",
      description = "Elements of a tensor, 4096 or more (default: ${DEFAULT-VALUE}).")
  private long[] elements;

  @Option(
      names = "--threads",
      paramLabel = "N",
      defaultValue = "0",
      description = "Threads of both sides (default: one per core).")
  private int threads;

  @Option(
      names = "--samples",
      paramLabel = "N",
      defaultValue = "11",
      description = "Samples that a median is of (default: ${DEFAULT-VALUE}).")
  private int samples;

  @Option(names = "--list", description = "Print the names of the timed cases.")
  private boolean list;

  @Mixin private Printing printing;

  private final ObjectMapper mapper = new ObjectMapper();
  private final ArrayNode rows = mapper.createArrayNode();

  @Override
  public Integer call() {
    if (threads <= 0) {
      threads = Runtime.getRuntime().availableProcessors();
    }
    List<String> names = new ArrayList<>();
    for (int i = 0; i < NativeCases.qt_cases_count(); i++) {
      if (kernels.isEmpty() || kernels.contains(NativeCases.qt_cases_kernel(i))) {
        names.add(NativeCases.name(i));
      }
    }
    if (names.isEmpty()) {
      throw new IllegalArgumentException(
          "no such kernel; ./quantrain bench kernels --list prints the cases");
    }
    if (list) {
      names.forEach(System.out::println);
      return 0;
    }
    for (long n : elements) {
      if (n < 4096) {
        throw new IllegalArgumentException("--elements: expected 4096 or more, got " + n);
      }
      heading(n);
      int copies = NativeCases.qt_cases_copies_open(4 * n, threads);
      for (String name : names) {
        time(name, n, copies);
      }
      NativeCases.qt_cases_copies_close();
    }
    if (printing.json()) {
      ObjectNode result = mapper.createObjectNode();
      result.put("version", QuantrainNative.qt_version().getString());
      result.put("threads", threads);
      result.set("rows", rows);
      System.out.println(result);
    }
    return 0;
  }

  private void heading(long n) {
    if (!printing.json()) {
      System.out.printf(Locale.ROOT, "%n%,d elements, %d threads%n", n, threads);
      System.out.printf(
          "%-48s %7s %9s %7s %7s %8s %9s %6s%n",
          "kernel", "B/elem", "ms", "GB/s", "copy", "of copy", "peer ms", "ratio");
    }
  }

  private void time(String name, long n, int copies) {
    NativeCases.open(name, n, threads);
    TorchPeer peer = TorchPeer.of(name);
    List<Runnable> turns = new ArrayList<>();
    turns.add(NativeCases::qt_cases_run);
    for (int i = 0; i < copies; i++) {
      int way = i;
      turns.add(() -> NativeCases.qt_cases_copy(way));
    }
    if (peer != null) {
      turns.add(peer.open(n, threads));
    }
    double[] seconds = Sampler.medians(samples, turns);
    double ours = seconds[0];
    double fastest = Arrays.stream(seconds, 1, 1 + copies).min().orElse(Double.NaN);
    double copy = 8.0 * n / fastest / 1e9;
    double bytes = NativeCases.qt_cases_bytes();
    double perElement = bytes / NativeCases.qt_cases_elements();
    NativeCases.qt_cases_close();
    double gigabytes = bytes / ours / 1e9;
    double theirs = peer == null ? Double.NaN : seconds[1 + copies];
    if (!printing.json()) {
      System.out.printf(
          Locale.ROOT,
          "%-48s %7.3f %9.3f %7.1f %7.1f %8.2f %9s %6s%n",
          name,
          perElement,
          ours * 1e3,
          gigabytes,
          copy,
          gigabytes / copy,
          peer == null ? "" : String.format(Locale.ROOT, "%.3f", theirs * 1e3),
          peer == null ? "" : String.format(Locale.ROOT, "%.1f", theirs / ours));
      return;
    }
    ObjectNode row = rows.addObject();
    row.put("name", name);
    row.put("backend", "cpu");
    row.put("elements", n);
    row.put("bytesPerElement", perElement);
    row.put("milliseconds", ours * 1e3);
    row.put("gbPerSecond", gigabytes);
    row.put("copyGbPerSecond", copy);
    row.put("fractionOfCopy", gigabytes / copy);
    if (peer != null) {
      row.put("peer", "libtorch " + peer.operator);
      row.put("peerMilliseconds", theirs * 1e3);
      row.put("ratio", theirs / ours);
    }
  }

  /** {@code quantrain bench}. */
  @Command(
      name = "quantrain bench",
      description = "Measure on this machine.",
      subcommands = {
        KernelBench.class,
        StepBench.class,
        InputBench.class,
        InterpreterBench.class,
        ImportBench.class
      })
  static final class Bench implements Runnable {
    @CommandLine.Spec private CommandLine.Model.CommandSpec spec;

    @Option(
        names = {"-h", "--help"},
        usageHelp = true,
        description = "Print this help.")
    private boolean help;

    @Override
    public void run() {
      spec.commandLine().usage(System.out);
    }
  }

  /** Runs the command line; the exit code is 0 only on success. */
  public static void main(String[] args) {
    CommandLine line = new CommandLine(new Bench());
    line.setExecutionExceptionHandler(
        (e, command, result) -> {
          System.err.println("quantrain bench: " + e.getMessage());
          return 1;
        });
    int status = line.execute(args);
    System.out.flush();
    System.exit(status);
  }
}
