package org.quantrain.testkit;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Random;

/** Damage that needs to know nothing of a file's format. */
public final class MutatedBytes {
  private static final int[] WORDS = {
    0, 1, -1, 2, 3, 4, 7, 255, 256, 65535, 65536, Integer.MAX_VALUE, Integer.MIN_VALUE
  };

  private MutatedBytes() {}

  /**
   * A copy in which one to three of the aligned 32-bit words are other numbers, or words from
   * elsewhere: what offsets and lengths of a binary format do not expect.
   */
  public static byte[] words(byte[] file, Random random) {
    byte[] bytes = file.clone();
    ByteBuffer buffer = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    int changes = 1 + random.nextInt(3);
    for (int i = 0; i < changes; i++) {
      int at = random.nextInt(bytes.length / 4) * 4;
      int old = buffer.getInt(at);
      buffer.putInt(
          at,
          switch (random.nextInt(4)) {
            case 0 -> WORDS[random.nextInt(WORDS.length)];
            case 1 -> old + random.nextInt(33) - 16;
            case 2 -> random.nextInt();
            default -> buffer.getInt(random.nextInt(bytes.length / 4) * 4);
          });
    }
    return bytes;
  }

  /** A damaged copy: flipped bits, a piece cut off, cut out, doubled or overwritten. */
  public static byte[] of(byte[] file, Random random) {
    byte[] bytes = file.clone();
    int at = random.nextInt(bytes.length);
    int length = 1 + random.nextInt(Math.min(64, bytes.length - at));
    return switch (random.nextInt(6)) {
      case 0 -> Arrays.copyOf(bytes, at);
      case 1 -> joined(bytes, at, at + length);
      case 2 -> joined(bytes, at + length, at);
      case 3 -> {
        Arrays.fill(bytes, at, at + length, (byte) (random.nextBoolean() ? 0xff : 0));
        yield bytes;
      }
      case 4 -> {
        byte[] noise = new byte[length];
        random.nextBytes(noise);
        System.arraycopy(noise, 0, bytes, at, length);
        yield bytes;
      }
      default -> {
        int flips = 1 + random.nextInt(8);
        for (int i = 0; i < flips; i++) {
          bytes[random.nextInt(bytes.length)] ^= (byte) (1 << random.nextInt(8));
        }
        yield bytes;
      }
    };
  }

  /** What is before {@code head} and what is from {@code tail} on. */
  private static byte[] joined(byte[] bytes, int head, int tail) {
    byte[] joined = Arrays.copyOf(bytes, head + bytes.length - tail);
    System.arraycopy(bytes, tail, joined, head, bytes.length - tail);
    return joined;
  }
}
