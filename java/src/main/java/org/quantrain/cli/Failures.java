package org.quantrain.cli;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.AccessDeniedException;
import java.nio.file.FileSystemException;
import java.nio.file.NoSuchFileException;

/** Exceptions in one line, for people. */
final class Failures {
  private Failures() {}

  static String line(Throwable e) {
    return text(e).replaceAll("\\p{Cntrl}+", " ");
  }

  private static String text(Throwable e) {
    if (e instanceof UncheckedIOException && e.getCause() != null) {
      return text(e.getCause());
    }
    if (e instanceof NoSuchFileException file) {
      return file.getFile() + ": no such file";
    }
    if (e instanceof AccessDeniedException file) {
      return file.getFile() + ": permission denied";
    }
    if (e instanceof FileSystemException file && file.getReason() != null) {
      return file.getFile() + ": " + file.getReason();
    }
    if (e instanceof OutOfMemoryError) {
      return ("out of memory (%s); give the JVM more with QUANTRAIN_JAVA_OPTS=-Xmx8g,"
              + " or take a smaller --batch")
          .formatted(e.getMessage());
    }
    if (e instanceof LinkageError) {
      return "a library does not load: %s; 'quantrain doctor' says more".formatted(e.getMessage());
    }
    if (isMeantForPeople(e)) {
      return e.getMessage();
    }
    return "internal error: %s; --verbose shows where".formatted(e);
  }

  /** Our exceptions say in one line what is wrong; those of the JDK say it to programmers. */
  private static boolean isMeantForPeople(Throwable e) {
    if (e.getMessage() == null) {
      return false;
    }
    return e instanceof IOException
        || e instanceof IllegalArgumentException
        || e.getClass().getName().startsWith("org.quantrain.");
  }
}
