package org.quantrain.bundle;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Predicate;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** What programs and libraries need of the system, beyond the C library that every Linux has. */
final class SystemLibraries {
  /** As in "libz.so.1 => /lib/x86_64-linux-gnu/libz.so.1 (0x00007f...)". */
  private static final Pattern RESOLVED = Pattern.compile("\\s*(\\S+) => (/\\S+) \\(.*");

  private static final Pattern C_LIBRARY =
      Pattern.compile("(linux-vdso|ld-linux.*|lib(c|m|dl|pthread|rt|resolv|util|anl))\\.so.*");

  /** They belong to the driver and to CUDA, which are the other machine's own. */
  private static final Pattern CUDA = Pattern.compile("lib(cu|nv|nccl).*");

  private static final Pattern GLIBC = Pattern.compile("GLIBC_2\\.([0-9]+)");

  private SystemLibraries() {}

  /**
   * Copies into {@code folder} what the loader finds for these files in the system's folders.
   *
   * @param own below these, libraries are in the bundle anyway
   */
  static void collect(List<Path> binaries, List<Path> own, Path folder) throws IOException {
    for (String line : ldd(binaries)) {
      Matcher m = RESOLVED.matcher(line);
      if (m.matches() && !isHost(m.group(1)) && own.stream().noneMatch(under(m.group(2)))) {
        Files.copy(
            Path.of(m.group(2)), folder.resolve(m.group(1)), StandardCopyOption.REPLACE_EXISTING);
      }
    }
  }

  private static Predicate<Path> under(String library) {
    return folder -> Path.of(library).normalize().startsWith(folder);
  }

  private static boolean isHost(String name) {
    return C_LIBRARY.matcher(name).matches() || CUDA.matcher(name).matches();
  }

  private static List<String> ldd(List<Path> binaries) throws IOException {
    List<String> command = new ArrayList<>(List.of("ldd"));
    binaries.forEach(b -> command.add(b.toString()));
    Process process;
    try {
      process = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.DISCARD).start();
    } catch (IOException e) {
      throw new IOException("there is no ldd on the PATH; it belongs to the C library", e);
    }
    // Its exit code says only whether all were dynamic.
    return new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8)
        .lines()
        .toList();
  }

  /** The oldest glibc, as in "2.34", that has all symbols which these files import. */
  static String oldestGlibc(List<Path> binaries) throws IOException {
    int newest = 0;
    for (Path binary : binaries) {
      try (FileChannel channel = FileChannel.open(binary)) {
        CharSequence bytes =
            StandardCharsets.ISO_8859_1.decode(
                channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size()));
        for (Matcher m = GLIBC.matcher(bytes); m.find(); ) {
          newest = Math.max(newest, Integer.parseInt(m.group(1)));
        }
      }
    }
    return "2." + newest;
  }
}
