package org.quantrain.cli;

/**
 * A line of {@code quantrain doctor}.
 *
 * @param needed training does not work without it
 * @param remedy what to do; null if nothing is to be done
 */
record Check(String name, boolean ok, boolean needed, String detail, String remedy) {
  static Check ok(String name, String detail) {
    return new Check(name, true, true, detail, null);
  }

  static Check missing(String name, String detail, String remedy) {
    return new Check(name, false, true, detail, remedy);
  }

  /** Something without which Quantrain works too. */
  static Check optional(String name, boolean ok, String detail, String remedy) {
    return new Check(name, ok, false, detail, remedy);
  }

  String status() {
    return ok ? "ok" : "not available";
  }
}
