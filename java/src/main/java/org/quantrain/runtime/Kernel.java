package org.quantrain.runtime;

import java.util.function.LongFunction;

/**
 * One prepared node. Everything that can be checked, created or allocated was, when it was
 * prepared; {@link #run} only launches.
 */
public interface Kernel extends AutoCloseable {
  /**
   * Computes the outputs from the inputs that the node was bound to.
   *
   * @throws QuantrainException if the native kernel refuses
   */
  void run();

  /** Calls of native code in a {@link #run}; where it has a choice, of the longer road. */
  int nativeCalls();

  /** Bytes of scratch memory that {@link #run} needs; kernels of a plan share one such area. */
  default long workspaceBytes() {
    return 0;
  }

  /** Called once before the first run if {@link #workspaceBytes} is positive; 64-byte aligned. */
  default void attach(long workspace) {}

  /**
   * Called once, after {@link #attach}: what is done to constant operands alone is done here, not
   * in {@link #run}.
   *
   * @param allocate memory of the backend, which the kernel closes
   */
  default void readyConstants(LongFunction<Memory> allocate) {}

  /** How the node is executed, for {@code explain()}. */
  default String lowering() {
    return "";
  }

  @Override
  default void close() {}
}
