package org.quantrain.io;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.AtomicMoveNotSupportedException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.List;

/** Files that are there completely or not at all. */
public final class AtomicFile {
  /** A channel copies what it writes through native memory of the same size. */
  private static final int PIECE = 1 << 20;

  private AtomicFile() {}

  /**
   * Writes to a temporary name in the same folder, forces it to the disk, then renames. A file of
   * that name that was there before stays until the rename.
   */
  public static void write(Path file, byte[] bytes) throws IOException {
    write(file, List.of(ByteBuffer.wrap(bytes)));
  }

  /** The same for contents in parts. */
  public static void write(Path file, List<ByteBuffer> parts) throws IOException {
    Path target = file.toAbsolutePath();
    Path folder = target.getParent();
    Files.createDirectories(folder);
    Path temporary =
        folder.resolve("." + target.getFileName() + "." + ProcessHandle.current().pid() + ".tmp");
    try {
      force(temporary, parts);
      rename(temporary, target);
    } finally {
      Files.deleteIfExists(temporary);
    }
    forceFolder(folder);
  }

  /** Fails, and leaves nothing, unless the folder takes a file of this size. */
  public static void probe(Path folder, int bytes) throws IOException {
    Path file = folder.resolve(".probe." + ProcessHandle.current().pid() + ".tmp");
    try {
      force(file, List.of(ByteBuffer.allocate(bytes)));
    } finally {
      Files.deleteIfExists(file);
    }
  }

  private static void force(Path file, List<ByteBuffer> parts) throws IOException {
    try (FileChannel channel =
        FileChannel.open(
            file,
            StandardOpenOption.CREATE,
            StandardOpenOption.WRITE,
            StandardOpenOption.TRUNCATE_EXISTING)) {
      for (ByteBuffer part : parts) {
        while (part.hasRemaining()) {
          int piece = Math.min(PIECE, part.remaining());
          int written = channel.write(part.slice(part.position(), piece));
          part.position(part.position() + written);
        }
      }
      channel.force(true);
    }
  }

  private static void rename(Path temporary, Path target) throws IOException {
    try {
      Files.move(temporary, target, StandardCopyOption.ATOMIC_MOVE);
    } catch (AtomicMoveNotSupportedException e) {
      Files.move(temporary, target, StandardCopyOption.REPLACE_EXISTING);
    }
  }

  /** Makes the rename itself durable; systems that cannot open a folder need not. */
  private static void forceFolder(Path folder) {
    try (FileChannel channel = FileChannel.open(folder, StandardOpenOption.READ)) {
      channel.force(true);
    } catch (IOException e) {
      // The contents are safe; only the new name may be lost with the power.
    }
  }
}
