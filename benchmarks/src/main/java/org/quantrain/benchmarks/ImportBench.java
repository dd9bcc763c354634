package org.quantrain.benchmarks;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.quantrain.bench.Sampler;
import org.quantrain.graph.Model;
import org.quantrain.onnx.OnnxReader;
import org.quantrain.onnx.OnnxWriter;
import org.quantrain.zoo.Zoo;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/**
 * {@code quantrain bench import}: reading and writing a large float model. Once as a user meets it,
 * in a new process whose code is not compiled yet, with the memory that the process grew by; and
 * again and again in this one.
 */
@Command(
    name = "import",
    description = "Time reading and writing a large float ONNX model, and the memory it takes.",
    sortOptions = false,
    abbreviateSynopsis = true,
    optionListHeading = "%nOptions:%n",
    footer = {"", "Example:", "  ./quantrain bench import --model resnet50"})
final class ImportBench implements Callable<Integer> {
  private static final int SIDE = 224;
  private static final int CLASSES = 1000;

  @Option(
      names = "--model",
      paramLabel = "NAME",
      defaultValue = "resnet50",
      description = "A network of the zoo (default: ${DEFAULT-VALUE}).")
  private String name;

  @Option(
      names = "--samples",
      paramLabel = "N",
      defaultValue = "5",
      description = "Samples that a median is of (default: ${DEFAULT-VALUE}).")
  private int samples;

  @Mixin private Printing printing;

  @Override
  public Integer call() throws IOException, InterruptedException {
    Path folder = Files.createTempDirectory("import-bench");
    Path file = folder.resolve("model.onnx");
    Path copy = folder.resolve("copy.onnx");
    try {
      Model model = Zoo.build(name, 3, SIDE, SIDE, CLASSES, 1);
      OnnxWriter.writeFloat(model, file);
      long bytes = Files.size(file);
      FirstTime.Result first = FirstTime.inNewProcess(file, copy);
      double read = Sampler.medians(samples, List.of(() -> read(file)))[0];
      double write = Sampler.medians(samples, List.of(() -> write(model, copy)))[0];
      say(bytes, first, read, write);
    } finally {
      Files.deleteIfExists(file);
      Files.deleteIfExists(copy);
      Files.delete(folder);
    }
    return 0;
  }

  private static Model read(Path file) {
    try {
      return OnnxReader.read(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static void write(Model model, Path file) {
    try {
      OnnxWriter.writeFloat(model, file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private void say(long bytes, FirstTime.Result first, double read, double write) {
    double growth = (double) first.bytes() / bytes;
    if (printing.json()) {
      ObjectNode row = new ObjectMapper().createObjectNode();
      row.put("name", name).put("bytes", bytes);
      row.put("firstImportSeconds", first.read()).put("firstExportSeconds", first.write());
      row.put("importSeconds", read).put("exportSeconds", write);
      row.put("peakMemoryOfImport", first.bytes()).put("peakMemoryOverFile", growth);
      System.out.println(row);
      return;
    }
    System.out.printf(
        Locale.ROOT,
        "%s, %.1f MB%n"
            + "import  %.2f s in a new process, %.2f s again; peak memory %.2f times the file%n"
            + "export  %.2f s in a new process, %.2f s again%n",
        name,
        bytes / 1e6,
        first.read(),
        read,
        growth,
        first.write(),
        write);
  }

  /** The process that imports for the first time. */
  static final class FirstTime {
    private FirstTime() {}

    /**
     * @param read seconds
     * @param write seconds
     * @param bytes by which the most memory that the process ever held grew during the import
     */
    record Result(double read, double write, long bytes) {}

    static Result inNewProcess(Path file, Path copy) throws IOException, InterruptedException {
      Process process =
          new ProcessBuilder(
                  Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                  "-cp",
                  System.getProperty("java.class.path"),
                  FirstTime.class.getName(),
                  file.toString(),
                  copy.toString())
              .redirectError(ProcessBuilder.Redirect.INHERIT)
              .start();
      String answer =
          new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8).trim();
      if (process.waitFor() != 0) {
        throw new IOException("the importing process failed");
      }
      String[] words = answer.split(" ");
      return new Result(
          Double.parseDouble(words[0]), Double.parseDouble(words[1]), Long.parseLong(words[2]));
    }

    /** Reads a model, writes it elsewhere, and prints seconds, seconds and bytes. */
    public static void main(String[] args) throws IOException {
      long before = peakBytes();
      long start = System.nanoTime();
      Model model = OnnxReader.read(Path.of(args[0]));
      double read = (System.nanoTime() - start) * 1e-9;
      long growth = peakBytes() - before;
      start = System.nanoTime();
      OnnxWriter.writeFloat(model, Path.of(args[1]));
      double write = (System.nanoTime() - start) * 1e-9;
      System.out.println(read + " " + write + " " + growth);
    }

    /** The most memory that this process ever held (Linux). */
    private static long peakBytes() throws IOException {
      for (String line : Files.readAllLines(Path.of("/proc/self/status"))) {
        if (line.startsWith("VmHWM:")) {
          return 1024 * Long.parseLong(line.replaceAll("[^0-9]", ""));
        }
      }
      throw new IOException("/proc/self/status has no VmHWM");
    }
  }
}
