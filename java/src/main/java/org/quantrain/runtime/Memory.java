package org.quantrain.runtime;

import java.nio.ByteBuffer;

/** One allocation of a backend, zeroed when it is made. Offsets and sizes are bytes. */
public interface Memory extends AutoCloseable {
  /** Address that kernels read and write, 64-byte aligned. */
  long address();

  long bytes();

  /**
   * A direct buffer over a part of this memory, in native byte order; reads and writes go through.
   * It must not be used after {@link #close()}.
   *
   * @throws IllegalArgumentException if the part does not lie in this memory or passes 2^31 - 1
   *     bytes
   */
  ByteBuffer view(long offset, long bytes);

  /** Sets a part to zero. */
  void fillZero(long offset, long bytes);

  @Override
  void close();
}
