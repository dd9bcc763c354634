package org.quantrain.cli;

import java.io.PrintStream;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.quantrain.report.Json;
import picocli.CommandLine;
import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;
import picocli.CommandLine.UnmatchedArgumentException;

/**
 * The program {@code quantrain}. Exit codes: 0 success, 1 failure (also codes that differ), 2 what
 * was typed makes no sense, 130 interrupted.
 */
@Command(
    name = "quantrain",
    description =
        "Quantization-aware training on the JVM: what was trained is deployed, to the bit.",
    versionProvider = Version.class,
    synopsisSubcommandLabel = "VERB",
    commandListHeading = "%nVerbs:%n",
    optionListHeading = "%nOptions:%n",
    footer = {
      "",
      "Example:",
      "  quantrain train                    # a small network on embedded digits, under a minute",
      "  quantrain train --data fashion-mnist --model resnet8 --wbits 4",
      "",
      "'quantrain VERB --help' explains a verb."
    })
public final class Main implements Callable<Integer> {
  static final int OK = 0;
  static final int FAILED = 1;
  static final int USAGE = 2;

  @Spec private CommandSpec spec;

  @Option(
      names = {"-h", "--help"},
      usageHelp = true,
      description = "Print this help.")
  private boolean help;

  @Option(
      names = {"-V", "--version"},
      versionHelp = true,
      description = "Print the version.")
  private boolean version;

  private Main() {}

  /** Without a verb. */
  @Override
  public Integer call() {
    spec.commandLine().usage(spec.commandLine().getErr());
    return USAGE;
  }

  /** Runs and exits. */
  public static void main(String[] args) {
    PrintStream out = new PrintStream(System.out, true, StandardCharsets.UTF_8);
    PrintStream err = new PrintStream(System.err, true, StandardCharsets.UTF_8);
    if (List.of(args).contains("--json")) {
      System.setOut(err); // for whatever else prints
    }
    System.exit(run(args, new Console(out, err, Terminal.isAttached())));
  }

  /**
   * Runs a command in this process.
   *
   * @return the exit code
   */
  public static int run(String[] args, PrintStream out, PrintStream err) {
    return run(args, new Console(out, err, false));
  }

  private static int run(String[] args, Console console) {
    console.setCommand(args);
    if (List.of(args).contains("--json")) {
      console.useJson();
    }
    boolean debug = List.of(args).contains("--verbose") || System.getenv("QUANTRAIN_DEBUG") != null;
    try {
      return commandLine(console, debug).execute(args);
    } catch (Throwable e) { // Errors; exceptions have been told. The last chance for one line.
      return failed(console, e, Failures.line(e), FAILED, debug);
    }
  }

  private static int failed(Console console, Throwable e, String line, int code, boolean debug) {
    console.warn(line);
    if (debug) {
      e.printStackTrace(console.errors());
    }
    console.result(Json.object().put("error", line));
    return code;
  }

  private static CommandLine commandLine(Console console, boolean debug) {
    CommandLine line = new CommandLine(new Main());
    line.addSubcommand(new TrainCommand(console));
    line.addSubcommand(new QuantizeCommand(console));
    line.addSubcommand(new ExportCommand(console));
    line.addSubcommand(new VerifyCommand(console));
    line.addSubcommand(new EvalCommand(console));
    line.addSubcommand(new InspectCommand(console));
    line.addSubcommand(new DoctorCommand(console));
    line.addSubcommand(new BundleCommand(console));
    line.addSubcommand(
        new CommandLine(new BenchCommand()).addSubcommand(new BenchStepCommand(console)));
    line.addSubcommand(new TestCommand());
    line.addSubcommand(new JoinCommand(console));
    line.setUsageHelpWidth(100);
    line.setUsageHelpLongOptionsMaxWidth(34);
    line.setAbbreviatedOptionsAllowed(false);
    line.setOverwrittenOptionsAllowed(false);
    line.setOut(new PrintWriter(console.text(), true));
    line.setErr(new PrintWriter(console.errors(), true));
    line.setParameterExceptionHandler((e, args) -> failed(console, e, explain(e), USAGE, debug));
    line.setExecutionExceptionHandler(
        (e, command, result) ->
            e instanceof UsageException
                ? failed(console, e, seeHelp(Failures.line(e), command), USAGE, debug)
                : failed(console, e, Failures.line(e), FAILED, debug));
    return line;
  }

  /** As in "unknown option '--epoch'; did you mean '--epochs'? (see quantrain train --help)". */
  private static String explain(ParameterException e) {
    CommandLine command = e.getCommandLine();
    String problem = e.getMessage();
    if (e instanceof UnmatchedArgumentException unmatched && !unmatched.getUnmatched().isEmpty()) {
      String word = unmatched.getUnmatched().get(0);
      if (word.startsWith("-")) {
        String name = word.replaceFirst("=.*", "");
        List<String> options = new ArrayList<>();
        command.getCommandSpec().options().forEach(o -> options.addAll(List.of(o.names())));
        problem = "unknown option '" + name + "'" + Suggestion.clause(name, options);
      } else if (command.getParent() == null) {
        List<String> verbs =
            command.getSubcommands().values().stream()
                .map(CommandLine::getCommandSpec)
                .filter(spec -> !spec.usageMessage().hidden())
                .map(CommandSpec::name)
                .toList();
        problem = "unknown verb '" + word + "'" + Suggestion.orList(word, "verbs", verbs);
      } else {
        problem = "'" + word + "' is one word too many";
      }
    }
    String line = problem.replaceAll("\\p{Cntrl}+", " ");
    return seeHelp(Character.toLowerCase(line.charAt(0)) + line.substring(1), command);
  }

  private static String seeHelp(String line, CommandLine command) {
    return "%s (see %s --help)".formatted(line, command.getCommandSpec().qualifiedName());
  }
}
