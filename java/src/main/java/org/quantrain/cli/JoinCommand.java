package org.quantrain.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.concurrent.TimeUnit;
import org.quantrain.runtime.CollectiveException;
import org.quantrain.runtime.Meeting;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/**
 * A further process of {@code quantrain train --processes}, see {@link Processes}. Its standard
 * input ends with the first process; what it says on standard output, that one tells.
 */
@Command(
    name = "join",
    description = "A further process of a training; 'train --processes' starts it.",
    hidden = true)
final class JoinCommand extends Verb {
  @Parameters(paramLabel = "RUN")
  private Path run;

  @Option(names = "--meeting", paramLabel = "DIR", required = true)
  private Path meeting;

  @Option(names = "--rank", paramLabel = "N", required = true)
  private int rank;

  @Option(names = "--processes", paramLabel = "N", required = true)
  private int processes;

  @Option(names = "--device", paramLabel = "DEVICE", required = true)
  private String device;

  @Mixin private CudaLibrariesOption cudaLibraries;

  @Option(names = "--threads", paramLabel = "N", required = true)
  private int threads;

  @Option(names = "--input-threads", paramLabel = "N", required = true)
  private int inputThreads;

  JoinCommand(Console console) {
    super(console);
  }

  @Override
  public Integer call() {
    Thread watch = new Thread(this::endWithTheFirst, "quantrain-first-process");
    watch.setDaemon(true);
    watch.start();
    ObjectNode machine = ConfigFile.emptyTree();
    machine.put("processes", processes).put("threads", threads);
    machine.put("input-threads", inputThreads).put("device", device);
    try {
      TrainRun.join(console(), run, machine, new Meeting(meeting, rank, processes));
      return Main.OK;
    } catch (CollectiveException e) {
      awaitTheFirst();
      console().say(Failures.line(e));
    } catch (IOException | RuntimeException | Error e) {
      console().say(Failures.line(e));
    }
    return Main.FAILED;
  }

  private void endWithTheFirst() {
    try {
      while (System.in.read() >= 0) {
        // Nothing is sent.
      }
    } catch (IOException e) {
      // Gone as well.
    }
    Processes.remove(meeting); // the first may have been killed
    console()
        .warn(
            "the first of %d processes ended; go on with: quantrain train --resume %s"
                .formatted(processes, run));
    Runtime.getRuntime().halt(Main.FAILED);
  }

  /** Who cannot reach the others learns in this time whether the first is gone. */
  private static void awaitTheFirst() {
    try {
      TimeUnit.SECONDS.sleep(2);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }
}
