package org.quantrain.nativecheck;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What the build of the CUDA kernels makes of the compiler's register report. */
class RegisterReportTest {
  private static final String CLEAN =
      """
      ptxas info    : Compiling entry function '_Zclean' for 'sm_90'
      ptxas info    : Function properties for _Zclean
          0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads
      ptxas info    : Used 40 registers, used 0 barriers
      """;

  @TempDir Path folder;

  private Command.Outcome check(String report) throws IOException, InterruptedException {
    Path log = Files.writeString(folder.resolve("ptxas.log"), report);
    return Command.run(
        Duration.ofSeconds(30), "sh", Command.SOURCE + "/cuda/no-local-memory.sh", log.toString());
  }

  private static String kernel(String name, String memory) {
    return CLEAN
        .replace("clean", name)
        .replace("0 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads", memory);
  }

  private void assertRefused(String name, String memory) throws IOException, InterruptedException {
    Command.Outcome outcome = check(CLEAN + kernel(name, memory) + CLEAN);
    assertNotEquals(0, outcome.status());
    assertTrue(outcome.text().contains("'_Z" + name + "'"), outcome.text());
    assertTrue(outcome.text().contains("3 kernels"), outcome.text());
    assertTrue(!outcome.text().contains("_Zclean"), outcome.text());
  }

  @Test
  void kernelsThatStayInRegistersPass() throws IOException, InterruptedException {
    Command.Outcome outcome = check(CLEAN + CLEAN);
    assertEquals(0, outcome.status(), outcome.text());
    assertTrue(outcome.text().contains("2 kernels"), outcome.text());
    assertTrue(outcome.text().contains("at most 40 registers"), outcome.text());
  }

  @Test
  void aSpilledRegisterFailsTheBuildAndNamesTheKernel() throws IOException, InterruptedException {
    assertRefused("spills", "8 bytes stack frame, 8 bytes spill stores, 4 bytes spill loads");
  }

  @Test
  void anArrayInLocalMemoryFailsTheBuildAndNamesTheKernel()
      throws IOException, InterruptedException {
    assertRefused("array", "64 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads");
    assertRefused("large", "1000 bytes stack frame, 0 bytes spill stores, 0 bytes spill loads");
  }

  @Test
  void aLogWithoutReportFails() throws IOException, InterruptedException {
    assertNotEquals(0, check("").status());
    assertNotEquals(0, check("nvcc warning : nothing compiled\n").status());
  }
}
