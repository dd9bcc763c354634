package org.quantrain.cli;

import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.quantrain.Quantrain;

/** This program in a process of its own. */
final class JavaProcess {
  private JavaProcess() {}

  /**
   * The start of a command line: this Java with its options, this program and a verb. The caller
   * adds options.
   */
  static List<String> command(String... verb) {
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    ManagementFactory.getRuntimeMXBean().getInputArguments().stream()
        .filter(option -> !option.startsWith("-agentlib:")) // two debuggers want one port
        .forEach(command::add);
    command.addAll(List.of("-cp", System.getProperty("java.class.path"), Main.class.getName()));
    command.addAll(List.of(verb));
    Quantrain.cudaLibraries()
        .ifPresent(libraries -> command.addAll(List.of("--cuda-libraries", "" + libraries)));
    return command;
  }
}
