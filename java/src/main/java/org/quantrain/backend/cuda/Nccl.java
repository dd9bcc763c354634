package org.quantrain.backend.cuda;

import static org.bytedeco.cuda.global.nccl.ncclFloat32;
import static org.bytedeco.cuda.global.nccl.ncclFloat64;
import static org.bytedeco.cuda.global.nccl.ncclInt32;
import static org.bytedeco.cuda.global.nccl.ncclInt64;
import static org.bytedeco.cuda.global.nccl.ncclMax;
import static org.bytedeco.cuda.global.nccl.ncclMin;
import static org.bytedeco.cuda.global.nccl.ncclSum;

import java.io.IOException;
import java.nio.DoubleBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.time.Duration;
import java.util.OptionalInt;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.IntSupplier;
import org.bytedeco.javacpp.Pointer;
import org.quantrain.backend.shared.At;
import org.quantrain.backend.shared.DeviceMemory;
import org.quantrain.backend.shared.NativeContext;
import org.quantrain.backend.shared.Scratch;
import org.quantrain.backend.shared.Steps;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_reduce_args;
import org.quantrain.internal.bind.qt_scale_channels_args;
import org.quantrain.op.AllReduce;
import org.quantrain.runtime.Collective;
import org.quantrain.runtime.CollectiveException;
import org.quantrain.runtime.HostView;
import org.quantrain.runtime.Kernel;
import org.quantrain.runtime.Meeting;
import org.quantrain.runtime.OverlappedReduction;
import org.quantrain.tensor.DType;

/**
 * Processes on this host with a device each, over NCCL. Reductions are enqueued, so a process that
 * is gone is not noticed by who enqueues, and who waits for the device would wait forever: a thread
 * watches the others and NCCL, and if something is wrong ends what is enqueued, at which waiting
 * ends too; then {@link #requireAll} says why.
 */
final class Nccl implements Collective {
  /** Long enough for a process that saves to a slow disk; one that died is noticed at once. */
  static final Duration PATIENCE = Duration.ofMinutes(10);

  private static final long WATCH_NANOS = TimeUnit.MILLISECONDS.toNanos(250);
  private static final long POLL_NANOS = TimeUnit.MICROSECONDS.toNanos(50);
  private static final long COME_NANOS = TimeUnit.MILLISECONDS.toNanos(20);

  /** Others may still read what this process sent last. */
  private static final long FINISH_NANOS = TimeUnit.SECONDS.toNanos(2);

  private static final long CLOSE_MILLIS = 5_000;
  private static final long NEVER = Long.MAX_VALUE;

  private final NativeContext context;
  private final Meeting meeting;
  private final Duration patience;
  private final Presence presence;
  private final Thread watch;

  /** Also the lock of its calls, none of which blocks but the last. */
  private final NcclLibrary.Communicator communicator;

  private final DeviceMemory share;
  private DeviceMemory staging;

  /** When all must have come to where this process is; compared by difference. */
  private volatile long deadline = NEVER;

  private volatile boolean closing;
  private volatile String lost;

  /**
   * Waits for the others.
   *
   * @param context whose device is the calling thread's
   * @throws CollectiveException if one of them is gone, or does not come in time
   */
  Nccl(NativeContext context, Meeting meeting, NcclLibrary library, Duration patience) {
    this.context = context;
    this.meeting = meeting;
    this.patience = patience;
    presence = new Presence(meeting);
    try {
      communicator = library.connect(sharedId(library), rank(), size());
    } catch (RuntimeException e) {
      presence.close();
      throw e;
    }
    watch = new Thread(this::watch, "quantrain-nccl");
    watch.setDaemon(true);
    watch.start();
    DeviceMemory made = null;
    try {
      inTime(() -> call(communicator::status));
      made = new DeviceMemory(context, Float.BYTES);
      HostView host = made.host(0, Float.BYTES);
      host.buffer().putFloat(0, 1f / size());
      host.push();
    } catch (RuntimeException e) {
      if (made != null) {
        made.close();
      }
      part();
      throw e;
    }
    share = made;
  }

