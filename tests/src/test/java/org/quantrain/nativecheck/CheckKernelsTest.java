package org.quantrain.nativecheck;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Runs the native driver that needs no JVM: every kernel on every instruction set with one thread
 * and two, and the .cu files, emulated in several thread orders, against the CPU kernels.
 */
class CheckKernelsTest {
  private static final Path DRIVER = Path.of("../java/target/native/check/check_kernels");

  private static int exitValue;
  private static String errors;
  private static JsonNode report;

  @BeforeAll
  static void runTheDriver(@TempDir Path folder) throws IOException, InterruptedException {
    assertTrue(Files.isExecutable(DRIVER), "not built: " + DRIVER.toAbsolutePath().normalize());
    Path output = folder.resolve("checks.json");
    Path error = folder.resolve("errors.txt");
    Process process =
        new ProcessBuilder(DRIVER.toString(), "--json")
            .redirectOutput(output.toFile())
            .redirectError(error.toFile())
            .start();
    assertTrue(process.waitFor(10, TimeUnit.MINUTES), "still running after 10 minutes");
    exitValue = process.exitValue();
    errors = Files.readString(error);
    report = new ObjectMapper().readTree(output.toFile());
  }

  @Test
  void everyInstructionSetThreadCountAndTheEmulatedCudaKernelsAgree() {
    assertEquals(0, report.get("failed").asInt(), errors);
    assertEquals(0, exitValue, errors);
  }

  @Test
  void everyKernelHasCases() throws IOException {
    Set<String> missing = KernelList.names();
    for (JsonNode row : report.get("checks")) {
      missing.remove(row.get("name").asText());
    }
    assertEquals(Set.of(), missing, "kernels without a case in native/check/cases");
  }

  @Test
  void valuesThatOnlyTheCpuCanRefuseGiveDefinedCodesOnADevice()
      throws IOException, InterruptedException {
    Command.Outcome outcome =
        Command.succeed(
            Duration.ofMinutes(1), DRIVER.resolveSibling("check_device_values").toString());
    assertEquals("40 scales and zero-points, 0 failures", outcome.last());
  }

  @Test
  void anUnknownKernelIsAnErrorWhereverItIsNamed() throws IOException, InterruptedException {
    for (String mode : new String[] {"--json", "--time"}) {
      Command.Outcome outcome =
          Command.run(
              Duration.ofMinutes(1), DRIVER.toString(), mode, "--kernel", "fake_quants");
      assertEquals(2, outcome.status(), outcome.text());
      assertEquals("no kernel fake_quants: native/kernels.def has the names", outcome.last());
    }
  }
}
