package org.quantrain.benchmarks;

import java.util.Arrays;
import java.util.List;

/** Times calls in turns. */
final class Sampler {
  /** A sample lasts at least this long, so that the clock's grain does not count. */
  private static final double SAMPLE_SECONDS = 0.02;

  /** Longer than another side's threads spin. */
  static final long REST_MILLIS = 150;

  private Sampler() {}

  /** Median seconds of a call of each. Samples take turns. */
  static double[] medians(int samples, List<Runnable> calls) {
    return medians(samples, 0, calls);
  }

  /**
   * As above, with a rest before every sample and calls for as long after it: threads of another
   * side may spin for a while when they have nothing to do, and would take a core away; those of
   * the side that is timed sleep by then, and must be awake.
   */
  static double[] medians(int samples, long restMillis, List<Runnable> calls) {
    if (samples < 1) {
      throw new IllegalArgumentException("--samples: expected 1 or more, got " + samples);
    }
    int[] repeats = new int[calls.size()];
    for (int i = 0; i < calls.size(); i++) {
      calls.get(i).run(); // memory, code and threads are there afterwards
      double seconds = Math.max(1e-7, once(calls.get(i), 1));
      repeats[i] = (int) Math.max(1, Math.ceil(SAMPLE_SECONDS / seconds));
    }
    double[][] seconds = new double[calls.size()][samples];
    for (int s = 0; s < samples; s++) {
      for (int i = 0; i < calls.size(); i++) {
        if (restMillis > 0) {
          rest(restMillis);
          repeat(calls.get(i), restMillis);
        }
        seconds[i][s] = once(calls.get(i), repeats[i]);
      }
    }
    double[] medians = new double[calls.size()];
    for (int i = 0; i < calls.size(); i++) {
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
