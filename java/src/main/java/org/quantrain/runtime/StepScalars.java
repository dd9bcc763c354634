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
  private final Feed feed;
  private final float[] values = new float[Slot.values().length];

  StepScalars(Backend backend) {
    long bytes = (long) STRIDE * Slot.values().length;
    memory = backend.allocate(bytes);
    feed = memory.feed(0, bytes);
    for (Slot slot : Slot.values()) {
      values[slot.ordinal()] = slot.initial;
    }
    handOver();
  }

  public void set(Slot slot, float value) {
    values[slot.ordinal()] = value;
    handOver();
  }

  private void handOver() {
    ByteBuffer buffer = feed.next();
    for (int i = 0; i < values.length; i++) {
      buffer.putFloat(i * STRIDE, values[i]);
    }
    feed.push();
  }

  public float get(Slot slot) {
    return values[slot.ordinal()];
  }

  /** Address of the value, for kernels. */
  public long address(Slot slot) {
    return memory.address() + (long) slot.ordinal() * STRIDE;
  }

  @Override
  public void close() {
    feed.close();
    memory.close();
  }
}
