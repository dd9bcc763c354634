package org.quantrain.backend.cpu;

import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Pointer;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_collective;
import org.quantrain.runtime.CollectiveException;
import org.quantrain.runtime.Meeting;

/** Connections to all other processes; used by one thread at a time. */
final class GlooConnections implements AutoCloseable {
  /** Long enough for a process that saves to a slow disk; one that died is noticed at once. */
  private static final Duration PATIENCE = Duration.ofMinutes(10);

  private final Meeting meeting;
  private final qt_collective collective = new qt_collective();

  /**
   * Waits for the others, each of which makes as many, in the same order.
   *
   * @param library the file that talks
   * @param folder that no other connections meet in
   * @throws CollectiveException if they do not come
   */
  GlooConnections(Meeting meeting, String library, Path folder) {
    this.meeting = meeting;
    try (BytePointer message = new BytePointer(512);
        BytePointer file = new BytePointer(library, StandardCharsets.UTF_8);
        BytePointer place = new BytePointer(folder.toString(), StandardCharsets.UTF_8)) {
      message.put(0, (byte) 0);
      int status =
          QuantrainNative.qt_collective_open(
              collective,
              file,
              place,
              meeting.rank(),
              meeting.size(),
              Math.toIntExact(PATIENCE.toMillis()),
              message,
              message.capacity());
      if (status != QuantrainNative.QT_OK) {
        throw failure(
            message.limit(BytePointer.strlen(message)).getString(StandardCharsets.UTF_8));
      }
    }
  }

  private CollectiveException failure(String reason) {
    return new CollectiveException(
        "process %d of %d lost the others: %s".formatted(meeting.rank(), meeting.size(), reason));
  }

  /**
   * Replaces elements by their reduction.
   *
   * @param number a qt_number
   * @param function a qt_reduce_kind
   * @throws CollectiveException if another process is gone or does not come
   */
  void reduce(Pointer data, long elements, int number, int function) {
    int status =
        QuantrainNative.qt_collective_all_reduce(collective, data, elements, number, function);
    if (status != QuantrainNative.QT_OK) {
      throw failure(QuantrainNative.qt_collective_last_error(collective).getString());
    }
  }

  @Override
  public void close() {
    QuantrainNative.qt_collective_close(collective);
    collective.setNull();
  }
}
