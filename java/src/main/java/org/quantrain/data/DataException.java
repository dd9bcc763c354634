package org.quantrain.data;

import java.io.IOException;
import java.nio.file.Path;

/**
 * Data cannot be found, read or trusted. The message is one line that says where, what is wrong
 * (expected and actual), and what to do about it.
 */
public final class DataException extends IOException {
  private static final long serialVersionUID = 1L;

  /**
   * @param where the file, dataset or spec that is wrong
   * @param problem what is wrong with it: expected and actual
   * @param remedy what the user can do
   */
  public DataException(Object where, String problem, String remedy) {
    this(where, problem, remedy, null);
  }

  /** As above, with the lower-level exception that showed the problem (may be null). */
  public DataException(Object where, String problem, String remedy, Throwable cause) {
    super(oneLine(name(where) + ": " + problem + "; " + remedy), cause);
  }

  private static String name(Object where) {
    return where instanceof Path path ? path.toAbsolutePath().toString() : String.valueOf(where);
  }

  /** Names of files are untrusted too: a line break or an escape in one must not reach a log. */
  private static String oneLine(String text) {
    return text.replaceAll("\\p{Cntrl}+", " ");
  }
}
