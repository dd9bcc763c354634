package org.quantrain.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNull;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import java.nio.file.Path;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.junit.jupiter.api.Test;
import org.quantrain.runtime.DeviceCheck;
import org.quantrain.runtime.QuantrainException;

/** What doctor says, with a device and libraries that are made up. */
class CudaDiagnosisTest {
  private static final CudaProbe ONE = new CudaProbe(Path.of("kernels"), true, 1, "");
  private static final CudaProbe NO_DRIVER =
      new CudaProbe(Path.of("kernels"), true, 0, "CUDA driver version is insufficient for CUDA runtime version");
  private static final CudaLibraries NONE = new CudaLibraries(List.of(), Map.of());
  private static final Function<CudaLibraries, CudaVersions> UNTOUCHED =
      libraries -> {
        throw new AssertionError("loaded without a device");
      };

  private static CudaLibraries all() {
    Map<NeededLibrary, Path> files = new EnumMap<>(NeededLibrary.class);
    for (NeededLibrary library : NeededLibrary.values()) {
      String folder = library.file().startsWith("libcudnn") ? "/opt/cudnn/lib" : "/opt/cuda/lib64";
      files.put(library, Path.of(folder, library.file()));
    }
    return new CudaLibraries(List.of(), files);
  }

  @Test
  void aMachineWithAllOfItNamesVersionsAndPlaces() {
    List<DeviceCheck> checks =
        CudaDiagnosis.of(ONE, all(), found -> new CudaVersions(13000, 13000, 130100, 91900));
    assertEquals(
        List.of(
            new DeviceCheck("CUDA device", true, "1 device", null),
            new DeviceCheck(
                "CUDA libraries",
                true,
                "driver for CUDA 13.0, runtime 13.0, cuBLAS 13.1.0, cuDNN 9.19.0, in"
                    + " /opt/cuda/lib64, /opt/cudnn/lib",
                null)),
        checks);
  }

  @Test
  void withoutADriverLibrariesAreLookedForAndNotLoaded() {
    List<DeviceCheck> checks = CudaDiagnosis.of(NO_DRIVER, all(), UNTOUCHED);
    assertFalse(checks.get(0).ok());
    assertEquals(
        "install an NVIDIA driver of version 580 or newer; 'nvidia-smi' says which is there",
        checks.get(0).remedy());
    assertTrue(checks.get(1).ok());
    assertEquals("found, in /opt/cuda/lib64, /opt/cudnn/lib", checks.get(1).detail());
  }

  @Test
  void whatIsMissingComesWithTheWayToGetIt() {
    DeviceCheck libraries = CudaDiagnosis.of(NO_DRIVER, NONE, UNTOUCHED).get(1);
    assertFalse(libraries.ok());
    assertTrue(libraries.detail().contains("libcudnn.so.9"), libraries::detail);
    assertTrue(libraries.detail().contains("libcudart.so.13"), libraries::detail);
    assertTrue(libraries.remedy().contains("pip install --target DIR nvidia-cudnn-cu13"));
    assertTrue(libraries.remedy().contains("--cuda-libraries DIR"));
    assertEquals(1, libraries.detail().lines().count());
    assertEquals(1, libraries.remedy().lines().count());
  }

  @Test
  void aVersionThatDoesNotFitIsALineOfItsOwn() {
    List<DeviceCheck> checks =
        CudaDiagnosis.of(ONE, all(), found -> new CudaVersions(12080, 13000, 130100, 91002));
    assertEquals(3, checks.size());
    assertTrue(checks.get(1).detail().startsWith("the NVIDIA driver knows CUDA 12.8 at most"));
    assertTrue(checks.get(2).detail().startsWith("cuDNN 9.10.2: version 9.12"));
  }

  @Test
  void aLibraryThatDoesNotLoadIsToldNotThrown() {
    List<DeviceCheck> checks =
        CudaDiagnosis.of(
            ONE,
            all(),
            found -> {
              throw new QuantrainException("/opt/cudnn/lib/libcudnn.so.9 does not load: bad");
            });
    assertFalse(checks.get(1).ok());
    assertEquals("/opt/cudnn/lib/libcudnn.so.9 does not load: bad", checks.get(1).detail());
    assertNull(checks.get(1).remedy());
  }

  /** The classes that call the libraries fail when they are first used, and differently later. */
  @Test
  void withoutLibrariesLoadingFailsInOneClearLineEveryTime() {
    assumeTrue(CudaProbe.run().devices() == 0, "a device, whose libraries may be in the system");
    for (int i = 0; i < 2; i++) {
      QuantrainException e =
          assertThrows(QuantrainException.class, () -> LibraryProducts.load(NONE));
      assertTrue(
          e.getMessage().startsWith("the CUDA libraries do not load: libcublasLt.so.13"),
          e::getMessage);
      assertTrue(e.getMessage().contains("to get them: pip install"), e::getMessage);
      assertEquals(1, e.getMessage().lines().count());
    }
  }
}
