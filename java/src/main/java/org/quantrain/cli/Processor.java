package org.quantrain.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** What Linux says of the processor; elsewhere no more than Java knows. */
record Processor(String model, List<String> features) {
  private static final Path CPUINFO = Path.of("/proc/cpuinfo");

  /** Linux' names of what integer arithmetic can use, and how we call them. */
  private static final Map<String, String> FEATURES =
      Map.of(
          "avx2", "AVX2",
          "avx512f", "AVX-512",
          "avx512_vnni", "AVX-512 VNNI",
          "avx_vnni", "AVX VNNI",
          "amx_int8", "AMX int8",
          "amx_bf16", "AMX bf16",
          "asimd", "NEON",
          "asimddp", "dot product");

  static Processor detect() {
    String model = System.getProperty("os.arch");
    List<String> features = new ArrayList<>();
    try {
      for (String line : Files.readAllLines(CPUINFO)) {
        String value = line.substring(line.indexOf(':') + 1).trim();
        if (line.startsWith("model name")) {
          model = value;
        } else if (line.startsWith("flags") || line.startsWith("Features")) {
          for (String flag : value.split(" ")) {
            if (FEATURES.containsKey(flag)) {
              features.add(FEATURES.get(flag));
            }
          }
        }
        if (line.isEmpty()) {
          break; // The other cores say the same.
        }
      }
    } catch (IOException e) {
      // Not Linux.
    }
    return new Processor(model, features);
  }

  @Override
  public String toString() {
    return features.isEmpty() ? model : model + " (" + String.join(", ", features) + ")";
  }
}
