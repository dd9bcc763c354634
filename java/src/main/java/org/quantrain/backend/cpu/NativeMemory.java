package org.quantrain.backend.cpu;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import org.bytedeco.javacpp.BytePointer;
import org.bytedeco.javacpp.Pointer;
import org.quantrain.internal.bind.QuantrainNative;
import org.quantrain.runtime.Memory;
import org.quantrain.runtime.QuantrainException;

/** Memory of the native allocator: 64-byte aligned, on huge pages where the system has them. */
final class NativeMemory implements Memory {
  private final long bytes;
  private Pointer memory;

  NativeMemory(long bytes) {
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
  public ByteBuffer view(long offset, long length) {
    if (offset < 0 || length < 0 || offset > bytes - length || length > Integer.MAX_VALUE) {
      throw new IllegalArgumentException(
          "expected a part of " + bytes + " bytes, got " + length + " at " + offset);
    }
    return new BytePointer(At.any(address() + offset))
        .capacity(length)
        .asByteBuffer()
        .order(ByteOrder.nativeOrder());
  }

  @Override
  public void fillZero(long offset, long length) {
    if (offset < 0 || length < 0 || offset > bytes - length) {
      throw new IllegalArgumentException(
          "expected a part of " + bytes + " bytes, got " + length + " at " + offset);
    }
    Pointer.memset(At.any(address() + offset), 0, length);
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
