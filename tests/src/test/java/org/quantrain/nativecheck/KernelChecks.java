package org.quantrain.nativecheck;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;

/**
 * The native driver's comparisons. They run on one processor, so each processor gets a process with
 * its part of the cases.
 */
final class KernelChecks {
  private final List<Command.Outcome> parts = new ArrayList<>();

  private KernelChecks() {}

  /** Runs all of them to their end, whether they fail or not. */
  static KernelChecks run(Duration limit, Path driver, String... options)
      throws InterruptedException, ExecutionException {
    int processes = Runtime.getRuntime().availableProcessors();
    ExecutorService pool = Executors.newFixedThreadPool(processes);
    try {
      List<Future<Command.Outcome>> running = new ArrayList<>();
      for (int part = 0; part < processes; part++) {
        List<String> words = new ArrayList<>(List.of(driver.toString(), "--json"));
        words.addAll(List.of("--part", part + "/" + processes));
        Collections.addAll(words, options);
        running.add(pool.submit(() -> Command.run(limit, words.toArray(String[]::new))));
      }
      KernelChecks checks = new KernelChecks();
      for (Future<Command.Outcome> process : running) {
        checks.parts.add(process.get());
      }
      return checks;
    } finally {
      pool.shutdownNow();
    }
  }

  void assertNoneFailed() throws IOException {
    for (Command.Outcome part : parts) {
      assertEquals(0, part.status(), part.text());
      assertEquals(0, report(part).get("failed").asInt(), part.text());
    }
  }

  /** The kernels that have a case. */
  Set<String> kernels() throws IOException {
    Set<String> names = new TreeSet<>();
    for (Command.Outcome part : parts) {
      report(part).get("checks").forEach(row -> names.add(row.get("name").asText()));
    }
    return names;
  }

  /** What went wrong is printed before. */
  private static JsonNode report(Command.Outcome part) throws IOException {
    int begin = part.text().indexOf("{\"checks\"");
    return new ObjectMapper().readTree(part.text().substring(Math.max(begin, 0)));
  }
}
