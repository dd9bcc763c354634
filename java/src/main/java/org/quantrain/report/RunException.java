package org.quantrain.report;

import java.io.IOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;

/** A run directory that cannot be used; the message is one line that names it and says why. */
public final class RunException extends IOException {
  private static final long serialVersionUID = 1L;

  /**
   * @param where the file or folder that is wrong
   * @param problem what is wrong with it, and what to do
   */
  public RunException(Path where, String problem) {
    this(where, problem, null);
  }

  private RunException(Path where, String problem, Throwable cause) {
    super((where + ": " + problem).replaceAll("\\p{Cntrl}+", " "), cause);
  }

  /** A failed attempt to write, in words. */
  static RunException cannotWrite(Path where, IOException cause) {
    return cause instanceof RunException run
        ? run
        : new RunException(where, "cannot be written: " + reason(cause), cause);
  }

  /** A failed attempt to read, in words. */
  static RunException cannotRead(Path where, IOException cause) {
    return new RunException(where, "cannot be read: " + reason(cause), cause);
  }

  private static String reason(IOException e) {
    if (e instanceof AccessDeniedException) {
      return "permission denied";
    }
    if (e instanceof NoSuchFileException) {
      return "no such file or folder";
    }
    if (e instanceof FileAlreadyExistsException) {
      return "a file of that name exists";
    }
    if (e instanceof FileSystemException file && file.getReason() != null) {
      return file.getReason();
    }
    return e.getMessage() == null ? e.getClass().getSimpleName() : e.getMessage();
  }
}
