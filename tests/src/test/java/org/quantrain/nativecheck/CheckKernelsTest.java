package org.quantrain.nativecheck;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * Runs the native driver that needs no JVM: every kernel on every instruction set with one thread
 * and two, and the .cu files, emulated in several thread orders, against the CPU kernels.
 */
class CheckKernelsTest {
  private static final Path DRIVER = Path.of("../java/target/native/check/check_kernels");

  private static KernelChecks checks;

  @BeforeAll
  static void runTheDriver() throws InterruptedException, ExecutionException {
    assertTrue(Files.isExecutable(DRIVER), "not built: " + DRIVER.toAbsolutePath().normalize());
    checks = KernelChecks.run(Duration.ofMinutes(10), DRIVER);
  }

  @Test
  void everyInstructionSetThreadCountAndTheEmulatedCudaKernelsAgree() throws IOException {
    checks.assertNoneFailed();
  }

  @Test
  void everyKernelHasCases() throws IOException {
    Set<String> missing = KernelList.names();
    missing.removeAll(checks.kernels());
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
