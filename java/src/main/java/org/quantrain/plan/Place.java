package org.quantrain.plan;

import org.quantrain.runtime.HostView;
import org.quantrain.runtime.Memory;

/**
 * Where a value lies.
 *
 * @param offset in bytes
 * @param stays the contents are still there when the run is over
 */
record Place(Memory memory, long offset, boolean stays) {
  HostView host(long bytes) {
    return memory.host(offset, bytes);
  }
}
