package org.quantrain.backend.shared;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Pointer;
import org.bytedeco.javacpp.PointerPointer;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.internal.bind.qt_feed;
import org.quantrain.internal.bind.qt_fetch;
import org.quantrain.runtime.Feed;
import org.quantrain.runtime.Fetch;
import org.quantrain.runtime.HostView;
import org.quantrain.runtime.Kernel;
import org.quantrain.runtime.Memory;
import org.quantrain.runtime.QuantrainException;

/** Memory of a context's device, which the host reaches by copies. */
public final class DeviceMemory implements Memory {
  private final NativeContext context;
  private final long bytes;
  private final Pointer memory;
  private boolean closed;

  /**
   * @throws QuantrainException if there is not so much
   */
  public DeviceMemory(NativeContext context, long bytes) {
    this.context = context;
    this.bytes = bytes;
    try (PointerPointer<BytePointer> place = new PointerPointer<>(1)) {
      context.check(QuantrainNative.qt_memory_alloc(context.handle(), place, bytes));
      memory = place.get(BytePointer.class, 0);
    }
    zeroing(0, bytes).run();
  }

  @Override
  public long address() {
    if (closed) {
      throw new IllegalStateException("the memory is closed");
    }
    return memory.address();
  }

  @Override
  public long bytes() {
    return bytes;
  }

  @Override
  public HostView host(long offset, long length) {
    return new Copy(part(offset, length), buffer(length));
  }

  private static ByteBuffer buffer(long length) {
    if (length > Integer.MAX_VALUE) {
      throw new IllegalArgumentException("expected at most 2^31 - 1 bytes, got " + length);
    }
    return ByteBuffer.allocateDirect((int) length).order(ByteOrder.nativeOrder());
  }

  @Override
  public Feed feed(long offset, long length) {
    return new Feeding(part(offset, length), length);
  }

  @Override
  public Fetch fetch(long offset, long length) {
    return new Fetching(part(offset, length), length);
  }

  @Override
  public Kernel zeroing(long offset, long length) {
    Pointer to = part(offset, length);
    return context.steps(() -> QuantrainNative.qt_memory_zero(context.handle(), to, length));
  }

  @Override
  public Kernel copying(long offset, Memory source, long sourceOffset, long length) {
    Pointer to = part(offset, length);
    Pointer from = ((DeviceMemory) source).part(sourceOffset, length);
    return context.steps(
        () -> QuantrainNative.qt_memory_copy(context.handle(), to, from, length));
  }

  private Pointer part(long offset, long length) {
    Memory.requirePart(this, offset, length);
    return At.any(address() + offset);
  }

  @Override
  public void close() {
    if (!closed) {
      closed = true;
      QuantrainNative.qt_memory_free(context.handle(), memory, bytes);
    }
  }

  private final class Copy implements HostView {
    private final Pointer device;
    private final ByteBuffer buffer;
    private final Pointer host;

    Copy(Pointer device, ByteBuffer buffer) {
      this.device = device;
      this.buffer = buffer;
      this.host = new BytePointer(buffer);
    }

    @Override
    public ByteBuffer buffer() {
      return buffer;
    }

    @Override
    public void pull() {
      context.check(
          QuantrainNative.qt_memory_read(context.handle(), host, device, buffer.capacity()));
    }

    @Override
    public void push() {
      context.check(
          QuantrainNative.qt_memory_write(context.handle(), device, host, buffer.capacity()));
    }
  }

  /** Buffers are made when a place comes up first: there are two. */
  private static final class Buffers {
    private final ByteBuffer[] known = new ByteBuffer[2];
    private final long[] addresses = new long[2];
    private final long length;

    Buffers(long length) {
      this.length = length;
    }

    ByteBuffer at(Pointer place) {
      for (int i = 0; i < 2; i++) {
        if (known[i] == null) {
          addresses[i] = place.address();
          known[i] =
              new BytePointer(place)
                  .capacity(length)
                  .asByteBuffer()
                  .order(ByteOrder.nativeOrder());
        }
        if (addresses[i] == place.address()) {
          return known[i];
        }
      }
      throw new IllegalStateException("expected two buffers, got a third");
    }
  }

  private final class Feeding implements Feed {
    private final qt_feed feed = new qt_feed();
    private final Buffers buffers;

    Feeding(Pointer device, long length) {
      context.check(QuantrainNative.qt_feed_create(context.handle(), feed, device, length));
      buffers = new Buffers(length);
    }

    @Override
    public ByteBuffer next() {
      Pointer place = QuantrainNative.qt_feed_next(feed);
      context.collective().requireAll();
      if (place == null) {
        throw new QuantrainException(context.lastError());
      }
      return buffers.at(place);
    }

    @Override
    public void push() {
      context.check(QuantrainNative.qt_feed_push(feed));
    }

    @Override
    public void close() {
      QuantrainNative.qt_feed_destroy(feed);
      feed.setNull();
    }
  }

  private final class Fetching implements Fetch {
    private final qt_fetch fetch = new qt_fetch();
    private final Buffers buffers;

    Fetching(Pointer device, long length) {
      context.check(QuantrainNative.qt_fetch_create(context.handle(), fetch, device, length));
      buffers = new Buffers(length);
    }

    @Override
    public void pull() {
      context.check(QuantrainNative.qt_fetch_pull(fetch));
    }

    @Override
    public ByteBuffer take() {
      Pointer place = QuantrainNative.qt_fetch_take(fetch);
      context.collective().requireAll();
      if (place == null) {
        throw new QuantrainException(context.lastError());
      }
      return buffers.at(place);
    }

    @Override
    public void close() {
      QuantrainNative.qt_fetch_destroy(fetch);
      fetch.setNull();
    }
  }
}
