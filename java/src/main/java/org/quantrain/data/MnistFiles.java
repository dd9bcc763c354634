package org.quantrain.data;

import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.HttpURLConnection;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.InvalidPathException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/**
 * A dataset of MNIST's four files, and where they may be: in a folder that a Debian package fills,
 * in the user's cache, or on the network. Whatever the place, the content must have the known
 * SHA-256.
 *
 * @param name also the name of the folder in the cache
 * @param classNames in the order of the labels
 * @param packageName the Debian package with these files, or null
 * @param packageFolder where that package puts them, or null
 * @param mirrors addresses of folders, each ending in '/', tried in order
 * @param sha256 of the decompressed content of each file
 */
record MnistFiles(
    String name,
    List<String> classNames,
    String packageName,
    Path packageFolder,
    List<URI> mirrors,
    Map<String, String> sha256) {

  private static final System.Logger LOG = System.getLogger(MnistFiles.class.getName());
  private static final int CONNECT_MILLIS = 10_000;
  private static final int READ_MILLIS = 30_000;

  /** More than any of these files; what a mirror sends beyond is not stored. */
  private static final long MAX_DOWNLOAD_BYTES = 64L << 20;

  DataSplit load(Path cache, Normalization normalization) throws DataException {
    return new DataSplit(train(cache, normalization), test(cache, normalization));
  }

  DataSource train(Path cache, Normalization normalization) throws DataException {
    return part(cache, Idx.TRAIN_IMAGES, Idx.TRAIN_LABELS, normalization);
  }

  DataSource test(Path cache, Normalization normalization) throws DataException {
    return part(cache, Idx.TEST_IMAGES, Idx.TEST_LABELS, normalization);
  }

  private DataSource part(
      Path cache, String imagesName, String labelsName, Normalization normalization)
      throws DataException {
    Path imagesFile = locate(cache, imagesName);
    Path labelsFile = locate(cache, labelsName);
    Idx labels = Idx.labels(Idx.read(labelsFile, sha256.get(labelsName)), labelsFile);
    Idx images =
        Idx.images(Idx.read(imagesFile, sha256.get(imagesName)), imagesFile, labels, normalization);
    if (Idx.largest(labels) >= classNames.size()) {
      throw new DataException(
          labelsFile,
          "label %d, there are %d classes".formatted(Idx.largest(labels), classNames.size()),
          "fetch the file again");
    }
    return Idx.source(name, images, labels, classNames, normalization);
  }

  /**
   * Where downloads are kept: quantrain in XDG_CACHE_HOME, or in ~/.cache.
   *
   * @param xdgCacheHome the value of that variable, or null; a relative one is ignored, as the XDG
   *     base directory specification says
   */
  static Path cacheFolder(String xdgCacheHome, String userHome) {
    Path base = Path.of(userHome, ".cache");
    if (xdgCacheHome != null && !xdgCacheHome.isBlank()) {
      try {
        Path given = Path.of(xdgCacheHome);
        base = given.isAbsolute() ? given : base;
      } catch (InvalidPathException e) {
        LOG.log(System.Logger.Level.WARNING, "XDG_CACHE_HOME is no path and is ignored");
      }
    }
    return base.resolve("quantrain");
  }

  static Path cacheFolder() {
    return cacheFolder(System.getenv("XDG_CACHE_HOME"), System.getProperty("user.home"));
  }

  private Path locate(Path cache, String file) throws DataException {
    Path found = packageFolder == null ? null : Idx.findOrNull(packageFolder, file);
    if (found == null) {
      found = Idx.findOrNull(cache.resolve(name), file);
    }
    return found == null ? download(cache.resolve(name), file) : found;
  }

  /** Downloads to a temporary name and renames, so that the cache never has a file in part. */
  private Path download(Path folder, String file) throws DataException {
    Path target = folder.resolve(file + ".gz");
    List<String> failures = new ArrayList<>();
    IOException last = null;
    for (URI mirror : mirrors) {
      URI address = mirror.resolve(file + ".gz");
      Path part = null;
      try {
        Files.createDirectories(folder);
        part = Files.createTempFile(folder, file, ".part");
        LOG.log(System.Logger.Level.INFO, "downloading {0} to {1}", address, target);
        fetch(address, part);
        Idx.read(part, sha256.get(file));
        Files.move(part, target, StandardCopyOption.ATOMIC_MOVE);
        return target;
      } catch (DataException e) {
        failures.add(address + " (it sent another content)");
        last = e;
      } catch (IOException e) {
        failures.add(address + " (" + e + ")");
        last = e;
      } finally {
        deleteQuietly(part);
      }
    }
    String packaged = packageName == null ? "" : "install the package " + packageName + ", or ";
    throw new DataException(
        name,
        file
            + ".gz is not on this machine and could not be downloaded from "
            + String.join(" or ", failures),
        packaged + "put the four " + name + " files into " + folder.toAbsolutePath(),
        last);
  }

  private static void fetch(URI address, Path to) throws IOException {
    var connection = (HttpURLConnection) address.toURL().openConnection();
    connection.setConnectTimeout(CONNECT_MILLIS);
    connection.setReadTimeout(READ_MILLIS);
    try {
      int status = connection.getResponseCode();
      if (status != HttpURLConnection.HTTP_OK) {
        throw new IOException("HTTP status " + status);
      }
      try (InputStream in = connection.getInputStream();
          OutputStream out = Files.newOutputStream(to)) {
        byte[] chunk = new byte[1 << 16];
        long total = 0;
        for (int n = in.read(chunk); n >= 0; n = in.read(chunk)) {
          total += n;
          if (total > MAX_DOWNLOAD_BYTES) {
            throw new IOException("more than " + MAX_DOWNLOAD_BYTES + " bytes");
          }
          out.write(chunk, 0, n);
        }
      }
    } finally {
      connection.disconnect();
    }
  }

  private static void deleteQuietly(Path part) {
    try {
      if (part != null) {
        Files.deleteIfExists(part);
      }
    } catch (IOException e) {
      LOG.log(System.Logger.Level.WARNING, "{0} could not be deleted ({1})", part, e);
    }
  }
}
