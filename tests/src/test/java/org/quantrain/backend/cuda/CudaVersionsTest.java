package org.quantrain.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertDoesNotThrow;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.quantrain.runtime.QuantrainException;

class CudaVersionsTest {
  private static final CudaVersions FITTING = new CudaVersions(13000, 13000, 130100, 91900);

  @Test
  void versionsThatFitAreNamed() {
    assertDoesNotThrow(FITTING::require);
    assertEquals(
        "driver for CUDA 13.0, runtime 13.0, cuBLAS 13.1.0, cuDNN 9.19.0", FITTING.toString());
  }

  @Test
  void newerOnesOfTheSameMajorVersionFit() {
    assertEquals(List.of(), new CudaVersions(14000, 13030, 130300, 92500).problems());
  }

  @Test
  void anOldDriverIsToBeUpdated() {
    assertEquals(
        List.of(
            "the NVIDIA driver knows CUDA 12.8 at most; CUDA 13 needs an NVIDIA driver of version"
                + " 580 or newer ('nvidia-smi' says which is there)"),
        new CudaVersions(12080, 13000, 130100, 91900).problems());
  }

  @Test
  void withoutADriverThatIsSaid() {
    assertEquals(
        List.of(
            "there is no NVIDIA driver; CUDA 13 needs an NVIDIA driver of version 580 or newer"
                + " ('nvidia-smi' says which is there)"),
        new CudaVersions(0, 13000, 130100, 91900).problems());
  }

  @Test
  void anotherMajorVersionOfCudnnDoesNotFit() {
    for (long version : new long[] {8907, 100000}) {
      assertEquals(1, new CudaVersions(13000, 13000, 130100, version).problems().size());
    }
  }

  @Test
  void anOldCudnnIsToldWhatIsNeeded() {
    assertEquals(
        List.of(
            "cuDNN 9.10.2: version 9.12 or a later 9 is needed (pip package nvidia-cudnn-cu13)"),
        new CudaVersions(13000, 13000, 130100, 91002).problems());
  }

  @Test
  void allProblemsAreToldAtOnce() {
    CudaVersions old = new CudaVersions(12040, 12040, 120400, 91002);
    QuantrainException e = assertThrows(QuantrainException.class, old::require);
    assertEquals(4, old.problems().size());
    assertEquals(String.join("; ", old.problems()), e.getMessage());
  }
}
