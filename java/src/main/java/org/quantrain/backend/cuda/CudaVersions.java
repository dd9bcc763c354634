package org.quantrain.backend.cuda;

import java.util.ArrayList;
import java.util.List;
import org.quantrain.runtime.QuantrainException;

/**
 * What the libraries say of themselves.
 *
 * @param driver newest CUDA version that the driver knows, 13000 for 13.0
 * @param runtime version of the CUDA runtime, likewise
 * @param cublas 130100 for 13.1.0
 * @param cudnn 91900 for 9.19.0
 */
record CudaVersions(int driver, int runtime, long cublas, long cudnn) {
  private static final int CUDA_MAJOR = 13;
  private static final int CUDNN_MAJOR = 9;

  /** The first cuDNN for CUDA 13. */
  private static final int OLDEST_CUDNN_MINOR = 12;

  /**
   * @throws QuantrainException naming all libraries that are too old or of another major version,
   *     with what to do
   */
  void require() {
    List<String> problems = problems();
    if (!problems.isEmpty()) {
      throw new QuantrainException(String.join("; ", problems));
    }
  }

  /** One line for each library that does not fit, with what to do; empty if all fit. */
  List<String> problems() {
    List<String> problems = new ArrayList<>();
    if (driver / 1000 < CUDA_MAJOR) {
      problems.add(oldDriver(driver));
    }
    if (runtime / 1000 != CUDA_MAJOR) {
      problems.add(
          "CUDA runtime %s: version %d is needed (pip package nvidia-cuda-runtime)"
              .formatted(cuda(runtime), CUDA_MAJOR));
    }
    if (cublas / 10_000 != CUDA_MAJOR) {
      problems.add(
          "cuBLAS %s: version %d is needed (pip package nvidia-cublas)"
              .formatted(library(cublas), CUDA_MAJOR));
    }
    long minor = cudnn % 10_000 / 100;
    if (cudnn / 10_000 != CUDNN_MAJOR || minor < OLDEST_CUDNN_MINOR) {
      problems.add(
          "cuDNN %s: version %d.%d or a later %d is needed (pip package nvidia-cudnn-cu13)"
              .formatted(library(cudnn), CUDNN_MAJOR, OLDEST_CUDNN_MINOR, CUDNN_MAJOR));
    }
    return problems;
  }

  /**
   * @param driver newest CUDA version that it knows; 0: there is none
   */
  static String oldDriver(int driver) {
    return "%s; CUDA %d needs an NVIDIA driver of version 580 or newer ('nvidia-smi' says which is there)"
        .formatted(
            driver == 0
                ? "there is no NVIDIA driver"
                : "the NVIDIA driver knows CUDA " + cuda(driver) + " at most",
            CUDA_MAJOR);
  }

  /** As in "13.0". */
  static String cuda(int version) {
    return version / 1000 + "." + version % 1000 / 10;
  }

  /** As in "9.19.0". */
  static String library(long version) {
    return version / 10_000 + "." + version % 10_000 / 100 + "." + version % 100;
  }

  @Override
  public String toString() {
    return "driver for CUDA %s, runtime %s, cuBLAS %s, cuDNN %s"
        .formatted(cuda(driver), cuda(runtime), library(cublas), library(cudnn));
  }
}
