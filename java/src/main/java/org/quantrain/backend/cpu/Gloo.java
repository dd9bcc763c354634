package org.quantrain.backend.cpu;

import java.io.IOException;
import java.net.URL;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.bytedeco.javacpp.DoublePointer;
import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.Pointer;
import org.quantrain.backend.shared.At;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.op.AllReduce;
import org.quantrain.runtime.Collective;
import org.quantrain.runtime.CollectiveException;
import org.quantrain.runtime.Kernel;
import org.quantrain.runtime.Meeting;
import org.quantrain.runtime.OverlappedReduction;
import org.quantrain.tensor.DType;

/**
 * Processes on this host, over Gloo: a library of its own, opened when they meet. Each is connected
 * to all others twice: for what the backend's thread waits for, and for what goes on beside it.
 */
final class Gloo implements Collective {
  private static final String LIBRARY = "libquantrain_gloo.so";

  private final Meeting meeting;
  private final GlooConnections connections;
  private final CommunicationThread beside;

  Gloo(Meeting meeting) {
    this.meeting = meeting;
    String library = library();
    connections = new GlooConnections(meeting, library, meeting.folder());
    try {
      Path folder = Files.createDirectories(meeting.folder().resolve("beside"));
      beside = new CommunicationThread(new GlooConnections(meeting, library, folder));
    } catch (IOException e) {
      connections.close();
      throw new CollectiveException(meeting.folder() + ": " + e);
    } catch (RuntimeException e) {
      connections.close();
      throw e;
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
        connections.reduce(data, elements, number, function);
      }

      @Override
      public int nativeCalls() {
        return 1;
      }
    };
  }

  @Override
  public OverlappedReduction overlappingMean(long address, long elements) {
    return beside.mean(address, elements);
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
      connections.reduce(
          memory, values.length, QuantrainNative.QT_NUMBER_F64, QuantrainNative.QT_REDUCE_SUM);
      memory.get(values);
    }
  }

  @Override
  public void close() {
    beside.close();
    connections.close();
  }
}
