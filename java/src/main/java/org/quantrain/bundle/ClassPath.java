package org.quantrain.bundle;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;
import java.util.zip.ZipOutputStream;

/**
 * A class path, taken apart: the Java half goes into jars, not compressed, because the archive
 * compresses them better; the libraries of this machine go into a folder, from which they are
 * loaded without unpacking. Libraries of other machines stay behind, and what only builds,
 * compilers and the module path read.
 */
final class ClassPath {
  private static final Pattern UNUSED =
      Pattern.compile(
          "(.*/)?module-info\\.class|META-INF/(native-image|maven)/.*"
              + "|META-INF/[^/]*\\.(SF|RSA|DSA)|.*/include/.*|.*\\.dSYM/.*");

  private final Platform platform;
  private final Path jars;
  private final Path natives;

  /** Writes into these folders. */
  ClassPath(Platform platform, Path jars, Path natives) {
    this.platform = platform;
    this.jars = jars;
    this.natives = natives;
  }

  /** One jar or folder; {@code name} is that of the new jar. */
  void add(Path entry, String name) throws IOException {
    Map<String, byte[]> java = new TreeMap<>();
    if (Files.isDirectory(entry)) {
      for (Path file : files(entry)) {
        try (InputStream in = Files.newInputStream(file)) {
          take(entry.relativize(file).toString(), in, java);
        }
      }
    } else {
      try (ZipFile zip = new ZipFile(entry.toFile())) {
        for (ZipEntry e : Collections.list(zip.entries())) {
          if (!e.isDirectory()) {
            try (InputStream in = zip.getInputStream(e)) {
              take(e.getName(), in, java);
            }
          }
        }
      }
    }
    if (java.keySet().stream().anyMatch(n -> n.endsWith(".class"))) {
      write(jars.resolve(name), java);
    }
  }

  private static List<Path> files(Path folder) throws IOException {
    try (Stream<Path> walk = Files.walk(folder)) {
      return walk.filter(Files::isRegularFile).toList();
    }
  }

  private void take(String name, InputStream in, Map<String, byte[]> java) throws IOException {
    if (UNUSED.matcher(name).matches()) {
      return;
    }
    if (Platform.isNative(name)) {
      if (platform.owns(name)) {
        Path target = natives.resolve(name).normalize();
        if (!target.startsWith(natives)) {
          throw new IOException("a jar has a file with the name " + name);
        }
        Files.createDirectories(target.getParent());
        Files.copy(in, target);
      }
    } else if (!platform.owns(name)) {
      java.put(name, in.readAllBytes());
    }
  }

  private static void write(Path jar, Map<String, byte[]> entries) throws IOException {
    try (OutputStream file = Files.newOutputStream(jar);
        ZipOutputStream zip = new ZipOutputStream(file)) {
      for (Map.Entry<String, byte[]> e : entries.entrySet()) {
        CRC32 crc = new CRC32();
        crc.update(e.getValue());
        ZipEntry entry = new ZipEntry(e.getKey());
        entry.setMethod(ZipEntry.STORED);
        entry.setSize(e.getValue().length);
        entry.setCrc(crc.getValue());
        entry.setTime(0);
        zip.putNextEntry(entry);
        zip.write(e.getValue());
        zip.closeEntry();
      }
    }
  }
}