  /** The first process makes it; it goes to the others as a file. */
  private byte[] sharedId(NcclLibrary library) {
    Path file = meeting.folder().resolve("nccl-id");
    try {
      if (rank() == 0) {
        byte[] id = library.makeId();
        // Seen only once it is whole.
        Path coming = Files.write(meeting.folder().resolve("coming-nccl-id"), id);
        Files.move(coming, file, StandardCopyOption.ATOMIC_MOVE);
        return id;
      }
      long end = System.nanoTime() + patience.toNanos();
      while (!Files.exists(file)) {
        requireAlive();
        if (System.nanoTime() - end > 0) {
          throw failure(late());
        }
        LockSupport.parkNanos(COME_NANOS);
      }
      return Files.readAllBytes(file);
    } catch (IOException e) {
      throw failure(e.toString());
    }
  }

  private void requireAlive() {
    OptionalInt dead = presence.dead();
    if (dead.isPresent()) {
      throw failure(gone(dead.getAsInt()));
    }
  }

  private static String gone(int rank) {
    return "process " + rank + " is gone";
  }

  private String late() {
    return "they did not come in " + patience.toSeconds() + " s";
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
  public void requireAll() {
    String why = lost;
    if (why != null) {
      throw failure(why);
    }
  }

  /** All must come to this within the time limit. */
  private void inTime(Runnable wait) {
    deadline = System.nanoTime() + patience.toNanos();
    try {
      wait.run();
    } finally {
      deadline = NEVER;
    }
  }

  /** Until it is done on the host: what it enqueues may not be. */
  private void call(IntSupplier call) {
    int status = next(call);
    while (status == NcclLibrary.IN_PROGRESS) {
      LockSupport.parkNanos(POLL_NANOS);
      status = next(communicator::status);
    }
    if (status != NcclLibrary.SUCCESS) {
      throw failure(explained(status));
    }
  }

  private int next(IntSupplier call) {
    synchronized (communicator) {
      requireAll();
      return call.getAsInt();
    }
  }

  private String explained(int status) {
    synchronized (communicator) {
      requireAll();
      return communicator.explain(status);
    }
  }

  private void watch() {
    String trouble = trouble();
    while (trouble == null && !closing) {
      LockSupport.parkNanos(WATCH_NANOS);
      trouble = trouble();
    }
    if (trouble == null) {
      finish();
    }
    lost = trouble;
    synchronized (communicator) {
      // Not destroyed, which may wait for others that are busy, or gone.
      communicator.abort();
    }
  }

  private String trouble() {
    OptionalInt dead = presence.dead();
    if (dead.isPresent()) {
      return gone(dead.getAsInt());
    }
    long end = deadline;
    if (end != NEVER && System.nanoTime() - end > 0) {
      return late();
    }
    synchronized (communicator) {
      int status = communicator.status();
      return isFine(status) ? null : communicator.explain(status);
    }
  }

  private static boolean isFine(int status) {
    return status == NcclLibrary.SUCCESS || status == NcclLibrary.IN_PROGRESS;
  }

  /** What was enqueued is complete for the others, too, unless they are gone. */
  private void finish() {
    long end = System.nanoTime() + FINISH_NANOS;
    int status = next(communicator::finish);
    while (status == NcclLibrary.IN_PROGRESS && System.nanoTime() - end < 0) {
      LockSupport.parkNanos(COME_NANOS);
      status = next(communicator::status);
    }
  }

  @Override
  public Kernel reducing(long address, long elements, DType type, AllReduce.Kind kind) {
    if (kind == AllReduce.Kind.SUM_PAIRS) {
      return WideSums.steps(
          context, address, elements, (place, n) -> reduction(place, n, ncclInt64, ncclSum));
    }
    if (type == DType.F32 && (kind == AllReduce.Kind.MIN || kind == AllReduce.Kind.MAX)) {
      return extremes(address, elements, kind);
    }
    Steps steps =
        new Steps(null)
            .add(
                reduction(
                    Scratch.Region.fixed(address), elements, typeOf(type), functionOf(kind)));
    return kind == AllReduce.Kind.MEAN ? steps.add(shareOf(address, elements)) : steps;
  }

  /** NCCL says nothing of NaN: our own kernel, which does, takes the extremes of all parts. */
  private Steps extremes(long address, long elements, AllReduce.Kind kind) {
    Steps steps = new Steps(null);
    Scratch.Region parts = steps.scratch().region(Float.BYTES * elements * size());
    long[] to = new long[1];
    parts.whenKnown(known -> to[0] = known);
    steps.add(
        () -> call(() -> communicator.gather(address, to[0], elements, ncclFloat32)));
    qt_reduce_args args =
        new qt_reduce_args()
            .y(At.any(address))
            .outer(1)
            .n(size())
            .inner(elements)
            .kind(
                kind == AllReduce.Kind.MIN
                    ? QuantrainNative.QT_REDUCE_MIN
                    : QuantrainNative.QT_REDUCE_MAX)
            .element_type(QuantrainNative.QT_ELEMENT_F32);
    parts.whenKnown(known -> args.x(At.any(known)));
    return steps.add(context.call(null, args, QuantrainNative::qt_reduce));
  }

  @Override
  public OverlappedReduction overlappingMean(long address, long elements) {
    Steps begin =
        new Steps(null)
            .add(
                () ->
                    call(
                        () ->
                            communicator.allReduceBeside(
                                address, elements, ncclFloat32, ncclSum)));
    Steps await =
        new Steps(null).add(() -> call(communicator::join)).add(shareOf(address, elements));
    return new OverlappedReduction(begin, await);
  }

  /** One call, whose memory may become known later. */
  private Steps.Step reduction(Scratch.Region place, long elements, int type, int function) {
    long[] address = new long[1];
    place.whenKnown(known -> address[0] = known);
    return () -> call(() -> communicator.allReduce(address[0], elements, type, function));
  }

  /** NCCL's own mean divides each part first, which rounds otherwise. */
  private Steps.Step shareOf(long address, long elements) {
    Pointer sums = At.any(address);
    qt_scale_channels_args args =
        new qt_scale_channels_args()
            .x(sums)
            .factor(At.floats(share.address()))
            .y(sums)
            .outer(1)
            .channels(1)
            .inner(elements)
            .element_type(QuantrainNative.QT_ELEMENT_F32)
            .y_type(QuantrainNative.QT_ELEMENT_F32);
    return context.call(null, args, QuantrainNative::qt_scale_channels);
  }

  /** An ncclDataType_t. */
  static int typeOf(DType type) {
    return switch (type) {
      case F32 -> ncclFloat32;
      case S32 -> ncclInt32;
      case S64 -> ncclInt64;
      default -> throw new IllegalArgumentException("no reduction of " + type);
    };
  }

  /** An ncclRedOp_t, for a mean that of the sum. */
  static int functionOf(AllReduce.Kind kind) {
    return switch (kind) {
      case SUM, SUM_PAIRS, MEAN -> ncclSum;
      case MIN -> ncclMin;
      case MAX -> ncclMax;
    };
  }

  @Override
  public void sum(double[] values) {
    if (values.length == 0) {
      return;
    }
    long bytes = (long) Double.BYTES * values.length;
    if (staging == null || staging.bytes() < bytes) {
      if (staging != null) {
        staging.close();
      }
      staging = new DeviceMemory(context, bytes);
    }
    HostView host = staging.host(0, bytes);
    DoubleBuffer numbers = host.buffer().asDoubleBuffer();
    numbers.put(0, values);
    host.push();
    long address = staging.address();
    inTime(
        () -> {
          call(() -> communicator.allReduce(address, values.length, ncclFloat64, ncclSum));
          host.pull();
        });
    numbers.get(0, values);
  }

  /** The last calls are the watching thread's: they may wait for what is not freed. */
  private void part() {
    closing = true;
    LockSupport.unpark(watch);
    try {
      watch.join(CLOSE_MILLIS);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    presence.close();
  }

  @Override
  public void close() {
    part();
    share.close();
    if (staging != null) {
      staging.close();
    }
  }
}
