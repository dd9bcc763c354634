package org.quantrain.bundle;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.spi.ToolProvider;

/** A Java runtime with the modules that a class path needs, made by the tools of a JDK. */
final class JavaRuntime {
  /** Only a screen, a font or a loudspeaker needs them, and they need libraries of the desktop. */
  private static final String WITHOUT =
      "**/libawt_xawt.so,**/libjawt.so,**/libsplashscreen.so,**/libjsound.so,"
          + "**/libfontmanager.so,**/libfreetype.so";

  private JavaRuntime() {}

  /** The modules that the classes of these jars name. */
  static String modules(List<Path> jars) throws IOException {
    List<String> args =
        new ArrayList<>(
            List.of(
                "--multi-release",
                Integer.toString(Runtime.version().feature()),
                "--ignore-missing-deps",
                "--print-module-deps"));
    jars.forEach(jar -> args.add(jar.toString()));
    return run("jdeps", args).strip();
  }

  /** Makes the folder, which must not be there. */
  static void link(String modules, Path folder) throws IOException {
    List<String> args =
        new ArrayList<>(
            List.of(
                "--add-modules",
                modules,
                "--output",
                folder.toString(),
                "--strip-java-debug-attributes",
                "--no-header-files",
                "--no-man-pages",
                "--exclude-files=" + WITHOUT));
    if (Runtime.version().feature() >= 22) {
      args.add("--add-options=--enable-native-access=ALL-UNNAMED");
    }
    run("jlink", args);
  }

  private static String run(String name, List<String> args) throws IOException {
    ToolProvider tool =
        ToolProvider.findFirst(name)
            .orElseThrow(
                () ->
                    new IOException(
                        "%s has no %s: a bundle needs a JDK, this is a Java runtime alone; set"
                                .formatted(System.getProperty("java.home"), name)
                            + " JAVA_HOME to a JDK of version 17 or newer"));
    StringWriter said = new StringWriter();
    PrintWriter writer = new PrintWriter(said, true);
    int code = tool.run(writer, writer, args.toArray(String[]::new));
    if (code != 0) {
      throw new IOException(name + " failed: " + said.toString().strip());
    }
    return said.toString();
  }
}
