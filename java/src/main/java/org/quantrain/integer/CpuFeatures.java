package org.quantrain.integer;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** Instruction sets that decide which integer kernels a runtime takes. */
final class CpuFeatures {
  private static final List<String> RELEVANT =
      List.of("amx_int8", "avx512_vnni", "avx_vnni", "avx512bw", "avx2", "i8mm", "asimddp");

  private CpuFeatures() {}

  /** Those of this machine, the architecture where the system does not say. */
  static String describe() {
    Set<String> flags = new HashSet<>();
    try {
      Path file = Path.of("/proc/cpuinfo");
      for (String line : Files.readAllLines(file, StandardCharsets.ISO_8859_1)) {
        if (line.startsWith("flags") || line.startsWith("Features")) {
          flags.addAll(Arrays.asList(line.substring(line.indexOf(':') + 1).trim().split(" +")));
          break;
        }
      }
    } catch (IOException e) {
      // No Linux.
    }
    String found = String.join(" ", RELEVANT.stream().filter(flags::contains).toList());
    return found.isEmpty() ? System.getProperty("os.arch") : found;
  }
}
