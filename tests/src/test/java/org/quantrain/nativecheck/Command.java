package org.quantrain.nativecheck;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** Programs of the native side, run from the tests. */
final class Command {
  /** The build folder of the native library that the Java side uses. */
  static final Path BUILD = Path.of("../java/target/native");

  static final Path SOURCE = Path.of("../native");

  /** What a program printed, both streams, and how it ended. */
  record Outcome(int status, List<String> lines) {
    String text() {
      return String.join("\n", lines);
    }

    String last() {
      return lines.isEmpty() ? "" : lines.get(lines.size() - 1);
    }
  }

  private Command() {}

  /** Runs a program to its end; one that takes longer than the limit is stopped and fails. */
  static Outcome run(Duration limit, String... words) throws IOException, InterruptedException {
    Path log = Files.createTempFile("command", ".txt");
    try {
      Process process =
          new ProcessBuilder(words).redirectErrorStream(true).redirectOutput(log.toFile()).start();
      boolean ended = process.waitFor(limit.toSeconds(), TimeUnit.SECONDS);
      if (!ended) {
        // What it started, compilers of a build, would go on beside the next test.
        process.descendants().forEach(ProcessHandle::destroyForcibly);
        process.destroyForcibly().waitFor();
      }
      List<String> lines = Files.readAllLines(log, StandardCharsets.UTF_8);
      assertTrue(
          ended, () -> words[0] + " still ran after " + limit + ":\n" + String.join("\n", lines));
      return new Outcome(process.exitValue(), lines);
    } finally {
      Files.deleteIfExists(log);
    }
  }

  /** The same for a program that must succeed. */
  static Outcome succeed(Duration limit, String... words) throws IOException, InterruptedException {
    Outcome outcome = run(limit, words);
    assertEquals(0, outcome.status(), () -> String.join(" ", words) + "\n" + outcome.text());
    return outcome;
  }
}
