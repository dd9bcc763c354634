package org.quantrain.testkit;

import java.util.Arrays;
import java.util.Random;
import org.quantrain.tensor.QuantSpec;

/** The values and sizes at which kernels go wrong, and seeded ordinary ones. */
public final class EdgeValues {
  /** One, below and above a vector, odd, prime, and just past a power of two. */
  static final int[] SIZES = {1, 3, 31, 33, 207, 1021, 4098};

  private static final float[] SPECIAL = {
    0f,
    -0f,
    Float.MIN_VALUE,
    -Float.MIN_VALUE,
    1e-40f,
    -1e-40f,
    Float.MIN_NORMAL,
    -Float.MIN_NORMAL,
    1e30f,
    -1e30f,
    Float.MAX_VALUE,
    -Float.MAX_VALUE,
    Float.POSITIVE_INFINITY,
    Float.NEGATIVE_INFINITY,
    Float.NaN,
    6f,
    1f,
    -1f
  };

  private EdgeValues() {}

  /** Standard normal, seeded. */
  public static float[] ordinary(int n, long seed) {
    Random random = new Random(seed);
    float[] values = new float[n];
    for (int i = 0; i < n; i++) {
      values[i] = (float) random.nextGaussian();
    }
    return values;
  }

  /** Ordinary values scaled and shifted. */
  public static float[] ordinary(int n, long seed, float scale, float shift) {
    float[] values = ordinary(n, seed);
    for (int i = 0; i < n; i++) {
      values[i] = values[i] * scale + shift;
    }
    return values;
  }

  /** Uniform in [low, high), seeded: scales and variances, which are positive. */
  public static float[] between(int n, long seed, float low, float high) {
    Random random = new Random(seed);
    float[] values = new float[n];
    for (int i = 0; i < n; i++) {
      values[i] = low + (high - low) * random.nextFloat();
    }
    return values;
  }

  /**
   * Ordinary values with zeros of both signs, denormals, 1e30, infinities and NaN between them;
   * every special value comes before the first ordinary one and again later, so that it meets the
   * vector loop and its tail.
   */
  public static float[] edges(int n, long seed) {
    float[] values = ordinary(n, seed);
    for (int i = 0; i < n; i++) {
      if (i < SPECIAL.length || i % 7 == 3 || i >= n - 2) {
        values[i] = SPECIAL[(i + (int) (seed & 7)) % SPECIAL.length];
      }
    }
    return values;
  }

  /** As {@link #edges} without NaN and infinities. */
  static float[] finiteEdges(int n, long seed) {
    float[] values = edges(n, seed);
    for (int i = 0; i < n; i++) {
      if (!Float.isFinite(values[i])) {
        values[i] = i % 2 == 0 ? 1e30f : -1e-40f;
      }
    }
    return values;
  }

  /**
   * Exactly half way between two codes, (k + 0.5) * scale, from far below the grid to far above it.
   */
  public static float[] ties(int n, float scale) {
    float[] values = new float[n];
    for (int i = 0; i < n; i++) {
      int k = (i * 37) % 601 - 300;
      values[i] = (k + 0.5f) * scale;
    }
    return values;
  }

  /** Codes of the grid, both ends among them. */
  public static int[] codes(int n, QuantSpec spec, long seed) {
    Random random = new Random(seed);
    int[] values = new int[n];
    for (int i = 0; i < n; i++) {
      int drawn = spec.qmin() + random.nextInt(spec.qmax() - spec.qmin() + 1);
      values[i] = i % 11 == 0 ? spec.qmin() : i % 13 == 5 ? spec.qmax() : drawn;
    }
    return values;
  }

  /** The same code everywhere: the largest sums. */
  static int[] all(int n, int code) {
    int[] values = new int[n];
    Arrays.fill(values, code);
    return values;
  }

  /** Accumulators: mostly within {@code magnitude}, with 0, +-1 and both ends of int32 / 2. */
  static int[] accumulators(int n, int magnitude, long seed) {
    Random random = new Random(seed);
    int[] values = new int[n];
    int[] ends = {0, 1, -1, 1 << 30, -(1 << 30), (1 << 24) + 1, -(1 << 24) - 1};
    for (int i = 0; i < n; i++) {
      values[i] = (int) (Math.floorMod(random.nextLong(), 2L * magnitude + 1) - magnitude);
      if (i % 17 == 0) {
        values[i] = ends[(i / 17) % ends.length];
      }
    }
    return values;
  }

  /** Accumulators within {@code magnitude}. */
  public static int[] integers(int n, int magnitude, long seed) {
    Random random = new Random(seed);
    int[] values = new int[n];
    for (int i = 0; i < n; i++) {
      values[i] = (int) (Math.floorMod(random.nextLong(), 2L * magnitude + 1) - magnitude);
    }
    return values;
  }
}
