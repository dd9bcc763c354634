package org.quantrain.nativecheck;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What the emulated device finds: small kernels and streams, with and without a defect. */
class EmulatorTest {
  private static Command.Outcome run(String kernel) throws IOException, InterruptedException {
    return Command.run(
        Duration.ofSeconds(30), Command.BUILD + "/emulator/check_emulator", kernel);
  }

  @ParameterizedTest
  @ValueSource(strings = {"reverse", "reverse-warp", "count", "copy"})
  void withItsBarrierAKernelGivesOneResultInEveryThreadOrderAndWithoutItSeveral(String kernel)
      throws IOException, InterruptedException {
    Command.Outcome ordered = run(kernel);
    assertEquals(0, ordered.status(), ordered.text());
    assertEquals("1 different results", ordered.text());
    Command.Outcome racy = run(kernel + "-without-barrier");
    assertEquals(0, racy.status(), racy.text());
    assertTrue(racy.text().matches("[2-8] different results"), racy.text());
  }

  @Test
  void streamsThatWaitForEachOtherGiveOneResultInEveryOrder()
      throws IOException, InterruptedException {
    Command.Outcome outcome = run("relay");
    assertEquals(0, outcome.status(), outcome.text());
    assertEquals("1 different results", outcome.text());
  }

  @ParameterizedTest
  @ValueSource(strings = {"filled", "emptied", "host"})
  void aWaitThatIsMissingBetweenStreamsOrOfTheHostGivesSeveralResults(String wait)
      throws IOException, InterruptedException {
    Command.Outcome outcome = run("relay-without-" + wait);
    assertEquals(0, outcome.status(), outcome.text());
    assertTrue(outcome.text().matches("[2-9] different results"), outcome.text());
  }

  @Test
  void aBarrierThatSomeThreadsNeverReachEndsTheProgram() throws IOException, InterruptedException {
    Command.Outcome outcome = run("stuck");
    assertNotEquals(0, outcome.status());
    assertTrue(outcome.text().contains("wait at barriers that will not open"), outcome.text());
  }

  @Test
  void aMisalignedAccessOfSixteenBytesEndsTheProgram() throws IOException, InterruptedException {
    Command.Outcome outcome = run("misaligned");
    assertNotEquals(0, outcome.status());
    assertTrue(!outcome.text().contains("different results"), outcome.text());
  }
}
