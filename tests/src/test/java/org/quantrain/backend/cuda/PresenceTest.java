package org.quantrain.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.quantrain.runtime.Meeting;

/** Who is there, who left and who died. */
class PresenceTest {
  @TempDir private Path folder;

  /** Stays until its input ends, unless it is killed before. */
  public static final class Stay {
    private Stay() {}

    public static void main(String[] folder) throws IOException {
      try (Presence presence = new Presence(new Meeting(Path.of(folder[0]), 1, 2))) {
        presence.dead();
        System.in.read();
      }
    }
  }

  private Process other() throws Exception {
    Process other =
        new ProcessBuilder(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-cp",
                System.getProperty("java.class.path"),
                Stay.class.getName(),
                folder.toString())
            .redirectErrorStream(true)
            .start();
    while (!Files.exists(folder.resolve("present-1"))) {
      assertEquals(true, other.isAlive(), () -> "it ended");
      Thread.sleep(10);
    }
    return other;
  }

  @Test
  void aProcessThatWasKilledIsDead() throws Exception {
    try (Presence presence = new Presence(new Meeting(folder, 0, 2))) {
      assertEquals(OptionalInt.empty(), presence.dead(), "it did not come yet");
      Process other = other();
      assertEquals(OptionalInt.empty(), presence.dead());
      other.destroyForcibly().waitFor();
      assertEquals(OptionalInt.of(1), presence.dead());
    }
  }

  @Test
  void aProcessThatLeftIsNotDead() throws Exception {
    try (Presence presence = new Presence(new Meeting(folder, 0, 2))) {
      Process other = other();
      other.getOutputStream().close();
      other.waitFor();
      assertEquals(OptionalInt.empty(), presence.dead());
    }
  }
}
