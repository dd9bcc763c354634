package org.quantrain.nativecheck;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.FutureTask;
import org.junit.platform.engine.TestSource;
import org.junit.platform.engine.support.descriptor.ClassSource;
import org.junit.platform.launcher.TestExecutionListener;
import org.junit.platform.launcher.TestIdentifier;
import org.junit.platform.launcher.TestPlan;

/**
 * The native library with AddressSanitizer and UndefinedBehaviorSanitizer, for {@link
 * SanitizerTest}. The build takes about ten minutes of processor time once, more where AVX-512 is;
 * later runs rebuild what changed. Most tests leave a processor idle, so it begins with the first
 * of them, at a lower priority, where the run has a use for it.
 */
public final class SanitizedBuild implements TestExecutionListener {
  static final Path FOLDER = Path.of("target/sanitized");

  private static final String SANITIZERS = "address,undefined,float-cast-overflow";
  // Whether the compiler can make such programs.
  private static final FutureTask<Boolean> BUILD = new FutureTask<>(SanitizedBuild::build);

  /** JUnit asks for it: META-INF/services names this class. */
  @Override
  public void testPlanExecutionStarted(TestPlan plan) {
    boolean used =
        plan.getRoots().stream()
            .flatMap(root -> plan.getDescendants(root).stream())
            .map(TestIdentifier::getSource)
            .flatMap(Optional::stream)
            .anyMatch(SanitizedBuild::isItsTest);
    if (used) {
      Thread thread = new Thread(BUILD, "sanitized build");
      thread.setDaemon(true);
      thread.start();
    }
  }

  private static boolean isItsTest(TestSource source) {
    return source instanceof ClassSource type
        && type.getClassName().equals(SanitizerTest.class.getName());
  }

  /**
   * Returns when it has ended, and starts it where nothing did. False where the compiler has no
   * sanitizer runtime: compilers come with it as a rule; some distributions pack it apart.
   */
  static boolean await() throws InterruptedException, ExecutionException {
    BUILD.run(); // at once over where it runs or has run
    return BUILD.get();
  }

  private static boolean build() throws IOException, InterruptedException {
    if (!compilerHasTheRuntime()) {
      return false;
    }
    Command.succeed(
        Duration.ofMinutes(2),
        "cmake",
        "-S",
        Command.SOURCE + "",
        "-B",
        FOLDER + "",
        "-DQT_CUDA=OFF",
        "-DQT_SANITIZE=" + SANITIZERS);
    Command.succeed(
        Duration.ofMinutes(40),
        "nice",
        "cmake",
        "--build",
        FOLDER + "",
        "--parallel",
        Runtime.getRuntime().availableProcessors() + "",
        "--target",
        "check_kernels",
        "check_device_values",
        "fuzz_arguments");
    return true;
  }

  private static boolean compilerHasTheRuntime() throws IOException, InterruptedException {
    Path folder = Files.createDirectories(Path.of("target/sanitizer-runtime"));
    Path source = Files.writeString(folder.resolve("empty.cc"), "int main() { return 0; }\n");
    String compiler = Optional.ofNullable(System.getenv("CXX")).orElse("c++");
    String program = folder.resolve("empty").toString();
    Duration limit = Duration.ofMinutes(1);
    return Command.run(limit, compiler, "-fsanitize=" + SANITIZERS, source + "", "-o", program)
                .status()
            == 0
        && Command.run(limit, program).status() == 0;
  }
}
