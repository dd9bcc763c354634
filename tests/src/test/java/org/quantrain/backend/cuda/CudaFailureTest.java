package org.quantrain.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The failures are the numbers and words of NVIDIA's libraries; no library is asked. */
class CudaFailureTest {
  @ParameterizedTest
  @CsvSource({
    "2, OUT_OF_MEMORY",
    "35, OLD_DRIVER",
    "803, OLD_DRIVER",
    "100, NO_DEVICE",
    "101, NO_DEVICE",
    "46, NO_DEVICE",
    "214, LOST",
    "700, LOST",
    "719, LOST",
    "999, LOST",
    "1, OTHER",
  })
  void theRuntimesStatus(int status, CudaFailure expected) {
    assertEquals(expected, CudaFailure.ofCuda(status));
  }

  @ParameterizedTest
  @CsvSource({
    "[sgd] cuda: out of memory, OUT_OF_MEMORY",
    "CUDA driver version is insufficient for CUDA runtime version, OLD_DRIVER",
    "no CUDA-capable device is detected, NO_DEVICE",
    "invalid device ordinal, NO_DEVICE",
    "[add] cuda: an illegal memory access was encountered, LOST",
    "[conv2d] cuda: unspecified launch failure, LOST",
    "uncorrectable ECC error encountered, LOST",
    "invalid argument, OTHER",
  })
  void theRuntimesWords(String text, CudaFailure expected) {
    assertEquals(expected, CudaFailure.ofText(text));
  }

  @Test
  void whatTheRuntimeReportsComesBeforeWhatALibraryDoes() {
    assertEquals(CudaFailure.OUT_OF_MEMORY, CudaFailure.ofCudnn(5003, 2));
    assertEquals(CudaFailure.LOST, CudaFailure.ofCudnn(4000, 700));
    assertEquals(CudaFailure.LOST, CudaFailure.ofCublas(14, 719));
  }

  @Test
  void aLibrarysStatusAlone() {
    assertEquals(CudaFailure.OUT_OF_MEMORY, CudaFailure.ofCudnn(4004, 0));
    assertEquals(CudaFailure.MIXED_VERSIONS, CudaFailure.ofCudnn(1002, 0));
    assertEquals(CudaFailure.OLD_DRIVER, CudaFailure.ofCudnn(3005, 0));
    assertEquals(CudaFailure.LOST, CudaFailure.ofCudnn(5000, 0));
    assertEquals(CudaFailure.OUT_OF_MEMORY, CudaFailure.ofCublas(3, 0));
    assertEquals(CudaFailure.LOST, CudaFailure.ofCublas(13, 0));
    assertEquals(CudaFailure.OTHER, CudaFailure.ofCublas(14, 0));
  }

  @Test
  void everyFailureSaysWhatToDo() {
    String lost =
        CudaFailure.LOST.of("cuDNN: convolution: CUDNN_STATUS_EXECUTION_FAILED").getMessage();
    assertEquals(
        "cuDNN: convolution: CUDNN_STATUS_EXECUTION_FAILED: the device is lost to this process;"
            + " start again, training from its last checkpoint with --resume",
        lost);
    for (CudaFailure failure : CudaFailure.values()) {
      assertTrue(failure.advice().length() > 20, failure.toString());
    }
  }
}
