package org.quantrain.backend.cpu;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Pointer;
import org.quantrain.backend.shared.At;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.runtime.Feed;
import org.quantrain.runtime.Fetch;
import org.quantrain.runtime.HostView;
import org.quantrain.runtime.Kernel;
import org.quantrain.runtime.Memory;
import org.quantrain.runtime.QuantrainException;

/**
 * Memory of the native allocator: 64-byte aligned, on huge pages where the system has them. Host and
 * kernels work on the same bytes, one after the other.
 */
final class CpuMemory implements Memory {
  /** A part, which needs no transfer. */
  private record Part(ByteBuffer buffer) implements HostView, Feed, Fetch {
    @Override
    public void pull() {}

    @Override
    public void push() {}

    @Override
    public ByteBuffer next() {
      return buffer;
    }

    @Override
    public ByteBuffer take() {
      return buffer;
    }

    @Override
    public void close() {}
  }

  private record Zeroing(Pointer to, long bytes) implements Kernel {
    @Override
    public void run() {
      Pointer.memset(to, 0, bytes);
    }

    @Override
    public int nativeCalls() {
      return 1;
    }
  }

  private record Copying(Pointer to, Pointer from, long bytes) implements Kernel {
    @Override
    public void run() {
      Pointer.memmove(to, from, bytes);
    }

    @Override
    public int nativeCalls() {
      return 1;
    }
  }

  private final long bytes;
  private Pointer memory;

  CpuMemory(long bytes) {
    this.bytes = bytes;
    memory = QuantrainNative.qt_alloc(bytes);
    if (memory == null || memory.isNull()) {
      throw new QuantrainException("out of memory: " + bytes + " bytes");
    }
  }

  @Override
  public long address() {
    return open().address();
  }

  @Override
  public long bytes() {
    return bytes;
  }

  @Override
  public HostView host(long offset, long length) {
    return new Part(view(offset, length));
  }

  @Override
  public Feed feed(long offset, long length) {
    return new Part(view(offset, length));
  }

  @Override
  public Fetch fetch(long offset, long length) {
    return new Part(view(offset, length));
  }

  /** A part of at most 2^31 - 1 bytes. */
  ByteBuffer view(long offset, long length) {
    if (length > Integer.MAX_VALUE) {
      throw new IllegalArgumentException("expected at most 2^31 - 1 bytes, got " + length);
    }
    return new BytePointer(part(offset, length))
        .capacity(length)
        .asByteBuffer()
        .order(ByteOrder.nativeOrder());
  }

  @Override
  public Kernel zeroing(long offset, long length) {
    return new Zeroing(part(offset, length), length);
  }

  @Override
  public Kernel copying(long offset, Memory source, long sourceOffset, long length) {
    Pointer from = ((CpuMemory) source).part(sourceOffset, length);
    return new Copying(part(offset, length), from, length);
  }

  private Pointer part(long offset, long length) {
    Memory.requirePart(this, offset, length);
    return At.any(open().address() + offset);
  }

  private Pointer open() {
    if (memory == null) {
      throw new IllegalStateException("the memory is closed");
    }
    return memory;
  }

  @Override
  public void close() {
    if (memory != null) {
      QuantrainNative.qt_free(memory, bytes);
      memory = null;
    }
  }
}
