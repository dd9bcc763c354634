package org.quantrain.nativecheck;

import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.util.Set;
import java.util.TreeSet;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The names in native/kernels.def. */
final class KernelList {
  private KernelList() {}

  static Set<String> names() throws IOException {
    Set<String> names = new TreeSet<>();
    Matcher kernel =
        Pattern.compile("^QT_KERNEL\\((\\w+)\\)", Pattern.MULTILINE)
            .matcher(Files.readString(Command.SOURCE.resolve("kernels.def")));
    while (kernel.find()) {
      names.add(kernel.group(1));
    }
    assertTrue(names.size() > 50, "kernels.def was not understood: " + names);
    return names;
  }
}
