package org.quantrain.tflite;

import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/**
 * A digest of a whole file that stands in the file itself: of its bytes with zeros in that place.
 *
 * @param at where the digest stands, or -1
 */
public record FileDigest(int at) {
  private static final String PREFIX = "sha256:";

  /** What stands there before the digest is known. */
  static final String PLACE = PREFIX + "0".repeat(64);

  /** Puts the digest into its place. */
  void write(byte[] bytes) {
    byte[] text = of(bytes).getBytes(StandardCharsets.US_ASCII);
    System.arraycopy(text, 0, bytes, at, text.length);
  }

  /** Whether the file is as it was when its digest was written. */
  boolean matches(byte[] bytes) {
    String found = new String(bytes, at, PLACE.length(), StandardCharsets.ISO_8859_1);
    return found.equals(of(bytes));
  }

  private String of(byte[] bytes) {
    try {
      MessageDigest digest = MessageDigest.getInstance("SHA-256");
      digest.update(bytes, 0, at);
      digest.update(PLACE.getBytes(StandardCharsets.US_ASCII));
      int end = at + PLACE.length();
      digest.update(bytes, end, bytes.length - end);
      return PREFIX + HexFormat.of().formatHex(digest.digest());
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e); // Every Java has it.
    }
  }
}
