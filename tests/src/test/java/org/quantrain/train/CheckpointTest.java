package org.quantrain.train;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.quantrain.tensor.HostTensor;
import org.quantrain.tensor.Shape;

class CheckpointTest {
  @TempDir Path folder;

  private static Checkpoint example() {
    HostTensor w = HostTensor.of(Shape.of(2, 1, 1, 3), 1f, -0f, Float.MIN_VALUE, 4f, 5f, 6f);
    HostTensor count = HostTensor.of(Shape.of(1), 7);
    return new Checkpoint(
        Stage.QAT,
        "abc",
        3,
        2,
        140,
        0.125,
        Map.of("w", w, "q.count", count),
        Map.of("w", HostTensor.filled(Shape.of(2, 1, 1, 3), 0.5f)),
        Map.of("w", HostTensor.filled(Shape.of(2, 1, 1, 3), 2f), "q.count", count));
  }

  @Test
  void readingGivesBackWhatWasWritten() throws IOException {
    Path file = folder.resolve("a.safetensors");
    Checkpoint written = example();
    written.write(file);
    Checkpoint read = Checkpoint.read(file);
    assertEquals(written.stage(), read.stage());
    assertEquals(written.fingerprint(), read.fingerprint());
    assertEquals(written.epochs(), read.epochs());
    assertEquals(written.bestEpoch(), read.bestEpoch());
    assertEquals(written.bestCorrect(), read.bestCorrect());
    assertEquals(written.bestLoss(), read.bestLoss());
    assertSame(written.contents(), read.contents());
    assertSame(written.velocities(), read.velocities());
    assertSame(written.best(), read.best());
  }

  private static void assertSame(Map<String, HostTensor> a, Map<String, HostTensor> b) {
    assertEquals(a.keySet(), b.keySet());
    a.forEach(
        (name, t) -> {
          assertEquals(t.spec(), b.get(name).spec(), name);
          assertArrayEquals(t.bytes(), b.get(name).bytes(), name);
        });
  }

  @Test
  void equalContentsGiveEqualBytes() throws IOException {
    example().write(folder.resolve("a"));
    example().write(folder.resolve("b"));
    assertEquals(-1, Files.mismatch(folder.resolve("a"), folder.resolve("b")));
  }

  @Test
  void anyFlippedBitIsFound() throws IOException {
    Path file = folder.resolve("a.safetensors");
    example().write(file);
    byte[] good = Files.readAllBytes(file);
    for (int i = 0; i < good.length; i++) {
      byte[] bad = good.clone();
      bad[i] ^= (byte) (1 << (i % 8));
      Files.write(file, bad);
      String message =
          assertThrows(CheckpointException.class, () -> Checkpoint.read(file), "byte " + i)
              .getMessage();
      assertTrue(message.contains(file.toString()), message);
    }
  }

  @Test
  void anyTruncationIsFound() throws IOException {
    Path file = folder.resolve("a.safetensors");
    example().write(file);
    byte[] good = Files.readAllBytes(file);
    for (int length = 0; length < good.length; length++) {
      Files.write(file, Arrays.copyOf(good, length));
      assertThrows(CheckpointException.class, () -> Checkpoint.read(file), "length " + length);
    }
  }

  @Test
  void aMissingFileIsNamed() {
    Path file = folder.resolve("none.safetensors");
    String message =
        assertThrows(CheckpointException.class, () -> Checkpoint.read(file)).getMessage();
    assertEquals("checkpoint " + file + ": no such file", message);
  }

  @Test
  void aFailedWriteLeavesTheOldFileWhole() throws IOException {
    Path file = folder.resolve("a.safetensors");
    example().write(file);
    byte[] before = Files.readAllBytes(file);
    Path asFolder = folder.resolve("b.safetensors");
    Files.createDirectories(asFolder.resolve("child"));
    assertThrows(IOException.class, () -> example().write(asFolder));
    assertArrayEquals(before, Files.readAllBytes(file));
    try (var left = Files.list(folder)) {
      assertEquals(2, left.count(), "a temporary file is left");
    }
  }
}
