package org.quantrain.nativecheck;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * The native library under AddressSanitizer and UndefinedBehaviorSanitizer, both of which end the
 * program at their first finding: the CPU kernels of every instruction set, the emulated CUDA
 * kernels, and the argument checks. The build takes about twenty minutes of processor time once,
 * more where AVX-512 is; later runs rebuild what changed.
 */
class SanitizerTest {
  private static final String SANITIZERS = "address,undefined,float-cast-overflow";
  private static final Path BUILD = Path.of("target/sanitized");
  private static final int ARGUMENT_SETS = 100_000;

  @BeforeAll
  static void build(@TempDir Path folder) throws IOException, InterruptedException {
    assumeTrue(compilerHasTheRuntime(folder), "the compiler has no sanitizer runtime");
    Duration limit = Duration.ofMinutes(25);
    Command.succeed(
        Duration.ofMinutes(2),
        "cmake",
        "-S",
        Command.SOURCE + "",
        "-B",
        BUILD + "",
        "-DQT_CUDA=OFF",
        "-DQT_SANITIZE=" + SANITIZERS);
    Command.succeed(
        limit,
        "cmake",
        "--build",
        BUILD + "",
        "--parallel",
        Runtime.getRuntime().availableProcessors() + "",
        "--target",
        "check_kernels",
        "check_device_values",
        "fuzz_arguments");
  }

  /** Compilers come with the runtime as a rule; some distributions pack it apart. */
  private static boolean compilerHasTheRuntime(Path folder)
      throws IOException, InterruptedException {
    Path source = Files.writeString(folder.resolve("empty.cc"), "int main() { return 0; }\n");
    String compiler = Optional.ofNullable(System.getenv("CXX")).orElse("c++");
    String program = folder.resolve("empty").toString();
    Duration limit = Duration.ofMinutes(1);
    return Command.run(limit, compiler, "-fsanitize=" + SANITIZERS, source + "", "-o", program)
                .status()
            == 0
        && Command.run(limit, program).status() == 0;
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
