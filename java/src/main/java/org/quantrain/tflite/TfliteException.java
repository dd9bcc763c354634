package org.quantrain.tflite;

import java.io.IOException;

/**
 * A file that is not what it should be, or a network that the format cannot express. The message is
 * one line that says where and what is wrong.
 */
public final class TfliteException extends IOException {
  private static final long serialVersionUID = 1L;

  private static final int LONGEST = 4000;

  /**
   * @param where the file, or the name of the model
   * @param problem what is wrong: expected and actual
   */
  public TfliteException(Object where, String problem) {
    this(where, problem, null);
  }

  /** As above, with the lower-level exception that showed the problem (may be null). */
  public TfliteException(Object where, String problem, Throwable cause) {
    super(oneLine(where + ": " + problem), cause);
  }

  /** Names in a file are untrusted: a line break or an escape in one must not reach a log. */
  private static String oneLine(String text) {
    String line = text.replaceAll("\\p{Cntrl}+", " ");
    return line.length() <= LONGEST ? line : line.substring(0, LONGEST) + " ...";
  }
}
