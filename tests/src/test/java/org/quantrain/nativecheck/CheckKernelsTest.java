package org.quantrain.nativecheck;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;

/**
 * Runs the native driver that needs no JVM: the .cu files, emulated in several thread orders,
 * against the CPU kernels.
 */
class CheckKernelsTest {
  private static final Path DRIVER = Path.of("../java/target/native/check/check_kernels");

  @Test
  void emulatedCudaKernelsGiveTheBitsOfTheCpuKernels() throws IOException, InterruptedException {
    assertTrue(Files.isExecutable(DRIVER), "not built: " + DRIVER.toAbsolutePath().normalize());
    Path log = Files.createTempFile("check_kernels", ".txt");
    try {
      Process process =
          new ProcessBuilder(DRIVER.toString())
              .redirectErrorStream(true)
              .redirectOutput(log.toFile())
              .start();
      assertTrue(process.waitFor(3, TimeUnit.MINUTES), "still running after 3 minutes");
      List<String> lines = Files.readAllLines(log, StandardCharsets.UTF_8);
      String last = lines.get(lines.size() - 1);
      Matcher counts = Pattern.compile("(\\d+) passed, (\\d+) failed").matcher(last);
      assertTrue(counts.matches(), "last line: " + last);
      assertEquals(0, Integer.parseInt(counts.group(2)), String.join("\n", lines));
      assertTrue(Integer.parseInt(counts.group(1)) > 1000, "too few checks ran: " + last);
      assertEquals(0, process.exitValue());
    } finally {
      Files.deleteIfExists(log);
    }
  }
}
