package org.quantrain.report;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import org.quantrain.io.AtomicFile;

/**
 * The folder of one training run.
 *
 * <pre>
 * config.yaml            complete: reruns the run
 * metrics.jsonl          one line per epoch
 * events.out.tfevents.*  the same for TensorBoard
 * checkpoints/           from which the run resumes
 * model.float.onnx  model.w8a8.onnx
 * verify.json  report.html
 * </pre>
 *
 * <p>Every file but the two logs is written to a temporary name, forced to the disk and renamed.
 */
public final class RunDirectory {
  /** Enough for everything but models and checkpoints of a small run. */
  private static final int PROBE_BYTES = 256 << 10;

  private static final String LOCK = ".lock";

  private static final int MAX_NUMBER = 1_000_000;

  private final Path path;
  private final List<Path> created; // outermost first

  private RunDirectory(Path path, List<Path> created) {
    this.path = path;
    this.created = created;
  }

  /**
   * Makes a new run directory, and the folders above it, and proves that files can be written.
   *
   * @throws RunException if that fails (then nothing is left behind), or if there is something
   */
  public static RunDirectory create(Path path) throws RunException {
    if (Files.exists(path, LinkOption.NOFOLLOW_LINKS)) {
      if (!Files.isDirectory(path)) {
        throw new RunException(path, "is a file; choose another output folder");
      }
      if (Files.exists(path.resolve("config.yaml"))) {
        throw new RunException(
            path,
            "holds a run already; continue it with --resume, or choose another output folder");
      }
      if (!isEmpty(path)) {
        throw new RunException(path, "is not empty; choose another output folder");
      }
    }
    return prepared(new RunDirectory(path, createFolders(path)));
  }

  /**
   * Makes {@code parent/stem-1}, or with the next number that is free.
   *
   * @throws RunException as for {@link #create}
   */
  public static RunDirectory createNumbered(Path parent, String stem) throws RunException {
    List<Path> created = createFolders(parent);
    for (int n = 1; n < MAX_NUMBER; n++) {
      Path path = parent.resolve(stem + "-" + n);
      try {
        Files.createDirectory(path); // fails if another run has just taken it
      } catch (FileAlreadyExistsException e) {
        continue;
      } catch (IOException e) {
        removeEmpty(created);
        throw RunException.cannotWrite(path, e);
      }
      List<Path> all = new ArrayList<>(created);
      all.add(path);
      return prepared(new RunDirectory(path, all));
    }
    throw new RunException(parent, "has no number free for " + stem);
  }

  /**
   * Opens the directory of an earlier run.
   *
   * @throws RunException if it is none
   */
  public static RunDirectory open(Path path) throws RunException {
    if (!Files.exists(path)) {
      throw new RunException(path, "no such run");
    }
    if (!Files.isRegularFile(path.resolve("config.yaml"))) {
      throw new RunException(path, "is no run: it has no config.yaml");
    }
    return new RunDirectory(path, List.of());
  }

  /** Held while a process writes into a run. */
  public static final class Lock implements AutoCloseable {
    private final FileChannel channel;
    private final Path file;

    private Lock(FileChannel channel, Path file) {
      this.channel = channel;
      this.file = file;
    }

    @Override
    public void close() throws IOException {
      Files.deleteIfExists(file);
      channel.close();
    }
  }

  /**
   * Keeps other processes from training in the same directory. The system releases it if the
   * process dies.
   *
   * @throws RunException if another process holds it
   */
  public Lock lock() throws RunException {
    Path file = path.resolve(LOCK);
    try {
      FileChannel channel =
          FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
      if (channel.tryLock() != null) {
        return new Lock(channel, file);
      }
      channel.close();
    } catch (OverlappingFileLockException e) {
      // Another thread of this process holds it.
    } catch (IOException e) {
      throw RunException.cannotWrite(path, e);
    }
    throw new RunException(path, "another process is training here");
  }

  private static RunDirectory prepared(RunDirectory run) throws RunException {
    try {
      AtomicFile.probe(run.path, PROBE_BYTES);
    } catch (IOException e) {
      removeEmpty(run.created);
      throw RunException.cannotWrite(run.path, e);
    }
    return run;
  }

  private static List<Path> createFolders(Path path) throws RunException {
    Deque<Path> missing = new ArrayDeque<>();
    Path above = path.toAbsolutePath().normalize();
    while (above != null && !Files.exists(above, LinkOption.NOFOLLOW_LINKS)) {
      missing.push(above);
      above = above.getParent();
    }
    if (above != null && !Files.isDirectory(above)) {
      throw new RunException(path, "cannot be made: " + above + " is not a folder");
    }
    List<Path> created = new ArrayList<>();
    for (Path folder : missing) {
      try {
        Files.createDirectory(folder);
        created.add(folder);
      } catch (FileAlreadyExistsException e) {
        if (!Files.isDirectory(folder)) {
          removeEmpty(created);
          throw RunException.cannotWrite(path, e);
        }
      } catch (IOException e) {
        removeEmpty(created);
        throw RunException.cannotWrite(path, e);
      }
    }
    return created;
  }

  private static void removeEmpty(List<Path> folders) {
    for (int i = folders.size() - 1; i >= 0; i--) {
      try {
        Files.deleteIfExists(folders.get(i));
      } catch (IOException e) {
        return; // Not empty, so not ours alone.
      }
    }
  }

  private static boolean isEmpty(Path folder) throws RunException {
    try (DirectoryStream<Path> entries = Files.newDirectoryStream(folder)) {
      return !entries.iterator().hasNext();
    } catch (IOException e) {
      throw RunException.cannotRead(folder, e);
    }
  }

  /** Takes back what {@link #create} made, for a run that did not start. */
  public void discard() {
    try {
      if (!created.isEmpty()) {
        Files.deleteIfExists(config());
        Files.deleteIfExists(path.resolve(LOCK));
      }
    } catch (IOException e) {
      return; // It says what went wrong with the run, which is what the user is told.
    }
    removeEmpty(created);
  }

  public Path path() {
    return path;
  }

  /** Its last name, for titles. */
  public String name() {
    return path.toAbsolutePath().normalize().getFileName().toString();
  }

  public Path config() {
    return path.resolve("config.yaml");
  }

  public Path metrics() {
    return path.resolve("metrics.jsonl");
  }

  public Path checkpoints() {
    return path.resolve("checkpoints");
  }

  public Path floatModel() {
    return path.resolve("model.float.onnx");
  }

  /**
   * @param bits as in "W8A8"
   * @param suffix of the format, as in ".onnx"
   */
  public Path integerModel(String bits, String suffix) {
    return path.resolve("model." + bits.toLowerCase(java.util.Locale.ROOT) + suffix);
  }

  public Path verification() {
    return path.resolve("verify.json");
  }

  public Path report() {
    return path.resolve("report.html");
  }

  /**
   * Writes a whole file of this directory.
   *
   * @throws RunException if that fails; a file that was there before is unchanged
   */
  public void write(Path file, String text) throws RunException {
    try {
      AtomicFile.write(file, text.getBytes(StandardCharsets.UTF_8));
    } catch (IOException e) {
      throw RunException.cannotWrite(file, e);
    }
  }

  /** The epochs so far; none if there is no log. */
  public List<EpochMetrics> readMetrics() throws RunException {
    return MetricsLog.read(metrics());
  }
}
