package org.quantrain.bundle;

import java.io.IOException;
import java.io.OutputStream;
import java.net.URISyntaxException;
import java.nio.file.FileVisitOption;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.quantrain.report.Numbers;

/**
 * An archive with everything that Quantrain needs on a Linux machine of the same kind, which may
 * lack Java and a network. It holds one folder:
 *
 * <pre>
 *   quantrain      the program, as in the source tree
 *   verify.sh      checks what arrived, then what the machine has
 *   build-cuda.sh  builds the CUDA kernels there
 *   runtime/       Java, trimmed
 *   lib/           the class path's jars
 *   native/        its libraries, and the driver of the native checks beside libquantrain
 *   system/        what these need of the system, for machines that lack it
 *   source/        native/ and cmake/
 *   benchmarks/    what is measured on a GPU
 *   data/          the caller's files
 * </pre>
 *
 * Nothing in it is written to when it runs.
 *
 * @param file the archive
 * @param folder the name of the folder in it
 * @param parts in the archive's order; the caller's data last, where there are any
 * @param glibc the oldest C library that can run it, as in "2.34"
 * @param cuda whether the CUDA kernels were built, so that they are in it
 */
public record Bundle(Path file, String folder, List<Part> parts, String glibc, boolean cuda) {
  private static final String CUDA = "libquantrain_cuda.so";

  /**
   * A part of the archive.
   *
   * @param unpacked bytes of its files
   * @param packed bytes that it adds to the archive
   */
  public record Part(String name, long unpacked, long packed) {}

  /**
   * Makes one from the source tree that this class was built in.
   *
   * @param file ends in .tar.xz or .tar.gz; there completely or not at all
   * @param version of the program
   * @param data files and folders of the caller
   * @param limit most bytes of the archive without the data
   * @throws IOException if it becomes larger, or the tree, the JDK or the disk lack something
   * @throws IllegalArgumentException if a name or this machine does not serve
   */
  public static Bundle write(Path file, String version, List<Path> data, long limit)
      throws IOException {
    Compression compression = Compression.of(file);
    Platform platform = Platform.current();
    Path root = sourceTree();
    Map<String, Path> named = named(data);
    Path target = file.toAbsolutePath();
    for (Path path : data) {
      requireOutside(path, target);
    }
    Files.createDirectories(target.getParent());
    String folder = "quantrain-%s-%s".formatted(version, platform.name());
    Path growing =
        target.resolveSibling(
            ".%s.%d.tmp".formatted(target.getFileName(), ProcessHandle.current().pid()));
    Path stage = Files.createTempDirectory("quantrain-bundle").toRealPath();
    try {
      Staged staged = stage(root, platform, stage);
      List<Part> parts = new ArrayList<>();
      for (Map.Entry<String, Map<String, Path>> part : staged.parts.entrySet()) {
        boolean last = named.isEmpty() && parts.size() == staged.parts.size() - 1;
        parts.add(append(part.getKey(), part.getValue(), folder, compression, growing, last));
      }
      long size = Files.size(growing);
      if (size > limit) {
        List<String> sizes =
            parts.stream().map(p -> p.name() + " " + Numbers.bytes(p.packed())).toList();
        throw new IOException(
            "the bundle takes %s without data, more than the limit of %s: %s; --limit allows more"
                .formatted(Numbers.bytes(size), Numbers.bytes(limit), String.join(", ", sizes)));
      }
      if (!named.isEmpty()) {
        parts.add(append("data", named, folder, compression, growing, true));
      }
      Files.move(growing, target, StandardCopyOption.REPLACE_EXISTING);
      return new Bundle(file, folder, parts, staged.glibc, staged.cuda);
    } finally {
      Files.deleteIfExists(growing);
      delete(stage);
    }
  }

  /** What goes into the archive: by part, from where each name in it comes. */
  private record Staged(Map<String, Map<String, Path>> parts, String glibc, boolean cuda) {}

