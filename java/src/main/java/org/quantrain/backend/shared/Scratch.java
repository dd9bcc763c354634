package org.quantrain.backend.shared;

import java.util.ArrayList;
import java.util.List;
import java.util.function.LongConsumer;

/**
 * Divides the workspace of one kernel. Its address is known only after all kernels of a plan are
 * prepared.
 */
public final class Scratch {
  private static final long ALIGNMENT = 64;

  private final List<LongConsumer> users = new ArrayList<>();
  private long bytes;

  /** A place for data: known now, or when the workspace is. */
  public interface Region {
    void whenKnown(LongConsumer user);

    static Region fixed(long address) {
      return user -> user.accept(address);
    }
  }

  /** A part of the workspace, 64-byte aligned. */
  public Region region(long length) {
    long offset = bytes;
    bytes += (length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return user -> users.add(base -> user.accept(base + offset));
  }

  public long bytes() {
    return bytes;
  }

  public void attach(long base) {
    users.forEach(user -> user.accept(base));
  }
}
