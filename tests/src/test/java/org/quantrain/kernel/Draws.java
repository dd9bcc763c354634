package org.quantrain.kernel;

import org.quantrain.internal.bind.qt_draws;

/** The random numbers of one tensor in one step, as the native API's page describes them. */
record Draws(long seed, long step, int stream) {
  /** Of element i, in [0, 1). */
  float unit(int element) {
    int[] counter = {element / 4, 0, (int) step, stream};
    int[] key = {(int) seed, (int) (seed >>> 32)};
    return (Philox.words(counter, key)[element % 4] >>> 8) * 0x1p-24f;
  }

  void into(qt_draws args, KernelMemory memory) {
    args.step(memory.longs(step)).seed(seed).stream(stream);
  }
}
