package org.quantrain.backend.cuda;

import java.io.IOException;
import java.net.MalformedURLException;
import java.net.URL;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.EnumMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import org.bytedeco.javacpp.Loader;
import org.quantrain.runtime.QuantrainException;

/**
 * Where the libraries of CUDA are on this machine: in a folder that the user names, else where
 * systems keep them. Looking for files loads nothing.
 *
 * @param folders that were searched, in order
 * @param files what was found, each in the first folder that has it
 */
public record CudaLibraries(List<Path> folders, Map<NeededLibrary, Path> files) {
  /** Names the folder where no option does. */
  static final String VARIABLE = "QUANTRAIN_CUDA_LIBRARIES";

  /** Below a folder that was named: a toolkit, an environment of Python or a part of one. */
  private static final List<String> BELOW =
      List.of(
          "",
          "lib",
          "lib64",
          "targets/*-linux/lib",
          "*/lib",
          "nvidia/*/lib",
          "site-packages/nvidia/*/lib",
          "lib/python*/site-packages/nvidia/*/lib",
          // From the folder of a PyTorch installation.
          "../nvidia/*/lib");

  private static final List<String> OF_SYSTEMS =
      List.of(
          "/usr/local/cuda/lib64",
          "/usr/local/cuda-13*/lib64",
          "/usr/lib/*-linux-gnu",
          "/usr/lib64",
          "/usr/lib",
          "/opt/cuda/lib64");

  public CudaLibraries {
    folders = List.copyOf(folders);
    Map<NeededLibrary, Path> ordered = new EnumMap<>(NeededLibrary.class);
    ordered.putAll(files);
    files = Collections.unmodifiableMap(ordered);
  }

  private static volatile Path named;

  /**
   * Names the folder for searches from now on.
   *
   * @throws IllegalArgumentException if it is none
   */
  public static void use(Path folder) {
    if (!Files.isDirectory(folder)) {
      throw new IllegalArgumentException(notAFolder(folder));
    }
    named = folder;
  }

  /**
   * Looks in the folder that was named, by {@link #use} or the environment, and below it as
   * NVIDIA's Python packages lie there; then where systems keep libraries.
   *
   * @throws QuantrainException if the environment names what is no folder
   */
  static CudaLibraries find() {
    List<Path> system = new ArrayList<>();
    String path = System.getenv("LD_LIBRARY_PATH");
    for (String part : path == null ? new String[0] : path.split(":")) {
      if (!part.isEmpty()) {
        system.addAll(folder(part));
      }
    }
    OF_SYSTEMS.forEach(pattern -> system.addAll(matching(Path.of("/"), pattern.substring(1))));
    return find(named == null ? ofEnvironment() : named, system);
  }

  /** The folder that {@link #use} named; empty if it did not. */
  public static Optional<Path> used() {
    return Optional.ofNullable(named);
  }

  private static Path ofEnvironment() {
    String value = System.getenv(VARIABLE);
    if (value == null || value.isBlank()) {
      return null;
    }
    return folder(value).stream()
        .findFirst()
        .orElseThrow(() -> new QuantrainException(VARIABLE + ": " + notAFolder(value)));
  }

  private static String notAFolder(Object named) {
    return named
        + " is no folder; name the one that holds the libraries of CUDA, or 'site-packages' or"
        + " 'torch' of an environment of Python that has NVIDIA's packages";
  }

  private static List<Path> folder(String text) {
    try {
      Path folder = Path.of(text);
      return Files.isDirectory(folder) ? List.of(folder) : List.of();
    } catch (InvalidPathException e) {
      return List.of();
    }
  }

  /**
   * @param named a folder that was named, or null
   */
  static CudaLibraries find(Path named, List<Path> system) {
    Set<Path> folders = new LinkedHashSet<>();
    if (named != null) {
      BELOW.forEach(pattern -> folders.addAll(matching(named, pattern)));
    }
    folders.addAll(system);
    Map<NeededLibrary, Path> files = new EnumMap<>(NeededLibrary.class);
    for (NeededLibrary library : NeededLibrary.values()) {
      first(folders, library.file()).ifPresent(file -> files.put(library, file));
    }
    return new CudaLibraries(List.copyOf(folders), files);
  }

