package org.quantrain.report;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RunDirectoryTest {
  private static void refuses(Path path, String... words) {
    RunException e = assertThrows(RunException.class, () -> RunDirectory.create(path));
    for (String word : words) {
      assertTrue(e.getMessage().contains(word), e.getMessage());
    }
    assertFalse(e.getMessage().contains("\n"), e.getMessage());
  }

  private static List<String> names(Path folder) throws Exception {
    try (Stream<Path> files = Files.list(folder)) {
      return files.map(file -> file.getFileName().toString()).sorted().toList();
    }
  }

  @Test
  void aNewDirectoryIsEmptyAndMayBeDeep(@TempDir Path folder) throws Exception {
    RunDirectory run = RunDirectory.create(folder.resolve("a/b/c"));
    assertEquals(List.of(), names(run.path()));
    assertEquals("c", run.name());
  }

  @Test
  void aDirectoryThatIsThereAndEmptyIsTaken(@TempDir Path folder) throws Exception {
    assertEquals(folder, RunDirectory.create(folder).path());
  }

  @Test
  void onlyOneTrainingAtATimeWritesIntoADirectory(@TempDir Path folder) throws Exception {
    RunDirectory run = RunDirectory.create(folder.resolve("run"));
    RunDirectory.Lock lock = run.lock();
    RunException e = assertThrows(RunException.class, run::lock);
    assertTrue(e.getMessage().endsWith("another process is training here"), e.getMessage());
    lock.close();
    run.lock().close();
    try (Stream<Path> left = Files.list(folder.resolve("run"))) {
      assertEquals(0, left.count());
    }
  }

  @Test
  void aPathBelowAFileIsRefusedAndNamed(@TempDir Path folder) throws Exception {
    Path file = Files.writeString(folder.resolve("file"), "x");
    refuses(file.resolve("run"), file.resolve("run").toString(), file + " is not a folder");
    refuses(file, file.toString(), "is a file");
    assertEquals(List.of("file"), names(folder));
  }

  @Test
  void aPlaceWhereNothingCanBeMadeIsRefused() {
    assumeTrue(Files.isDirectory(Path.of("/proc/self")));
    refuses(Path.of("/proc/quantrain/run"), "/proc/quantrain/run", "cannot be written");
  }

  @Test
  void anEarlierRunIsNotOverwritten(@TempDir Path folder) throws Exception {
    Files.writeString(folder.resolve("config.yaml"), "model: lenet\n");
    refuses(folder, "--resume");
    Path other = Files.createDirectory(folder.resolve("other"));
    Files.writeString(other.resolve("thesis.txt"), "precious");
    refuses(other, "is not empty");
  }

  @Test
  void numbersGoOnFromTheFirstThatIsFree(@TempDir Path folder) throws Exception {
    Path runs = folder.resolve("runs");
    assertEquals("x-1", RunDirectory.createNumbered(runs, "x").name());
    assertEquals("x-2", RunDirectory.createNumbered(runs, "x").name());
    assertEquals("y-1", RunDirectory.createNumbered(runs, "y").name());
  }

  @Test
  void aDiscardedRunLeavesNothing(@TempDir Path folder) throws Exception {
    RunDirectory run = RunDirectory.create(folder.resolve("a/b"));
    run.write(run.config(), "model: lenet\n");
    run.discard();
    assertEquals(List.of(), names(folder));
  }

  @Test
  void discardingKeepsWhatIsNotOurs(@TempDir Path folder) throws Exception {
    RunDirectory run = RunDirectory.create(folder.resolve("a/b"));
    Files.writeString(folder.resolve("a/other"), "x");
    run.discard();
    assertEquals(List.of("other"), names(folder.resolve("a")));
    Files.writeString(folder.resolve("config.yaml"), "model: lenet\n");
    RunDirectory.open(folder).discard();
    assertTrue(Files.exists(folder.resolve("config.yaml")));
  }

  @Test
  void aFileIsWrittenWithoutLeavingATemporaryOne(@TempDir Path folder) throws Exception {
    RunDirectory run = RunDirectory.create(folder);
    run.write(run.report(), "first");
    run.write(run.report(), "second");
    assertEquals("second", Files.readString(run.report()));
    assertEquals(List.of("report.html"), names(folder));
  }

  @Test
  void onlyARunCanBeOpened(@TempDir Path folder) {
    RunException none =
        assertThrows(RunException.class, () -> RunDirectory.open(folder.resolve("no")));
    assertTrue(none.getMessage().contains("no such run"), none.getMessage());
    RunException other = assertThrows(RunException.class, () -> RunDirectory.open(folder));
    assertTrue(other.getMessage().contains("config.yaml"), other.getMessage());
  }
}
