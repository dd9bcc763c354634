package org.quantrain.data;

/**
 * Random numbers as a pure function of a key and a counter: nothing is drawn "next", so that what
 * an image gets does not depend on which thread asked first, and a resumed run needs no generator
 * state. The mixing function is SplitMix64's (Steele, Lea, Flood: "Fast splittable pseudorandom
 * number generators", 2014); written out here because java.util.SplittableRandom does not promise
 * the same numbers in every JDK.
 */
final class CounterRandom {
  private static final long GOLDEN = 0x9e3779b97f4a7c15L;
  private static final long ODD = 0xd1342543de82ef95L;
  private static final long LOW_32 = 0xffffffffL;

  private CounterRandom() {}

  private static long mix(long z) {
    z = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
    z = (z ^ (z >>> 27)) * 0x94d049bb133111ebL;
    return z ^ (z >>> 31);
  }

  /** Folds a seed, a purpose (so that two uses of one seed differ) and two coordinates. */
  static long key(long seed, long purpose, long a, long b) {
    long key = mix(seed + GOLDEN);
    key = mix(key * ODD + mix(purpose + GOLDEN));
    key = mix(key * ODD + mix(a + GOLDEN));
    return mix(key * ODD + mix(b + GOLDEN));
  }

  private static long bits(long key, int counter) {
    return mix(key + (counter + 1L) * GOLDEN);
  }

  /**
   * A number in [0, bound), bound at least 1: the high word of the 96-bit product of 64 random bits
   * and the bound. Its bias is below 2^-32, less than any test of a dataset could show.
   */
  static int below(long key, int counter, int bound) {
    long bits = bits(key, counter);
    long high = (bits >>> 32) * bound;
    long low = (bits & LOW_32) * bound;
    return (int) ((high + (low >>> 32)) >>> 32); // high + carry < 2^63: no overflow
  }

  /** A float in [0, 1), a multiple of 2^-24. */
  static float unit(long key, int counter) {
    return (bits(key, counter) >>> 40) * 0x1p-24f;
  }

  /** Fisher-Yates: a permutation of 0..size-1 that depends on size and key only. */
  static int[] permutation(int size, long key) {
    int[] order = new int[size];
    for (int i = 0; i < size; i++) {
      order[i] = i;
    }
    shuffle(order, key);
    return order;
  }

  static void shuffle(int[] values, long key) {
    for (int i = values.length - 1; i > 0; i--) {
      int j = below(key, i, i + 1);
      int swapped = values[i];
      values[i] = values[j];
      values[j] = swapped;
    }
  }
}
