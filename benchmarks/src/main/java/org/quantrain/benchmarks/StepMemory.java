package org.quantrain.benchmarks;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.quantrain.zoo.Zoo;

/**
 * What a training step needs beside the loaded network: the growth of the process' largest resident
 * memory from there to the end of step 20, each system in a process of its own. Linux only.
 *
 * @param loadedBytes resident when the network was loaded
 * @param growthBytes the largest until step 20 less that
 * @param startSeconds from there to the end of the first step, in a JVM that has just started
 */
record StepMemory(long loadedBytes, long growthBytes, double startSeconds) {
  private static final int STEPS = 20;

  /** In a new process. */
  static StepMemory of(String system, String model, int size, int batch, int threads) {
    List<String> command =
        List.of(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-Xshare:auto",
            "-cp",
            System.getProperty("java.class.path"),
            StepMemory.class.getName(),
            system,
            model,
            Integer.toString(size),
            Integer.toString(batch),
            Integer.toString(threads));
    try {
      Process child =
          new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT).start();
      String line = new String(child.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
      if (child.waitFor() != 0) {
        throw new IllegalStateException("the process of '" + system + "' failed: see above");
      }
      String[] numbers = line.trim().split(" ");
      return new StepMemory(
          Long.parseLong(numbers[0]), Long.parseLong(numbers[1]), Double.parseDouble(numbers[2]));
    } catch (IOException e) {
      throw new IllegalStateException("no process of its own for '" + system + "': " + e, e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while measuring", e);
    }
  }

  /** System, model, size, batch, threads; prints the three numbers. */
  public static void main(String[] args) throws IOException {
    int size = Integer.parseInt(args[2]);
    int batch = Integer.parseInt(args[3]);
    int threads = Integer.parseInt(args[4]);
    try (StepSystem system =
        new StepSystem(
            args[0], Zoo.build(args[1], 3, size, size, StepSystem.CLASSES, 1), batch, threads)) {
      System.gc();
      // From here on the kernel counts the largest resident size anew.
      Files.writeString(Path.of("/proc/self/clear_refs"), "5");
      long loaded = largestResident();
      long start = System.nanoTime();
      StepSystem.Training training = system.start();
      training.step().run();
      double startSeconds = (System.nanoTime() - start) * 1e-9;
      for (int i = 1; i < STEPS; i++) {
        training.step().run();
      }
      System.out.println(loaded + " " + (largestResident() - loaded) + " " + startSeconds);
    }
  }

  private static long largestResident() throws IOException {
    for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
      if (line.startsWith("VmHWM:")) {
        return 1024 * Long.parseLong(line.replaceAll("\\D", ""));
      }
    }
    throw new IOException("/proc/self/status has no VmHWM");
  }
}
