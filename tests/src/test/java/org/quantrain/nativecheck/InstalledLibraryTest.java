package org.quantrain.nativecheck;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The native library as a C program finds it after {@code cmake --install}. */
class InstalledLibraryTest {
  private static final Duration LIMIT = Duration.ofMinutes(2);

  @TempDir Path folder;

  @Test
  void aProgramInCFindsTheInstalledPackageAndRuns() throws IOException, InterruptedException {
    String prefix = folder.resolve("installed").toString();
    String build = folder.resolve("example").toString();
    Command.succeed(LIMIT, "cmake", "--install", Command.BUILD + "", "--prefix", prefix);
    Command.succeed(
        LIMIT,
        "cmake",
        "-S",
        Command.SOURCE + "/example",
        "-B",
        build,
        "-DCMAKE_PREFIX_PATH=" + prefix);
    Command.succeed(LIMIT, "cmake", "--build", build);
    List<String> lines = Command.succeed(LIMIT, build + "/example").lines();
    assertEquals(
        List.of(
            "x  -3.00  y -3.00  dx  1.0",
            "x  -1.75  y -2.00  dx  2.0",
            "x  -0.25  y  0.00  dx  3.0",
            "x   0.00  y  0.00  dx  4.0",
            "x   0.25  y  0.00  dx  5.0",
            "x   0.75  y  1.00  dx  6.0",
            "x   1.60  y  1.50  dx  7.0",
            "x 100.00  y  3.50  dx  0.0"),
        lines.subList(1, 9));
    assertTrue(lines.get(0).startsWith("quantrain "), lines.get(0));
    assertTrue(lines.get(9).startsWith("[fake_quant] qm"), lines.get(9));
  }

  @Test
  void theComponentForJavaIsTheLibrariesAlone() throws IOException, InterruptedException {
    Command.succeed(
        LIMIT,
        "cmake",
        "--install",
        Command.BUILD + "",
        "--prefix",
        folder.toString(),
        "--component",
        "flat");
    try (var files = Files.list(folder)) {
      List<String> names = files.map(f -> f.getFileName().toString()).sorted().toList();
      assertTrue(names.contains("libquantrain.so"), names.toString());
      assertTrue(
          names.stream().allMatch(n -> n.matches("libquantrain(_cuda|_gloo)?\\.so")), names.toString());
    }
  }
}
