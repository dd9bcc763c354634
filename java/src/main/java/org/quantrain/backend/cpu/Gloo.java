package org.quantrain.backend.cpu;

import java.io.IOException;
import java.net.URL;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Optional;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.Pointer;
import org.quantrain.backend.shared.At;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_collective;
import org.quantrain.op.AllReduce;
import org.quantrain.runtime.Collective;
import org.quantrain.runtime.CollectiveException;
import org.quantrain.runtime.Kernel;
import org.quantrain.runtime.Meeting;
import org.quantrain.tensor.DType;

/** Processes on this host, over Gloo: a library of its own, opened when they meet. */
final class Gloo implements Collective {
  private static final String LIBRARY = "libquantrain_gloo.so";

  /** Long enough for a process that saves to a slow disk; one that died is noticed at once. */
  private static final Duration PATIENCE = Duration.ofMinutes(10);

  private final Meeting meeting;
  private final qt_collective collective = new qt_collective();

  Gloo(Meeting meeting) {
    this.meeting = meeting;
    try (BytePointer message = new BytePointer(512);
        BytePointer library = new BytePointer(library(), StandardCharsets.UTF_8);
        BytePointer folder =
            new BytePointer(meeting.folder().toString(), StandardCharsets.UTF_8)) {
      message.put(0, (byte) 0);
      int status =
          QuantrainNative.qt_collective_open(
              collective,
              library,
              folder,
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

  /** Why there is no library; empty if it was built. */
  static Optional<String> missing() {
    return resource() != null
        ? Optional.empty()
        : Optional.of(
            "this build cannot train in several processes: Gloo was not found when it was built;"
                + " install it (Debian and Ubuntu: libgloo-dev) and build again");
  }

  private static URL resource() {
    return Gloo.class.getResource(
        "/org/quantrain/internal/bind/" + Loader.getPlatform() + "/" + LIBRARY);
  }

  private static String library() {
    missing()
        .ifPresent(
            why -> {
              throw new CollectiveException(why);
            });
    try {
      return Loader.cacheResource(resource()).getAbsolutePath();
    } catch (IOException e) {
      throw new CollectiveException(LIBRARY + " cannot be unpacked: " + e.getMessage());
    }
  }

  private CollectiveException failure(String reason) {
    return new CollectiveException(
        "process %d of %d lost the others: %s".formatted(rank(), size(), reason));
  }

  @Override
  public int rank() {
    return meeting.rank();
  }

  @Override
  public int size() {
    return meeting.size();
  }

  @Override
  public Kernel reducing(long address, long elements, DType type, AllReduce.Kind kind) {
    Pointer data = At.any(address);
    int number = number(type, kind);
    int function = function(kind);
    return new Kernel() {
      @Override
      public void run() {
        reduce(data, elements, number, function);
      }

      @Override
      public int nativeCalls() {
        return 1;
      }
    };
  }

  private static int number(DType type, AllReduce.Kind kind) {
    if (kind == AllReduce.Kind.SUM_PAIRS) {
      return QuantrainNative.QT_NUMBER_U128;
    }
    return switch (type) {
      case F32 -> QuantrainNative.QT_NUMBER_F32;
      case S32 -> QuantrainNative.QT_NUMBER_S32;
      case S64 -> QuantrainNative.QT_NUMBER_S64;
      default -> throw new IllegalArgumentException("no reduction of " + type);
    };
  }

  private static int function(AllReduce.Kind kind) {
    return switch (kind) {
      case SUM, SUM_PAIRS -> QuantrainNative.QT_REDUCE_SUM;
      case MEAN -> QuantrainNative.QT_REDUCE_MEAN;
      case MIN -> QuantrainNative.QT_REDUCE_MIN;
      case MAX -> QuantrainNative.QT_REDUCE_MAX;
    };
  }

  @Override
  public void sum(double[] values) {
    try (DoublePointer memory = new DoublePointer(values)) {
      reduce(
          memory, values.length, QuantrainNative.QT_NUMBER_F64, QuantrainNative.QT_REDUCE_SUM);
      memory.get(values);
    }
  }

  private void reduce(Pointer data, long elements, int number, int function) {
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
