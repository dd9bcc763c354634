package org.quantrain.bench;

import java.util.Arrays;
import java.util.List;

/** Times calls. */
public final class Sampler {
  /** A sample in turns lasts at least this long, so that the clock's grain does not count. */
  private static final double SAMPLE_SECONDS = 0.02;

  /** Longer than another side's threads spin. */
  public static final long REST_MILLIS = 150;

  private Sampler() {}

  /** Median seconds of a call of each. Samples take turns. */
  public static double[] medians(int samples, List<Runnable> calls) {
    return medians(samples, 0, calls);
  }

  /**
   * As above, with a rest before every sample and calls for as long after it: threads of another
   * side may spin for a while when they have nothing to do, and would take a core away; those of
   * the side that is timed sleep by then, and must be awake.
   */
  public static double[] medians(int samples, long restMillis, List<Runnable> calls) {
    requireSome(samples);
    Runnable nothing = () -> {};
    int[] repeats = new int[calls.size()];
    for (int i = 0; i < calls.size(); i++) {
      calls.get(i).run(); // memory, code and threads are there afterwards
      repeats[i] = repeats(SAMPLE_SECONDS, once(calls.get(i), nothing, 1));
    }
    double[][] seconds = new double[calls.size()][samples];
    for (int s = 0; s < samples; s++) {
      for (int i = 0; i < calls.size(); i++) {
        if (restMillis > 0) {
          rest(restMillis);
          repeat(calls.get(i), restMillis);
        }
        seconds[i][s] = once(calls.get(i), nothing, repeats[i]);
      }
    }
    double[] medians = new double[calls.size()];
    for (int i = 0; i < calls.size(); i++) {
      Arrays.sort(seconds[i]);
      medians[i] = seconds[i][samples / 2];
    }
    return medians;
  }

  /**
   * Seconds of a call, one of each sample, ascending. The calls of a sample are made one behind the
   * other, and waited for at its end.
   *
   * @param warmUp calls before everything else
   * @param sampleSeconds that a sample lasts at least; a sample that does not count comes first
   * @param finish waits for what the calls began
   */
  public static double[] sorted(
      int samples, int warmUp, double sampleSeconds, Runnable call, Runnable finish) {
    requireSome(samples);
    once(call, finish, warmUp);
    int repeats = repeats(sampleSeconds, once(call, finish, 1));
    once(call, finish, repeats);
    double[] seconds = new double[samples];
    for (int s = 0; s < samples; s++) {
      seconds[s] = once(call, finish, repeats);
    }
    Arrays.sort(seconds);
    return seconds;
  }

  private static void requireSome(int samples) {
    if (samples < 1) {
      throw new IllegalArgumentException("--samples: expected 1 or more, got " + samples);
    }
  }

  private static int repeats(double sampleSeconds, double seconds) {
    return (int) Math.max(1, Math.ceil(sampleSeconds / Math.max(1e-7, seconds)));
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
  public static void repeat(Runnable call, long millis) {
    long start = System.nanoTime();
    while (System.nanoTime() - start < millis * 1_000_000) {
      call.run();
    }
  }

  private static double once(Runnable call, Runnable finish, int repeats) {
    long start = System.nanoTime();
    for (int r = 0; r < repeats; r++) {
      call.run();
    }
    finish.run();
    return (System.nanoTime() - start) * 1e-9 / repeats;
  }
}
