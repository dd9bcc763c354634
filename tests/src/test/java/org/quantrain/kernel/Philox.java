package org.quantrain.kernel;

/**
 * Philox4x32-10, written from the paper: Salmon et al. 2011, doi:10.1145/2063384.2063405, section
 * 3.3.
 */
final class Philox {
  private static final long[] MULTIPLIER = {0xd2511f53L, 0xcd9e8d57L};
  private static final int[] WEYL = {0x9e3779b9, 0xbb67ae85};
  private static final int ROUNDS = 10;

  private Philox() {}

  /** Every word is the low or the high half of a product of two unsigned words. */
  static int[] words(int[] counter, int[] key) {
    int[] words = counter.clone();
    for (int round = 0; round < ROUNDS; round++) {
      long first = MULTIPLIER[0] * Integer.toUnsignedLong(words[0]);
      long second = MULTIPLIER[1] * Integer.toUnsignedLong(words[2]);
      words =
          new int[] {
            (int) (second >>> 32) ^ words[1] ^ (key[0] + round * WEYL[0]),
            (int) second,
            (int) (first >>> 32) ^ words[3] ^ (key[1] + round * WEYL[1]),
            (int) first
          };
    }
    return words;
  }
}
