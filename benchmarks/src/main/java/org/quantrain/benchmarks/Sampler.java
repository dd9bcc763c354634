package org.quantrain.benchmarks;

import java.util.Arrays;

/** Times up to two calls in turns. */
final class Sampler {
  /** A sample lasts at least this long, so that the clock's grain does not count. */
  private static final double SAMPLE_SECONDS = 0.02;

  private Sampler() {}

  /**
   * Median seconds of a call of each; the second may be null. Samples of the two alternate.
   *
   * @return one or two medians
   */
  static double[] medians(int samples, Runnable first, Runnable second) {
    return medians(samples, 0, first, second);
  }

  /**
   * As above, with a rest before every sample and calls for as long after it: threads of the other
   * side may spin for a while when they have nothing to do, and would take a core away; those of
   * the side that is timed sleep by then, and must be awake.
   */
  static double[] medians(int samples, long restMillis, Runnable first, Runnable second) {
    Runnable[] calls = second == null ? new Runnable[] {first} : new Runnable[] {first, second};
    int[] repeats = new int[calls.length];
    for (int i = 0; i < calls.length; i++) {
      calls[i].run(); // memory, code and threads are there afterwards
      repeats[i] = (int) Math.max(1, Math.ceil(SAMPLE_SECONDS / Math.max(1e-7, once(calls[i], 1))));
    }
    double[][] seconds = new double[calls.length][samples];
    for (int s = 0; s < samples; s++) {
      for (int i = 0; i < calls.length; i++) {
        if (restMillis > 0) {
          rest(restMillis);
          repeat(calls[i], restMillis);
        }
        seconds[i][s] = once(calls[i], repeats[i]);
      }
    }
    double[] medians = new double[calls.length];
    for (int i = 0; i < calls.length; i++) {
      Arrays.sort(seconds[i]);
      medians[i] = seconds[i][samples / 2];
    }
    return medians;
  }

  private static void rest(long millis) {
    try {
      Thread.sleep(millis);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new IllegalStateException("interrupted while measuring", e);
    }
  }

  /** Calls for this time and longer. */
  static void repeat(Runnable call, long millis) {
    long start = System.nanoTime();
    while (System.nanoTime() - start < millis * 1_000_000) {
      call.run();
    }
  }

  private static double once(Runnable call, int repeats) {
    long start = System.nanoTime();
    for (int r = 0; r < repeats; r++) {
      call.run();
    }
    return (System.nanoTime() - start) * 1e-9 / repeats;
  }
}