  /** The folders that a pattern of names, with stars, leads to. */
  private static List<Path> matching(Path from, String pattern) {
    List<Path> found = List.of(from);
    for (String name : pattern.isEmpty() ? new String[0] : pattern.split("/")) {
      List<Path> next = new ArrayList<>();
      for (Path folder : found) {
        next.addAll(name.contains("*") ? children(folder, name) : List.of(folder.resolve(name)));
      }
      found = next;
    }
    return found.stream().filter(Files::isDirectory).map(Path::normalize).toList();
  }

  private static List<Path> children(Path folder, String pattern) {
    if (!Files.isDirectory(folder)) {
      return List.of();
    }
    List<Path> children = new ArrayList<>();
    try (DirectoryStream<Path> stream = Files.newDirectoryStream(folder, pattern)) {
      stream.forEach(children::add);
    } catch (IOException e) {
      return List.of(); // Not readable: as if it were not there.
    }
    Collections.sort(children);
    return children;
  }

  private static Optional<Path> first(Iterable<Path> folders, String file) {
    for (Path folder : folders) {
      Path path = folder.resolve(file);
      if (Files.isRegularFile(path)) {
        return Optional.of(path);
      }
    }
    return Optional.empty();
  }

  /** What was not found. The system's loader may still know where a library is. */
  List<NeededLibrary> missing() {
    return Arrays.stream(NeededLibrary.values())
        .filter(library -> library.required() && !files.containsKey(library))
        .toList();
  }

  /** One line for each package that lacks: what was looked for, what lies there instead. */
  List<String> problems() {
    List<String> problems = new ArrayList<>();
    missing().stream()
        .collect(Collectors.groupingBy(NeededLibrary::wheel))
        .forEach((wheel, libraries) -> problems.add(problem(libraries)));
    Collections.sort(problems);
    return problems;
  }

  private String problem(List<NeededLibrary> libraries) {
    NeededLibrary library = libraries.get(0);
    int others = libraries.size() - 1;
    return library.file()
        + (others == 0 ? "" : " and " + others + " more beside it")
        + " not found"
        + otherMajor(library);
  }

  /** A neighbouring version, which explains why it does not work though "it is installed". */
  private String otherMajor(NeededLibrary library) {
    for (int major = library.major() - 2; major <= library.major() + 1; major++) {
      if (major != library.major()) {
        Optional<Path> other = first(folders, library.file(major));
        if (other.isPresent()) {
          return "; %s is of version %d, version %d is needed"
              .formatted(other.get(), major, library.major());
        }
      }
    }
    return "";
  }

  /** How to get what is missing. */
  static String remedy() {
    return "pip install --target DIR nvidia-cudnn-cu13 nvidia-cublas nvidia-cuda-runtime"
        + " nvidia-cuda-nvrtc, or a PyTorch for CUDA 13; then --cuda-libraries DIR or "
        + VARIABLE
        + "=DIR";
  }

  /** How to get NCCL. */
  static String ncclRemedy() {
    return "pip install --target DIR " + NeededLibrary.NCCL.wheel() + ", DIR that of the others";
  }

  /**
   * Loads what was found for products, so that the classes that call it find it loaded. What was
   * not found is left to them and the system's loader.
   *
   * @throws QuantrainException naming the file that does not load
   */
  void load() {
    files.forEach(
        (library, file) -> {
          if (library != NeededLibrary.NCCL) {
            load(library, file, library.required());
          }
        });
  }

  /**
   * Loads NCCL, if it was found, likewise.
   *
   * @throws QuantrainException naming the file that does not load
   */
  void loadNccl() {
    Path file = files.get(NeededLibrary.NCCL);
    if (file != null) {
      load(NeededLibrary.NCCL, file, true);
    }
  }

  private static void load(NeededLibrary library, Path file, boolean required) {
    try {
      Loader.loadLibrary(
          CudaLibraries.class,
          new URL[] {file.toAbsolutePath().toUri().toURL()},
          library.nameForLoader());
    } catch (MalformedURLException | LinkageError e) {
      if (required) {
        throw new QuantrainException(file + " does not load: " + e.getMessage(), e);
      }
    }
  }

  /** What a class that calls the libraries and does not load means for the user. */
  QuantrainException failure(LinkageError e) {
    List<String> problems = problems();
    String reason =
        problems.isEmpty() ? String.valueOf(e.getMessage()) : String.join("; ", problems);
    return new QuantrainException(
        "the CUDA libraries do not load: " + reason + "; to get them: " + remedy(), e);
  }
}
