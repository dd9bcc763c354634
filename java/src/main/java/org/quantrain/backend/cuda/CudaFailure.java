package org.quantrain.backend.cuda;

import java.util.Arrays;
import java.util.Locale;
import org.quantrain.backend.shared.LibraryFailure;
import org.quantrain.backend.shared.Steps;

/** Kinds of failures of a device or its libraries, by what the user can do. */
enum CudaFailure {
  OUT_OF_MEMORY(
      "the device is out of memory; take a smaller batch, or --accumulate to run it in parts",
      new int[] {2},
      "out of memory"),

  OLD_DRIVER(
      "the NVIDIA driver is too old for these libraries; update it to version 580 or newer",
      new int[] {34, 35, 36, 222, 803, 804},
      "driver version is insufficient",
      "newer cuda driver"),

  NO_DEVICE(
      "the device cannot be used; 'nvidia-smi' says whether it is there and free",
      new int[] {46, 100, 101, 802},
      "no cuda-capable device",
      "busy or unavailable",
      "invalid device ordinal",
      "not yet been initialized"),

  /** After these every call fails until the process ends. */
  LOST(
      "the device is lost to this process; start again, training from its last checkpoint with"
          + " --resume",
      new int[] {
        201, 209, 214, 220, 226, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 720, 721, 999
      },
      "illegal memory access",
      "launch timed out",
      "launch failure",
      "uncorrectable",
      "illegal instruction",
      "misaligned address",
      "device-side assert",
      "context is destroyed",
      "hardware stack error",
      "unknown error"),

  MIXED_VERSIONS(
      "files of several versions of cuDNN are mixed; name the folder of one with --cuda-libraries",
      new int[] {}),

  OTHER("'quantrain doctor' says which libraries are used", new int[] {});

  private final String advice;
  private final int[] codes;
  private final String[] phrases;

  CudaFailure(String advice, int[] codes, String... phrases) {
    this.advice = advice;
    this.codes = codes;
    this.phrases = phrases;
  }

  /** What the user can do. */
  String advice() {
    return advice;
  }

  /** By the runtime's status. */
  static CudaFailure ofCuda(int status) {
    for (CudaFailure failure : values()) {
      if (Arrays.stream(failure.codes).anyMatch(code -> code == status)) {
        return failure;
      }
    }
    return OTHER;
  }

  /** By the runtime's words, which is what our own kernels pass on. */
  static CudaFailure ofText(String text) {
    String lower = text.toLowerCase(Locale.ROOT);
    for (CudaFailure failure : values()) {
      if (Arrays.stream(failure.phrases).anyMatch(lower::contains)) {
        return failure;
      }
    }
    return OTHER;
  }

  /**
   * By cuDNN's status.
   *
   * @param cuda what the runtime reports behind it, 0 for nothing
   */
  static CudaFailure ofCudnn(int status, int cuda) {
    if (cuda != 0) {
      return ofCuda(cuda);
    }
    return switch (status) { // cudnnStatus_t
      case 4003, 4004 -> OUT_OF_MEMORY;
      case 3005 -> OLD_DRIVER;
      case 1002, 1008 -> MIXED_VERSIONS;
      case 5000, 5001, 5002, 5003 -> LOST;
      default -> OTHER;
    };
  }

  /**
   * By cuBLAS' status.
   *
   * @param cuda what the runtime reports behind it, 0 for nothing
   */
  static CudaFailure ofCublas(int status, int cuda) {
    if (cuda != 0) {
      return ofCuda(cuda);
    }
    return switch (status) { // cublasStatus_t
      case 3 -> OUT_OF_MEMORY;
      case 13 -> LOST;
      default -> OTHER;
    };
  }

  /**
   * The failure as one that {@link Steps} completes with the node.
   *
   * @param what that was called, with what it returned
   */
  LibraryFailure of(String what) {
    return new LibraryFailure(what + ": " + advice);
  }
}
