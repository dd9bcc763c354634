package org.quantrain.cli;

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.UncheckedIOException;
import java.lang.ProcessBuilder.Redirect;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.quantrain.Quantrain;
import org.quantrain.runtime.CollectiveException;
import org.quantrain.runtime.Meeting;

/**
 * The further processes of a training: started by the first with its own JVM options, and ended
 * with it, whatever ends it. If one of them dies, the first cannot go on, and says which and why.
 */
final class Processes implements AutoCloseable {
  private static final int POLL_MILLIS = 20;

  /** A process that lost another leaves this long before it says so, for the cause to show. */
  private static final int CAUSE_SECONDS = 5;

  /** A process that is dead this long ends the first, if that waits for something else. */
  private static final int GRACE_SECONDS = 20;

  /** Who is killed is gone sooner. */
  private static final int END_SECONDS = 2;

  private static final int REMOVALS = 5;

  /** Exit codes of processes that were interrupted or asked to end: somebody ends them all. */
  private static final List<Integer> ASKED = List.of(128 + 2, 128 + 15);

  /** One of them. */
  private static final class Other {
    final int rank;
    final Process process;
    private final Thread listener;
    private volatile String lastLine = "";

    Other(int rank, Process process) {
      this.rank = rank;
      this.process = process;
      listener = daemon(this::listen, "quantrain-process-" + rank);
    }

    private void listen() {
      try (BufferedReader lines =
          new BufferedReader(
              new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8))) {
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
          lastLine = line;
        }
      } catch (IOException e) {
        // It is gone; what it said is kept.
      }
    }

    String obituary(int size) {
      try {
        listener.join(TimeUnit.SECONDS.toMillis(1));
      } catch (InterruptedException e) {
        Thread.currentThread().interrupt();
      }
      int code = process.exitValue();
      String how =
          code > 128 ? "was killed by signal " + (code - 128) : "ended with exit code " + code;
      return "process %d of %d %s%s"
          .formatted(rank, size, how, lastLine.isEmpty() ? "" : ": " + lastLine);
    }
  }

  private final Path run;
  private final int size;
  private final Path folder;
  private final List<Other> others = new ArrayList<>();
  private final Thread hook = new Thread(this::end, "quantrain-processes");
  private volatile boolean closed;

  private Processes(RunConfig config, Path run) throws IOException {
    this.run = run;
    this.size = config.processes();
    folder = size == 1 ? null : Files.createTempDirectory(prefix(ProcessHandle.current().pid()));
  }

  /** How the folder that a first process makes for a meeting is called. */
  static String prefix(long pid) {
    return "quantrain-meeting-" + pid + "-";
  }

  /** None for one process. */
  static Processes start(RunConfig config, Path run) throws IOException {
    Processes made = new Processes(config, run);
    if (made.size == 1) {
      return made;
    }
    Runtime.getRuntime().addShutdownHook(made.hook);
    try {
      Files.createDirectory(made.meeting());
      for (int rank = 1; rank < made.size; rank++) {
        made.start(rank, config);
      }
    } catch (IOException | RuntimeException e) {
      made.close();
      throw e;
    }
    return made;
  }

  private void start(int rank, RunConfig config) throws IOException {
    List<String> command = JavaProcess.command("join");
    command.addAll(List.of(run.toString(), "--meeting", folder.toString()));
    command.addAll(List.of("--rank", "" + rank, "--processes", "" + size));
    command.addAll(List.of("--device", config.device()));
    command.addAll(List.of("--threads", "" + config.threadsOfEach()));
    command.addAll(List.of("--input-threads", "" + config.inputThreads()));
    Process process = new ProcessBuilder(command).redirectError(Redirect.INHERIT).start();
    Other other = new Other(rank, process);
    others.add(other);
    process.onExit().thenRun(() -> watch(other));
  }

  /** The first process finds out by itself, unless it is busy with something long. */
  private void watch(Other other) {
    if (other.process.exitValue() == 0) {
      return;
    }
    sleep(TimeUnit.SECONDS.toMillis(GRACE_SECONDS));
    if (!closed) {
      System.err.println("quantrain: " + obituary(other));
      end();
      Runtime.getRuntime().halt(Main.FAILED);
    }
  }

  private Path meeting() {
    return folder.resolve("meeting");
  }

  private static Path joined(Path folder, int rank) {
    return folder.resolve("joined-" + rank);
  }

  /** A further process is ready, and waits for the others. */
  static void join(Quantrain quantrain, Meeting meeting) throws IOException {
    Files.createFile(joined(meeting.folder(), meeting.rank()));
    quantrain.meet(meeting.folder().resolve("meeting"), meeting.rank(), meeting.size());
  }

  /** Waits until all are ready. */
  void meet(Quantrain quantrain) {
    if (size == 1) {
      return;
    }
    for (Other other : others) {
      while (!Files.exists(joined(folder, other.rank))) {
        if (!other.process.isAlive()) {
          throw new CollectiveException(other.obituary(size));
        }
        sleep(POLL_MILLIS);
      }
    }
    quantrain.meet(meeting(), 0, size);
  }

  /** Why the first process cannot go on, and how to. */
  String explain(CollectiveException lost) {
    long end = System.nanoTime() + TimeUnit.SECONDS.toNanos(CAUSE_SECONDS);
    while (System.nanoTime() < end) {
      for (Other other : others) {
        if (!other.process.isAlive() && other.process.exitValue() != 0) {
          return obituary(other);
        }
      }
      sleep(POLL_MILLIS);
    }
    return lost.getMessage() + resume();
  }

  private String obituary(Other other) {
    if (ASKED.contains(other.process.exitValue())) {
      sleep(TimeUnit.SECONDS.toMillis(CAUSE_SECONDS)); // this process, too, is about to end
    }
    return other.obituary(size) + resume();
  }

  private String resume() {
    return "; the last checkpoint is whole, go on with: quantrain train --resume " + run;
  }

  private static void sleep(long millis) {
    try {
      Thread.sleep(millis);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static Thread daemon(Runnable task, String name) {
    Thread thread = new Thread(task, name);
    thread.setDaemon(true);
    thread.start();
    return thread;
  }

  /** They write nothing of the run, so they can end anywhere. */
  private void end() {
    closed = true;
    others.forEach(other -> other.process.destroyForcibly());
    try {
      for (Other other : others) {
        other.process.waitFor(END_SECONDS, TimeUnit.SECONDS);
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    remove(folder);
  }

  /** Removes the folder of a meeting, which others may be removing, too. */
  static void remove(Path folder) {
    for (int attempt = 0; attempt < REMOVALS && Files.exists(folder); attempt++) {
      try (Stream<Path> files = Files.walk(folder)) {
        for (Path path : files.sorted(Comparator.reverseOrder()).toList()) {
          Files.deleteIfExists(path);
        }
      } catch (IOException | UncheckedIOException e) {
        // What is left then is left to whoever cleans temporary folders.
      }
    }
  }

  @Override
  public void close() {
    if (folder == null) {
      return;
    }
    end();
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      // It is running: the process is about to end.
    }
  }
}
