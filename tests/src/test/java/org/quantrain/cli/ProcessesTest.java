package org.quantrain.cli;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.quantrain.Quantrain;
import org.quantrain.runtime.Device;
import org.quantrain.train.Checkpoint;

/** Training in processes, as people start it and as it is killed. */
class ProcessesTest {
  private static final String DATA = "--data=digits?limit=300";

  @TempDir private Path folder;

  @BeforeEach
  void requireGloo() {
    Optional<String> why = Quantrain.whyNotTogether(2, Device.parse("cpu"));
    assumeTrue(why.isEmpty(), () -> why.get());
  }

  @Test
  void twoProcessesTrainOneRun() throws Exception {
    String run = folder.resolve("run").toString();
    Cli cli =
        Cli.run(
            "train", DATA, "--epochs=2", "--qat-epochs=2", "--processes=2", "--out", run, "--json");
    assertEquals(0, cli.code(), cli.err());
    for (int claim = 0; claim < 2; claim++) {
      assertEquals(0, cli.json().get("claims").get(claim).get("differing").asLong());
    }
    assertTrue(cli.err().contains("by 2 processes, each with 16 of the 32 images of a batch"), cli.err());
    assertEquals(4, Files.readAllLines(Path.of(run, "metrics.jsonl")).size());
    assertTrue(Files.readString(Path.of(run, "config.yaml")).contains("\nprocesses: 2\n"));
    requireNoMeetingLeft(ProcessHandle.current());
  }

  @Test
  void whatCannotBeSharedIsRefusedBeforeAnythingStarts() {
    Cli cli = Cli.run("train", DATA, "--batch=32", "--processes=3");
    assertEquals(2, cli.code());
    assertTrue(cli.err().contains("batch: expected a multiple of the 3 processes"), cli.err());
    assertEquals(2, Cli.run("train", DATA, "--processes=0").code());
  }

  @Test
  void processesOnCudaTakeADeviceEachSoNoneIsNamed() {
    Cli cli = Cli.run("train", DATA, "--device=cuda:1", "--processes=2");
    assertEquals(2, cli.code());
    assertTrue(cli.err().contains("one each; expected cuda, got cuda:1"), cli.err());
    RunConfig config =
        ConfigFile.merge(
            RunConfig.defaults(300, false),
            ConfigFile.emptyTree().put("device", "cuda").put("processes", 3));
    assertEquals("cuda:2", config.deviceOf(2).toString());
  }

  /** What a first process made for the others to meet in is gone. */
  private static void requireNoMeetingLeft(ProcessHandle first) throws IOException {
    String prefix = Processes.prefix(first.pid());
    try (Stream<Path> files = Files.list(Path.of(System.getProperty("java.io.tmpdir")))) {
      assertEquals(
          List.of(), files.filter(f -> f.getFileName().toString().startsWith(prefix)).toList());
    }
  }

  /** A program of its own, whose processes can be killed. */
  private final class Training implements AutoCloseable {
    final Path errors = Files.createTempFile(folder, "errors", ".txt");
    final Process first;

    Training(String... words) throws IOException {
      List<String> command =
          new ArrayList<>(
              List.of(
                  Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                  "-cp",
                  System.getProperty("java.class.path"),
                  Main.class.getName(),
                  "train"));
      command.addAll(List.of(words));
      first =
          new ProcessBuilder(command)
              .redirectOutput(ProcessBuilder.Redirect.DISCARD)
              .redirectError(errors.toFile())
              .start();
    }

    ProcessHandle other() {
      return first.children().findFirst().orElseThrow();
    }

    /** Until so many epochs were logged. */
    void await(Path run, int epochs) throws Exception {
      Path metrics = run.resolve("metrics.jsonl");
      long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(120);
      while (!Files.exists(metrics) || Files.readAllLines(metrics).size() < epochs) {
        assertTrue(first.isAlive(), Files.readString(errors));
        assertTrue(System.nanoTime() < end, "no epoch within two minutes");
        Thread.sleep(20);
      }
    }

    /** The one line that is said when a process has been killed. */
    String lastWords(ProcessHandle survivor) throws Exception {
      survivor.onExit().get(30, TimeUnit.SECONDS);
      List<String> lines = Files.readAllLines(errors);
      assertEquals(1, lines.size(), lines.toString());
      return lines.get(0);
    }

    @Override
    public void close() {
      first.descendants().forEach(ProcessHandle::destroyForcibly);
      first.destroyForcibly();
    }
  }

  @Test
  void aKilledProcessEndsTheOthersAndTheRunGoesOnFromItsCheckpoint() throws Exception {
    Path run = folder.resolve("run");
    String resume = "go on with: quantrain train --resume " + run;
    Path checkpoint = run.resolve("checkpoints").resolve("float.safetensors");
    try (Training training =
        new Training(
            DATA, "--epochs=40", "--qat-epochs=1", "--processes=2", "--out", run.toString())) {
      training.await(run, 2); // an epoch is logged before it is saved
      training.other().destroyForcibly();
      String line = training.lastWords(training.first.toHandle());
      assertEquals(1, training.first.exitValue());
      assertTrue(line.contains("process 1 of 2 was killed by signal 9"), line);
      assertTrue(line.contains(resume), line);
      requireNoMeetingLeft(training.first.toHandle());
    }
    int epochs = Checkpoint.read(checkpoint).epochs();
    assertTrue(epochs >= 1, epochs + " epochs");

    try (Training training = new Training("--resume", run.toString(), "--processes=2")) {
      training.await(run, epochs + 3);
      ProcessHandle other = training.other();
      training.first.destroyForcibly();
      String line = training.lastWords(other);
      assertTrue(line.contains("the first of 2 processes ended"), line);
      assertTrue(line.contains(resume), line);
      requireNoMeetingLeft(training.first.toHandle());
    }
    assertTrue(Checkpoint.read(checkpoint).epochs() > epochs);

    Cli cli = Cli.run("train", "--resume", run.toString(), "--processes=1");
    assertEquals(0, cli.code(), cli.err());
  }
}
