package org.quantrain.runtime;

import java.nio.ByteBuffer;

/**
 * The few numbers that change from step to step, float32, in memory that kernels read by address: a
 * prepared plan sees a new value without being prepared again. Made by {@link ParameterStore}.
 */
public final class StepScalars implements AutoCloseable {
  /** What is kept. */
  public enum Slot {
    /** Step size of the optimizer; starts at 0. */
    LEARNING_RATE(0),
    /** Weight of the new batch in moving ranges, in (0, 1]; starts at 0.01. */
    OBSERVER_MOMENTUM(0.01f);

    private final float initial;

    Slot(float initial) {
      this.initial = initial;
    }
  }

  /** Each value on a cache line of its own: kernels also read beside each other. */
  private static final int STRIDE = 64;

  private final Memory memory;
  private final ByteBuffer view;

  StepScalars(Backend backend) {
    long bytes = (long) STRIDE * Slot.values().length;
    memory = backend.allocate(bytes);
    view = memory.view(0, bytes);
    for (Slot slot : Slot.values()) {
      set(slot, slot.initial);
    }
  }

  public void set(Slot slot, float value) {
    view.putFloat(slot.ordinal() * STRIDE, value);
  }

  public float get(Slot slot) {
    return view.getFloat(slot.ordinal() * STRIDE);
  }

  /** Address of the value, for kernels. */
  public long address(Slot slot) {
    return memory.address() + (long) slot.ordinal() * STRIDE;
  }

  @Override
  public void close() {
    memory.close();
  }
}
