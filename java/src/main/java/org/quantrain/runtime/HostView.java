package org.quantrain.runtime;

import java.nio.ByteBuffer;

/**
 * A part of a memory as the host sees it: the memory itself, or where the host cannot reach that, a
 * copy.
 */
public interface HostView {
  /** The same direct buffer at every call, in native byte order. */
  ByteBuffer buffer();

  /** Brings what kernels wrote; waits for them. */
  void pull();

  /** Hands over what was written to the buffer; kernels that run later see it. */
  void push();
}
