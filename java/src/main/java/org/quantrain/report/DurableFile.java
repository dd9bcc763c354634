package org.quantrain.report;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;

/** Files that are there completely or not at all. */
final class DurableFile {
  private DurableFile() {}

  /** Writes to a temporary name in the same folder, forces it to the disk, then renames. */
  static void write(Path file, String text) throws IOException {
    Path target = file.toAbsolutePath();
    Path temporary =
        target.resolveSibling(
            "." + target.getFileName() + "." + ProcessHandle.current().pid() + ".tmp");
    try {
      force(temporary, ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8)));
      try {
        Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
      } catch (AtomicMoveNotSupportedException e) {
        Files.move(temporary, target, StandardCopyOption.REPLACE_EXISTING);
      }
    } finally {
      Files.deleteIfExists(temporary);
    }
    try (FileChannel folder = FileChannel.open(target.getParent(), StandardOpenOption.READ)) {
      folder.force(true);
    } catch (IOException e) {
      // Not every system opens folders. The contents are safe; only the name may be lost.
    }
  }

  /** Fails, and leaves nothing, unless the folder takes a file of this size. */
  static void probe(Path folder, int bytes) throws IOException {
    Path file = folder.resolve(".probe." + ProcessHandle.current().pid() + ".tmp");
    try {
      force(file, ByteBuffer.allocate(bytes));
    } finally {
      Files.deleteIfExists(file);
    }
  }

  private static void force(Path file, ByteBuffer bytes) throws IOException {
    try (FileChannel channel =
        FileChannel.open(
            file,
            StandardOpenOption.CREATE,
            StandardOpenOption.WRITE,
            StandardOpenOption.TRUNCATE_EXISTING)) {
      while (bytes.hasRemaining()) {
        channel.write(bytes);
      }
      channel.force(true);
    }
  }
}
