package org.quantrain.data;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.quantrain.data.IdxFiles.gzip;
import static org.quantrain.data.IdxFiles.images;
import static org.quantrain.data.IdxFiles.labels;

import com.sun.net.httpserver.HttpServer;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class MnistFilesTest {
  private static final List<String> CLASSES = List.of("a", "b", "c");

  @TempDir Path cache;

  private final Map<String, byte[]> served = new ConcurrentHashMap<>();
  private final AtomicInteger requests = new AtomicInteger();
  private HttpServer server;
  private URI good;

  @BeforeEach
  void startAServer() throws Exception {
    server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
    server.createContext(
        "/",
        exchange -> {
          requests.incrementAndGet();
          byte[] body = served.get(exchange.getRequestURI().getPath());
          exchange.sendResponseHeaders(body == null ? 404 : 200, body == null ? -1 : body.length);
          if (body != null) {
            exchange.getResponseBody().write(body);
          }
          exchange.close();
        });
    server.start();
    good = URI.create("http://127.0.0.1:%d/good/".formatted(server.getAddress().getPort()));
    served.put("/good/" + Idx.TRAIN_IMAGES + ".gz", gzip(images(9, 4, 5)));
    served.put("/good/" + Idx.TRAIN_LABELS + ".gz", gzip(labels(9)));
    served.put("/good/" + Idx.TEST_IMAGES + ".gz", gzip(images(6, 4, 5)));
    served.put("/good/" + Idx.TEST_LABELS + ".gz", gzip(labels(6)));
  }

  @AfterEach
  void stopTheServer() {
    server.stop(0);
  }

  private MnistFiles files(Path packageFolder, URI... mirrors) throws Exception {
    return new MnistFiles(
        "toy",
        CLASSES,
        "dataset-toy",
        packageFolder,
        List.of(mirrors),
        Map.of(
            Idx.TRAIN_IMAGES, IdxFiles.sha256(images(9, 4, 5)),
            Idx.TRAIN_LABELS, IdxFiles.sha256(labels(9)),
            Idx.TEST_IMAGES, IdxFiles.sha256(images(6, 4, 5)),
            Idx.TEST_LABELS, IdxFiles.sha256(labels(6))));
  }

  private List<String> cached() throws Exception {
    try (var list = Files.list(cache.resolve("toy"))) {
      return list.map(file -> file.getFileName().toString()).sorted().toList();
    }
  }

  @Test
  void filesAreDownloadedOnceAndThenTakenFromTheCache() throws Exception {
    DataSplit split = files(null, good).load(cache, Normalization.UNIT);
    assertEquals(9, split.train().size());
    assertEquals(6, split.test().size());
    assertEquals(CLASSES, split.test().classNames());
    assertEquals(
        List.of(
            "t10k-images-idx3-ubyte.gz",
            "t10k-labels-idx1-ubyte.gz",
            "train-images-idx3-ubyte.gz",
            "train-labels-idx1-ubyte.gz"),
        cached());
    assertEquals(4, requests.get());
    DataSplit again = files(null, good).load(cache, Normalization.UNIT);
    assertEquals(4, requests.get());
    assertArrayEquals(IdxFiles.pixels(split.train(), 8), IdxFiles.pixels(again.train(), 8));
  }

  @Test
  void thePackagedFilesComeBeforeTheNetwork(@TempDir Path packaged) throws Exception {
    IdxFiles.folder(packaged);
    assertEquals(9, files(packaged, good).load(cache, Normalization.UNIT).train().size());
    assertEquals(0, requests.get());
  }

  @Test
  void aMirrorWithoutTheFilesIsFollowedByTheNext() throws Exception {
    URI empty = good.resolve("/empty/");
    assertEquals(9, files(null, empty, good).load(cache, Normalization.UNIT).train().size());
    assertEquals(8, requests.get());
  }

  @Test
  void aDownloadWithAnotherContentIsNotKept() throws Exception {
    served.put("/good/" + Idx.TRAIN_IMAGES + ".gz", gzip(images(9, 5, 4)));
    DataException e =
        assertThrows(DataException.class, () -> files(null, good).load(cache, Normalization.UNIT));
    assertTrue(e.getMessage().contains("another content"), e.getMessage());
    assertEquals(List.of(), cached());
  }

  @Test
  void withoutANetworkTheErrorNamesThePackageAndTheFolder() throws Exception {
    server.stop(0);
    DataException e =
        assertThrows(DataException.class, () -> files(null, good).load(cache, Normalization.UNIT));
    assertTrue(e.getMessage().contains("install the package dataset-toy"), e.getMessage());
    assertTrue(e.getMessage().contains(cache.resolve("toy").toString()), e.getMessage());
    assertFalse(e.getMessage().contains("\n"), e.getMessage());
    assertEquals(List.of(), cached());
  }

  @Test
  void aDamagedFileInTheCacheIsAnErrorAndStaysForInspection() throws Exception {
    files(null, good).load(cache, Normalization.UNIT);
    Path file = cache.resolve("toy").resolve(Idx.TEST_LABELS + ".gz");
    byte[] other = labels(6);
    other[9] ^= 1;
    Files.write(file, gzip(other));
    DataException e =
        assertThrows(DataException.class, () -> files(null, good).load(cache, Normalization.UNIT));
    assertTrue(e.getMessage().startsWith(file.toString()), e.getMessage());
    assertTrue(e.getMessage().contains("delete it"), e.getMessage());
    assertTrue(Files.exists(file));
    assertEquals(4, requests.get());
  }

  @Test
  void theCacheFollowsTheXdgBaseDirectorySpecification() {
    Path home = Path.of("/home/ada/.cache/quantrain");
    assertEquals(home, MnistFiles.cacheFolder(null, "/home/ada"));
    assertEquals(home, MnistFiles.cacheFolder("", "/home/ada"));
    assertEquals(home, MnistFiles.cacheFolder("relative", "/home/ada"));
    assertEquals(Path.of("/var/x/quantrain"), MnistFiles.cacheFolder("/var/x", "/home/ada"));
  }

  @Test
  void theNamedDatasetsHaveAChecksumForEveryFile() {
    for (MnistFiles files : List.of(Mnist.FILES, FashionMnist.FILES)) {
      assertEquals(10, files.classNames().size());
      for (String file :
          List.of(Idx.TRAIN_IMAGES, Idx.TRAIN_LABELS, Idx.TEST_IMAGES, Idx.TEST_LABELS)) {
        assertTrue(files.sha256().get(file).matches("[0-9a-f]{64}"));
      }
      for (URI mirror : files.mirrors()) {
        assertTrue(mirror.toString().endsWith("/"), mirror.toString());
      }
    }
  }
}
