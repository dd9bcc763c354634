package org.quantrain.cli;

import ai.onnxruntime.OrtEnvironment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.quantrain.Quantrain;
import org.quantrain.report.Numbers;
import org.quantrain.runtime.Device;
import org.quantrain.runtime.DeviceCheck;

/**
 * Looks at the machine, part by part; a part that fails does not keep the others from being seen.
 */
final class Checks {
  private static final int OLDEST_JAVA = 17;
  private static final long LITTLE_SPACE = 1_000_000_000;
  private static final String REBUILD = "build again from the source tree: ./quantrain doctor";

  /** As the CPU backend describes them. */
  private static final Pattern EXACT_UNITS =
      Pattern.compile("int8 units \\(([^)]*)\\), proved exact at start");

  private static final Pattern BF16_UNITS = Pattern.compile("bf16 units \\(([^)]*)\\)");

  private Checks() {}

  static List<Check> all() {
    List<Check> checks = new ArrayList<>();
    checks.add(java());
    checks.add(memory());
    checks.add(processor());
    backend(checks);
    checks.addAll(cuda());
    checks.add(processes());
    checks.add(onnxRuntime());
    checks.add(
        folder("work folder", Path.of(""), "runs are written to ./runs; --out changes that"));
    checks.add(folder("data cache", dataCache(), "set XDG_CACHE_HOME to a folder with space"));
    checks.add(
        folder(
            "library cache",
            libraryCache(),
            "set QUANTRAIN_JAVA_OPTS=-Dorg.bytedeco.javacpp.cachedir=FOLDER"));
    return checks;
  }

  private static Check java() {
    int feature = Runtime.version().feature();
    String detail =
        "%s, %s, in %s"
            .formatted(
                System.getProperty("java.version"),
                System.getProperty("java.vendor"),
                System.getProperty("java.home"));
    return feature >= OLDEST_JAVA
        ? Check.ok("Java", detail)
        : Check.missing("Java", detail, "install a JDK of version 17 or newer");
  }

  private static Check memory() {
    return Check.ok(
        "Java heap",
        "at most %s; more with QUANTRAIN_JAVA_OPTS=-Xmx8g"
            .formatted(Numbers.bytes(Runtime.getRuntime().maxMemory())));
  }

  private static Check processor() {
    Processor processor = Processor.detect();
    int cores = Runtime.getRuntime().availableProcessors();
    return Check.ok("processor", processor + ", " + cores + (cores == 1 ? " core" : " cores"));
  }

  private static void backend(List<Check> checks) {
    String description;
    try (Quantrain quantrain = Quantrain.open()) {
      description = quantrain.describe();
    } catch (RuntimeException | LinkageError e) {
      checks.add(Check.missing("CPU backend", Failures.line(e), REBUILD));
      return;
    }
    checks.add(Check.ok("CPU backend", description));
    checks.add(int8Units(description));
    checks.add(bf16Units(description));
  }

  private static Check int8Units(String description) {
    Matcher exact = EXACT_UNITS.matcher(description);
    boolean used = exact.find();
    String detail =
        used
            ? "exact: products of codes run on them, " + exact.group(1)
            : "not exact here: products of codes run "
                + (description.contains("in 16-bit units")
                    ? "in pairs in 16-bit units"
                    : "on integer-valued floats")
                + ", same bits, slower";
    return units("int8 units", used, detail, "AVX-512 VNNI or AMX would be faster");
  }

  private static Check bf16Units(String description) {
    Matcher present = BF16_UNITS.matcher(description);
    boolean used = present.find();
    String detail =
        used
            ? "products of bf16 numbers run on them, " + present.group(1)
            : "not here: products of bf16 numbers are emulated, slower than of float32";
    return units("bf16 units", used, detail, "train with float32 gradients");
  }

  /** Units of the processor that oneDNN uses unless its environment variable keeps it from it. */
  private static Check units(String name, boolean used, String detail, String without) {
    String limit = System.getenv("ONEDNN_MAX_CPU_ISA");
    String remedy =
        limit == null
            ? "nothing to do; " + without
            : "ONEDNN_MAX_CPU_ISA=%s limits what is used; unset it".formatted(limit);
    return Check.optional(name, used, detail, used ? null : remedy);
  }

  /** Without all of it training runs on the CPU. */
  private static List<Check> cuda() {
    List<DeviceCheck> parts;
    try {
      parts = Quantrain.checkCuda();
    } catch (RuntimeException | LinkageError e) {
      return List.of(Check.optional("CUDA device", false, Failures.line(e), REBUILD));
    }
    return parts.stream()
        .map(part -> Check.optional(part.name(), part.ok(), part.detail(), part.remedy()))
        .toList();
  }

  private static Check processes() {
    Optional<String> reason = Quantrain.whyNotTogether(2, Device.parse("cpu"));
    return Check.optional(
        "processes",
        reason.isEmpty(),
        reason.orElse("train --processes is built, on Gloo"),
        reason.isEmpty() ? null : "sudo apt-get install -y libgloo-dev, then " + REBUILD);
  }

  private static Check onnxRuntime() {
    try {
      String version = OrtEnvironment.getEnvironment().getVersion();
      return Check.ok("ONNX Runtime", version + "; verification runs it in a process of its own");
    } catch (RuntimeException | LinkageError e) {
      return Check.missing(
          "ONNX Runtime",
          Failures.line(e),
          "verification needs it; it wants Linux, macOS or Windows on x86-64 or arm64");
    }
  }

  private static Path dataCache() {
    String given = System.getenv("XDG_CACHE_HOME");
    Path base =
        given != null && given.startsWith("/")
            ? Path.of(given)
            : Path.of(System.getProperty("user.home"), ".cache");
    return base.resolve("quantrain");
  }

  private static Path libraryCache() {
    String given = System.getProperty("org.bytedeco.javacpp.cachedir");
    return given != null
        ? Path.of(given)
        : Path.of(System.getProperty("user.home"), ".javacpp", "cache");
  }

  private static Check folder(String name, Path folder, String remedy) {
    Path path = folder.toAbsolutePath();
    Path existing = path;
    while (!Files.exists(existing) && existing.getParent() != null) {
      existing = existing.getParent();
    }
    long free = existing.toFile().getUsableSpace();
    boolean writable = Files.isWritable(existing);
    String detail =
        "%s, %s free%s%s"
            .formatted(
                path,
                Numbers.bytes(free),
                existing.equals(path) ? "" : ", not made yet",
                writable ? "" : ", not writable");
    boolean good = writable && free >= LITTLE_SPACE;
    return Check.optional(name, good, detail, good ? null : remedy);
  }
}
