package org.quantrain.backend.cuda;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.OptionalInt;
import org.quantrain.runtime.CollectiveException;
import org.quantrain.runtime.Meeting;

/**
 * Signs of life of the processes of a meeting. Each holds the lock of a file, which the system
 * releases when it dies, however it dies; who leaves in order takes the file away first.
 */
final class Presence implements AutoCloseable {
  private final Meeting meeting;
  private final FileChannel held;

  /** From now on the others see this process. */
  Presence(Meeting meeting) {
    this.meeting = meeting;
    Path coming = meeting.folder().resolve("coming-" + meeting.rank());
    FileChannel channel = null;
    try {
      channel =
          FileChannel.open(coming, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
      if (channel.tryLock() == null) {
        throw new IOException("it is locked");
      }
      // Seen only once it is locked.
      Files.move(coming, file(meeting.rank()), StandardCopyOption.ATOMIC_MOVE);
    } catch (IOException | OverlappingFileLockException e) {
      closeQuietly(channel);
      throw new CollectiveException(
          "process %d of %d cannot meet the others in %s: %s"
              .formatted(meeting.rank(), meeting.size(), meeting.folder(), e));
    }
    held = channel;
  }

  private Path file(int rank) {
    return meeting.folder().resolve("present-" + rank);
  }

  /** A process that came and died; empty if there is none. */
  OptionalInt dead() {
    for (int rank = 0; rank < meeting.size(); rank++) {
      if (rank != meeting.rank() && died(file(rank))) {
        return OptionalInt.of(rank);
      }
    }
    return OptionalInt.empty();
  }

  private static boolean died(Path file) {
    try (FileChannel other = FileChannel.open(file, StandardOpenOption.WRITE);
        FileLock lock = other.tryLock()) {
      return lock != null && Files.exists(file);
    } catch (OverlappingFileLockException e) {
      return false; // A process that is a thread of this one.
    } catch (IOException e) {
      return false; // It did not come yet, or it left.
    }
  }

  private static void closeQuietly(FileChannel channel) {
    try {
      if (channel != null) {
        channel.close();
      }
    } catch (IOException e) {
      // The lock goes with the process.
    }
  }

  @Override
  public void close() {
    try {
      Files.deleteIfExists(file(meeting.rank()));
    } catch (IOException e) {
      // To the others it looks like a death, which they survive if they need nothing any more.
    }
    closeQuietly(held);
  }
}
