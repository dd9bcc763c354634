package org.quantrain.report;

import java.util.Locale;

/** Numbers as people read them; the same in every locale. */
public final class Numbers {
  private Numbers() {}

  /** As in 1,234,567. */
  public static String count(long n) {
    return String.format(Locale.ROOT, "%,d", n);
  }

  /** As in "98.06 %". */
  public static String percent(double value) {
    return Double.isNaN(value) ? "–" : String.format(Locale.ROOT, "%.2f %%", value);
  }

  /** As in "12.3 KB"; a kilobyte is 1000 bytes. */
  public static String bytes(long n) {
    if (n < 1000) {
      return n + " B";
    }
    String[] units = {"KB", "MB", "GB", "TB"};
    double value = n / 1000.0;
    int unit = 0;
    while (value >= 999.5 && unit < units.length - 1) {
      value /= 1000;
      unit++;
    }
    return String.format(Locale.ROOT, value < 10 ? "%.1f %s" : "%.0f %s", value, units[unit]);
  }

  /** As in "1.2 M"; with three digits at most. */
  public static String compact(long n) {
    if (n < 1000) {
      return Long.toString(n);
    }
    String[] units = {"k", "M", "G", "T"};
    double value = n / 1000.0;
    int unit = 0;
    while (value >= 999.5 && unit < units.length - 1) {
      value /= 1000;
      unit++;
    }
    return String.format(Locale.ROOT, value < 10 ? "%.1f %s" : "%.0f %s", value, units[unit]);
  }

  /** With a few significant digits, as in 0.0123, 1.5e-07, -3.25. */
  public static String real(double value) {
    if (Double.isNaN(value)) {
      return "–";
    }
    if (value == 0) {
      return "0";
    }
    double magnitude = Math.abs(value);
    if (magnitude >= 1e5 || magnitude < 1e-4) {
      return String.format(Locale.ROOT, "%.2e", value);
    }
    int digits = Math.max(0, 2 - (int) Math.floor(Math.log10(magnitude)));
    return String.format(Locale.ROOT, "%." + digits + "f", value);
  }

  /** As in "1 min 23 s". */
  public static String duration(double seconds) {
    long whole = Math.round(seconds);
    if (seconds < 10) {
      return String.format(Locale.ROOT, "%.1f s", seconds);
    }
    if (whole < 60) {
      return whole + " s";
    }
    if (whole < 3600) {
      return "%d min %d s".formatted(whole / 60, whole % 60);
    }
    return "%d h %d min".formatted(whole / 3600, whole / 60 % 60);
  }
}
