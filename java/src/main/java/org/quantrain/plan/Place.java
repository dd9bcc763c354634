package org.quantrain.plan;

import java.nio.ByteBuffer;
import org.quantrain.runtime.Memory;

/**
 * Where a value lies.
 *
 * @param offset in bytes
 * @param stays the contents are still there when the run is over
 */
record Place(Memory memory, long offset, boolean stays) {
  ByteBuffer view(long bytes) {
    return memory.view(offset, bytes);
  }
}
