package org.quantrain.integer;

import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;

/**
 * What the verifier and its child process say to each other. Numbers are big-endian, tensors are
 * raw bytes in native order.
 *
 * <p>To the child: {@link #START}, the model's bytes, the threads to use, names of the code
 * tensors, name of the output, name, type and dimensions behind the batch of each input, whether to
 * use delegates; then for each batch {@link #RUN}, the number of images and each input as the model
 * takes it; at the end {@link #STOP}.
 *
 * <p>From the child: {@link #READY} with the runtime's version, the optimization level and the
 * nodes of the two optimized graphs; for each batch {@link #RESULT} with the codes of each tensor,
 * the logits beside them, and the logits of the model as it is; or {@link #FAILED} with a message,
 * once.
 */
final class ChildProtocol {
  static final int START = 0x51545231;
  static final int RUN = 0x51545232;
  static final int STOP = 0x51545233;
  static final int READY = 0x51545241;
  static final int RESULT = 0x51545242;
  static final int FAILED = 0x51545243;

  private static final int LONGEST_TEXT = 1 << 20;

  private ChildProtocol() {}

  /** A node of an optimized graph. */
  record OptimizedNode(String domain, String op, String name) {}

  static void writeText(DataOutputStream out, String text) throws IOException {
    byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
    out.writeInt(bytes.length);
    out.write(bytes);
  }

  static String readText(DataInputStream in) throws IOException {
    return new String(readBytes(in, LONGEST_TEXT), StandardCharsets.UTF_8);
  }

  static void writeBytes(DataOutputStream out, byte[] bytes) throws IOException {
    out.writeInt(bytes.length);
    out.write(bytes);
  }

  static byte[] readBytes(DataInputStream in, int most) throws IOException {
    int length = in.readInt();
    if (length < 0 || length > most) {
      throw new IOException("expected at most " + most + " bytes, got a length of " + length);
    }
    byte[] bytes = new byte[length];
    in.readFully(bytes);
    return bytes;
  }
}
