package org.quantrain.runtime;

/**
 * One allocation of a backend, zeroed when it is made. Offsets and sizes are bytes; a part that does
 * not lie in the memory is an IllegalArgumentException. What is made from a memory is closed before
 * it or with it, and not used afterwards.
 */
public interface Memory extends AutoCloseable {
  /** Address that kernels read and write, 64-byte aligned. */
  long address();

  long bytes();

  /** The host's side of a part of at most 2^31 - 1 bytes. */
  HostView host(long offset, long bytes);

  /** A part that the host fills for step after step. */
  Feed feed(long offset, long bytes);

  /** A part that the host reads step after step. */
  Fetch fetch(long offset, long bytes);

  /** Makes a kernel that sets a part to zero. */
  Kernel zeroing(long offset, long bytes);

  /** Makes a kernel that copies a part of a memory of the same backend to one of this. */
  Kernel copying(long offset, Memory source, long sourceOffset, long bytes);

  /** Throws IllegalArgumentException if the part does not lie in the memory. */
  static void requirePart(Memory memory, long offset, long bytes) {
    if (offset < 0 || bytes < 0 || offset > memory.bytes() - bytes) {
      throw new IllegalArgumentException(
          "expected a part of " + memory.bytes() + " bytes, got " + bytes + " at " + offset);
    }
  }

  @Override
  void close();
}
