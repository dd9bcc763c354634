package org.quantrain.plan;

import org.quantrain.graph.Value;
import org.quantrain.runtime.Arena;
import org.quantrain.runtime.HostView;
import org.quantrain.runtime.Memory;
import org.quantrain.runtime.ParameterStore;

/**
 * Where a value lies.
 *
 * @param offset in bytes
 * @param stays the contents are still there when the run is over
 */
record Place(Memory memory, long offset, boolean stays) {
  /** Where a store has the gradient of a parameter. */
  static Place ofGradient(ParameterStore store, Value param) {
    return new Place(store.memory(Arena.GRADS), store.offset(param), true);
  }

  HostView host(long bytes) {
    return memory.host(offset, bytes);
  }
}
