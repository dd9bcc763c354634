package org.quantrain.benchmarks;

import org.bytedeco.javacpp.Loader;
import org.bytedeco.javacpp.annotation.Platform;
import org.quantrain.internal.bind.QuantrainNative;

/**
 * The timed cases of native/check (check/cases.h): every native kernel with its data, by index. One
 * case is open at a time, in one thread.
 */
@Platform(include = "check/cases.h", link = "quantrain_cases", compiler = "cpp17")
public final class NativeCases {
  static {
    Loader.load(QuantrainNative.class); // quantrain_cases is linked to this library
    Loader.load();
  }

  private NativeCases() {}

  public static native int qt_cases_count();

  public static native String qt_cases_kernel(int index);

  public static native String qt_cases_variant(int index);

  public static native int qt_cases_open(int index, long elements, int threads);

  public static native int qt_cases_run();

  public static native long qt_cases_elements();

  public static native long qt_cases_bytes();

  public static native void qt_cases_close();

  public static native int qt_cases_copies_open(long bytes, int threads);

  public static native void qt_cases_copy(int way);

  public static native void qt_cases_copies_close();

  /** "kernel" or "kernel: variant", as tables and parameters name a case. */
  static String name(int index) {
    String variant = qt_cases_variant(index);
    return variant.isEmpty() ? qt_cases_kernel(index) : qt_cases_kernel(index) + ": " + variant;
  }

  /**
   * Index of the case of this name; a kernel's name alone means its first case.
   *
   * @throws IllegalArgumentException if there is none
   */
  static int index(String name) {
    for (int i = 0; i < qt_cases_count(); i++) {
      if (name.equals(name(i)) || name.equals(qt_cases_kernel(i))) {
        return i;
      }
    }
    throw new IllegalArgumentException(
        "no timed case '" + name + "'; ./quantrain bench kernels --list prints them");
  }

  /** Opens a case and runs it once. */
  static void open(String name, long elements, int threads) {
    int status = qt_cases_open(index(name), elements, threads);
    if (status != QuantrainNative.QT_OK) {
      throw new IllegalStateException(name + ": status " + status);
    }
  }
}
