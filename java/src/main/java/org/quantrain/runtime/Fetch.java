package org.quantrain.runtime;

import java.nio.ByteBuffer;

/** A tensor that the host reads again and again, while the device goes on. */
public interface Fetch extends AutoCloseable {
  /** Asks for the tensor as kernels that were run so far leave it. */
  void pull();

  /**
   * What the oldest {@link #pull} brought that was not taken yet; waits for that alone. To be
   * read before the next pull but one, which may overwrite it; at most two may wait.
   */
  ByteBuffer take();

  @Override
  void close();
}
