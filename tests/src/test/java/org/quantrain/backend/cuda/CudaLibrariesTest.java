package org.quantrain.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.quantrain.runtime.QuantrainException;

class CudaLibrariesTest {
  @TempDir private Path folder;

  private static void put(Path directory, String... files) throws IOException {
    Files.createDirectories(directory);
    for (String file : files) {
      Files.createFile(directory.resolve(file));
    }
  }

  private static void putCudnn(Path directory) throws IOException {
    for (NeededLibrary library : NeededLibrary.values()) {
      if (library.file().startsWith("libcudnn")) {
        put(directory, library.file());
      }
    }
  }

  private static void putCuda(Path directory) throws IOException {
    put(directory, "libcudart.so.13", "libnvrtc.so.13", "libcublas.so.13", "libcublasLt.so.13");
  }

  @ParameterizedTest
  @CsvSource({
    // named, cuDNN's place, the place of the rest
    "., ., .",
    "cuda-13.0, cuda-13.0/lib64, cuda-13.0/targets/x86_64-linux/lib",
    "wheels, wheels/nvidia/cudnn/lib, wheels/nvidia/cu13/lib",
    "wheels/nvidia, wheels/nvidia/cudnn/lib, wheels/nvidia/cu13/lib",
    "env, env/lib/python3.12/site-packages/nvidia/cudnn/lib,"
        + " env/lib/python3.12/site-packages/nvidia/cu13/lib",
    "env/lib/python3.11, env/lib/python3.11/site-packages/nvidia/cudnn/lib,"
        + " env/lib/python3.11/site-packages/nvidia/cu13/lib",
    "site-packages/torch, site-packages/nvidia/cudnn/lib, site-packages/nvidia/cu13/lib",
  })
  void aNamedFolderIsSearchedAsInstallersFillIt(String named, String cudnn, String cuda)
      throws IOException {
    putCudnn(folder.resolve(cudnn));
    putCuda(folder.resolve(cuda));
    Files.createDirectories(folder.resolve(named));
    CudaLibraries libraries = CudaLibraries.find(folder.resolve(named), List.of());
    assertEquals(List.of(), libraries.problems());
    assertEquals(
        folder.resolve(cuda).resolve("libcublasLt.so.13").normalize(),
        libraries.files().get(NeededLibrary.CUBLAS_LT));
    assertEquals(
        folder.resolve(cudnn).resolve("libcudnn_graph.so.9").normalize(),
        libraries.files().get(NeededLibrary.CUDNN_GRAPH));
  }

  @Test
  void whatTheNamedFolderLacksTheSystemMayHave() throws IOException {
    Path named = folder.resolve("mine");
    Path system = folder.resolve("usr/lib");
    putCudnn(named);
    putCudnn(system);
    putCuda(system);
    CudaLibraries libraries = CudaLibraries.find(named, List.of(system));
    assertEquals(named.resolve("libcudnn.so.9"), libraries.files().get(NeededLibrary.CUDNN));
    assertEquals(system.resolve("libcudart.so.13"), libraries.files().get(NeededLibrary.CUDART));
  }

  @Test
  void dependenciesComeBeforeWhatNeedsThem() throws IOException {
    putCudnn(folder);
    putCuda(folder);
    List<NeededLibrary> order = List.copyOf(CudaLibraries.find(folder, List.of()).files().keySet());
    assertEquals(NeededLibrary.CUDART, order.get(0));
    assertTrue(
        order.indexOf(NeededLibrary.CUBLAS_LT) < order.indexOf(NeededLibrary.CUBLAS)
            && order.indexOf(NeededLibrary.CUBLAS) < order.indexOf(NeededLibrary.CUDNN),
        order.toString());
  }

  @Test
  void eachMissingPackageIsOneLine() throws IOException {
    put(folder, "libcudart.so.13");
    List<String> problems = CudaLibraries.find(folder, List.of()).problems();
    assertEquals(
        List.of(
            "libcublasLt.so.13 and 1 more beside it not found",
            "libcudnn.so.9 and 7 more beside it not found"),
        problems);
  }

  @Test
  void anotherVersionIsNamedAsTheReason() throws IOException {
    putCudnn(folder);
    put(folder, "libcudart.so.12", "libcublas.so.12", "libcublasLt.so.12");
    List<String> problems = CudaLibraries.find(folder, List.of()).problems();
    assertEquals(2, problems.size());
    assertEquals(
        "libcudart.so.13 not found; "
            + folder.resolve("libcudart.so.12")
            + " is of version 12, version 13 is needed",
        problems.get(1));
  }

  @Test
  void aFileThatIsNoLibrarySaysWhichItIs() throws IOException {
    putCuda(folder);
    CudaLibraries libraries = CudaLibraries.find(folder, List.of());
    QuantrainException e = assertThrows(QuantrainException.class, libraries::load);
    assertTrue(
        e.getMessage().startsWith(folder + "/libcudart.so.13 does not load: "), e::getMessage);
  }

  @Test
  void aFolderThatIsNoneIsRefused() {
    IllegalArgumentException e =
        assertThrows(
            IllegalArgumentException.class, () -> CudaLibraries.use(folder.resolve("nothing")));
    assertTrue(e.getMessage().contains("nothing is no folder; name the one"), e::getMessage);
  }
}