  private static Staged stage(Path root, Platform platform, Path stage) throws IOException {
    Path jars = Files.createDirectory(stage.resolve("lib"));
    Path natives = Files.createDirectory(stage.resolve("native"));
    Path system = Files.createDirectory(stage.resolve("system"));
    ClassPath classPath = new ClassPath(platform, jars, natives);
    for (String entry : Files.readString(root.resolve("java/target/classpath.txt")).split(":")) {
      Path path = Path.of(entry);
      classPath.add(path, Files.isDirectory(path) ? "quantrain.jar" : "" + path.getFileName());
    }
    Path runtime = stage.resolve("runtime");
    JavaRuntime.link(JavaRuntime.modules(files(jars)), runtime);

    String bindings = "org/quantrain/internal/bind/" + platform.name();
    Path checks = natives.resolve(bindings).resolve("check_kernels");
    Files.copy(root.resolve("java/target/native/check/check_kernels"), checks);
    List<Path> binaries = new ArrayList<>(files(natives));
    files(runtime).stream().filter(f -> Platform.isNative("" + f)).forEach(binaries::add);
    SystemLibraries.collect(binaries, List.of(root, stage), system);
    binaries.addAll(files(system));
    String glibc = SystemLibraries.oldestGlibc(binaries);

    Map<String, Map<String, Path>> parts = new LinkedHashMap<>();
    parts.put("Java runtime", Map.of("runtime", runtime));
    parts.put("Java libraries", Map.of("lib", jars));
    Path cuda = natives.resolve(bindings).resolve(CUDA);
    boolean built = Files.exists(cuda);
    if (built) { // a part of its own, so moved away from the others
      Path apart = Files.move(cuda, stage.resolve(CUDA));
      parts.put("CUDA kernels", Map.of("native/" + bindings + "/" + CUDA, apart));
    }
    parts.put("native libraries", Map.of("native", natives));
    parts.put("system libraries", Map.of("system", system));
    Map<String, Path> sources = new LinkedHashMap<>();
    for (String name : List.of("quantrain", "verify.sh", "build-cuda.sh")) {
      sources.put(name, root.resolve("bundle").resolve(name));
    }
    sources.put("LICENSE", root.resolve("LICENSE"));
    sources.put("NOTICE", root.resolve("NOTICE"));
    sources.put("benchmarks/gpu", root.resolve("benchmarks/gpu"));
    sources.put("source/native", root.resolve("native"));
    sources.put("source/cmake", root.resolve("cmake"));
    parts.put("scripts and sources", sources);
    return new Staged(parts, glibc, built);
  }

  private static Part append(
      String name,
      Map<String, Path> entries,
      String folder,
      Compression compression,
      Path archive,
      boolean last)
      throws IOException {
    long before = Files.exists(archive) ? Files.size(archive) : 0;
    long unpacked = 0;
    try (OutputStream out = compression.append(archive)) {
      TarWriter tar = new TarWriter(out);
      for (Map.Entry<String, Path> entry : entries.entrySet()) {
        tar.add(entry.getValue(), folder + "/" + entry.getKey());
        for (Path file : files(entry.getValue())) {
          unpacked += Files.size(file);
        }
      }
      if (last) {
        tar.end();
      }
    }
    return new Part(name, unpacked, Files.size(archive) - before);
  }

  /** The folder that holds java/target/classes, where this class is. */
  private static Path sourceTree() throws IOException {
    Path classes;
    try {
      classes = Path.of(Bundle.class.getProtectionDomain().getCodeSource().getLocation().toURI());
    } catch (URISyntaxException e) {
      throw new IOException(e);
    }
    Path root = classes.resolve("../../..").normalize();
    if (!classes.endsWith("java/target/classes")
        || !Files.exists(root.resolve("bundle/verify.sh"))) {
      throw new IOException(
          "a bundle is made in the source tree, by ./quantrain bundle; this program is in "
              + classes);
    }
    return root.toRealPath();
  }

  private static Map<String, Path> named(List<Path> data) throws IOException {
    Map<String, Path> named = new LinkedHashMap<>();
    Set<String> names = new HashSet<>();
    for (Path path : data) {
      if (!Files.exists(path)) {
        throw new NoSuchFileException(path.toString());
      }
      Path called = path.toRealPath().getFileName();
      if (called == null) {
        throw new IllegalArgumentException(
            path + ": a root has no name of its own; name a folder below it");
      }
      String name = called.toString();
      if (!names.add(name)) {
        throw new IllegalArgumentException(
            path + ": another file or folder of the data is also called " + name);
      }
      named.put("data/" + name, path);
    }
    return named;
  }

  /** An archive among its own data would have to hold itself. */
  private static void requireOutside(Path data, Path target) throws IOException {
    Path folder = target.getParent();
    while (!Files.exists(folder)) {
      folder = folder.getParent();
    }
    try (Stream<Path> walk = Files.walk(data, FileVisitOption.FOLLOW_LINKS)) {
      for (Path path : (Iterable<Path>) walk.filter(Files::isDirectory)::iterator) {
        if (Files.isSameFile(path, folder)) {
          throw new IllegalArgumentException(
              "%s: the archive %s would be in it, and so in itself; write it elsewhere (--out)"
                  .formatted(data, target));
        }
      }
    }
  }

  private static List<Path> files(Path folder) throws IOException {
    try (Stream<Path> walk = Files.walk(folder, FileVisitOption.FOLLOW_LINKS)) {
      return walk.filter(Files::isRegularFile).sorted().toList();
    }
  }

  private static void delete(Path folder) throws IOException {
    try (Stream<Path> walk = Files.walk(folder)) {
      for (Path path : walk.sorted(Comparator.reverseOrder()).toList()) {
        Files.deleteIfExists(path);
      }
    }
  }
}
