package org.quantrain.bundle;

import java.util.List;
import java.util.Locale;
import java.util.regex.Pattern;

/**
 * The machine that a bundle is made on and for.
 *
 * @param name as in "linux-x86_64"
 * @param folders the names that libraries give to it, where their jars hold one for each machine
 */
record Platform(String name, List<String> folders) {
  private static final Pattern NATIVE =
      Pattern.compile(".*\\.(so(\\.[0-9]+)*|dylib|jnilib|dll|lib|pdb)");

  /**
   * That of this process.
   *
   * @throws IllegalArgumentException on another system than Linux on x86-64 or arm64
   */
  static Platform current() {
    String system = System.getProperty("os.name").toLowerCase(Locale.ROOT);
    String machine = system + " " + System.getProperty("os.arch");
    return switch (machine) {
      case "linux amd64", "linux x86_64" ->
          new Platform("linux-x86_64", List.of("linux-x86_64", "linux-x64", "Linux/x86_64"));
      case "linux aarch64" ->
          new Platform("linux-arm64", List.of("linux-arm64", "linux-aarch64", "Linux/arm64"));
      default ->
          throw new IllegalArgumentException(
              "a bundle is made on Linux, x86-64 or arm64, not on " + machine);
    };
  }

  /** Whether a file of a jar is a library of some machine. */
  static boolean isNative(String name) {
    return NATIVE.matcher(name).matches();
  }

  /** Whether it is in a folder for this machine. */
  boolean owns(String name) {
    return folders.stream().anyMatch(f -> name.contains("/" + f + "/"));
  }
}
