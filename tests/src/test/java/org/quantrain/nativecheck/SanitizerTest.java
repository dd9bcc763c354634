package org.quantrain.nativecheck;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Path;
import java.time.Duration;
import java.util.concurrent.ExecutionException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Order;
import org.junit.jupiter.api.Test;

/**
 * The native library under AddressSanitizer and UndefinedBehaviorSanitizer, both of which end the
 * program at their first finding: the CPU kernels of every instruction set, the emulated CUDA
 * kernels, and the argument checks. The last of all tests, because its build runs beside them.
 */
@Order(Integer.MAX_VALUE)
class SanitizerTest {
  private static final Path BUILD = SanitizedBuild.FOLDER;
  private static final int ARGUMENT_SETS = 100_000;

  @BeforeAll
  static void waitForTheBuild() throws InterruptedException, ExecutionException {
    assumeTrue(SanitizedBuild.await(), "the compiler has no sanitizer runtime");
  }

  @Test
  void everyKernelRunsWithoutAFinding()
      throws IOException, InterruptedException, ExecutionException {
    KernelChecks checks =
        KernelChecks.run(Duration.ofMinutes(10), BUILD.resolve("check/check_kernels"), "--quick");
    checks.assertNoneFailed();
    assertEquals(KernelList.names(), checks.kernels());
  }

  @Test
  void valuesThatOnlyTheCpuCanRefuseRunWithoutAFindingOnADevice()
      throws IOException, InterruptedException {
    Command.Outcome outcome =
        Command.succeed(Duration.ofMinutes(2), BUILD + "/check/check_device_values");
    assertEquals("40 scales and zero-points, 0 failures", outcome.last());
  }

  @Test
  void damagedArgumentsAreRefusedOrComputedWithoutAFinding()
      throws IOException, InterruptedException {
    Command.Outcome outcome =
        Command.succeed(
            Duration.ofMinutes(10), BUILD + "/check/fuzz_arguments", ARGUMENT_SETS + "");
    Matcher counts =
        Pattern.compile(
                "(\\d+) argument sets of (\\d+) kernels: (\\d+) accepted, (\\d+) refused, 0 wrong")
            .matcher(outcome.last());
    assertTrue(counts.matches(), outcome.text());
    assertEquals(ARGUMENT_SETS, Integer.parseInt(counts.group(1)));
    assertEquals(KernelList.names().size(), Integer.parseInt(counts.group(2)));
    // Both ways were walked: of random damage neither is rare.
    int accepted = Integer.parseInt(counts.group(3));
    assertTrue(accepted > ARGUMENT_SETS / 10 && accepted < ARGUMENT_SETS / 2, outcome.last());
  }
}
