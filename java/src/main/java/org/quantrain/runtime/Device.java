package org.quantrain.runtime;

import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Where plans are to run.
 *
 * @param index of a CUDA device, 0 for the first
 */
public record Device(Kind kind, int index) {
  /** Kinds of devices; {@code AUTO} is CUDA where it can be used, else the CPU. */
  public enum Kind {
    AUTO,
    CPU,
    CUDA
  }

  /** What {@link #parse} takes, for messages. */
  public static final String EXPECTED = "auto, cpu, cuda or cuda:N (N from 0)";

  private static final Pattern TEXT = Pattern.compile("(auto|cpu|cuda)|cuda:(\\d{1,4})");

  public Device {
    if (index < 0 || (index > 0 && kind != Kind.CUDA)) {
      throw new IllegalArgumentException("device " + index + " of " + kind);
    }
  }

  /**
   * Reads {@code auto}, {@code cpu}, {@code cuda}, which is the first CUDA device, or {@code
   * cuda:1}.
   *
   * @throws IllegalArgumentException saying what is expected
   */
  public static Device parse(String text) {
    Matcher matcher = TEXT.matcher(text);
    if (!matcher.matches()) {
      throw new IllegalArgumentException("expected " + EXPECTED + ", got '" + text + "'");
    }
    if (matcher.group(2) != null) {
      return new Device(Kind.CUDA, Integer.parseInt(matcher.group(2)));
    }
    return new Device(
        switch (text) {
          case "auto" -> Kind.AUTO;
          case "cpu" -> Kind.CPU;
          default -> Kind.CUDA;
        },
        0);
  }

  /** As {@link #parse} reads it, with the number of a CUDA device. */
  @Override
  public String toString() {
    return switch (kind) {
      case AUTO -> "auto";
      case CPU -> "cpu";
      case CUDA -> "cuda:" + index;
    };
  }
}
