package org.quantrain.backend.cuda;

/**
 * The libraries that are loaded, each behind those that it needs. A file is named by its major
 * version, which is part of what a program links against.
 */
enum NeededLibrary {
  CUDART("cudart", 13, "nvidia-cuda-runtime"),
  /** Some engines of cuDNN are compiled when they are chosen; the others do without. */
  NVRTC("nvrtc", 13, "nvidia-cuda-nvrtc"),
  CUBLAS_LT("cublasLt", 13, "nvidia-cublas"),
  CUBLAS("cublas", 13, "nvidia-cublas"),
  CUDNN("cudnn", 9, "nvidia-cudnn-cu13"),
  CUDNN_GRAPH("cudnn_graph", 9, "nvidia-cudnn-cu13"),
  CUDNN_ENGINES_PRECOMPILED("cudnn_engines_precompiled", 9, "nvidia-cudnn-cu13"),
  CUDNN_ENGINES_RUNTIME_COMPILED("cudnn_engines_runtime_compiled", 9, "nvidia-cudnn-cu13"),
  CUDNN_HEURISTIC("cudnn_heuristic", 9, "nvidia-cudnn-cu13"),
  CUDNN_OPS("cudnn_ops", 9, "nvidia-cudnn-cu13"),
  CUDNN_ADV("cudnn_adv", 9, "nvidia-cudnn-cu13"),
  CUDNN_CNN("cudnn_cnn", 9, "nvidia-cudnn-cu13"),
  /** Where several processes train. */
  NCCL("nccl", 2, "nvidia-nccl-cu13");

  private final String stem;
  private final int major;
  private final String wheel;

  NeededLibrary(String stem, int major, String wheel) {
    this.stem = stem;
    this.major = major;
    this.wheel = wheel;
  }

  /** As in "libcudart.so.13". */
  String file() {
    return file(major);
  }

  String file(int otherMajor) {
    return "lib" + stem + ".so." + otherMajor;
  }

  int major() {
    return major;
  }

  /** The name under which JavaCPP knows it as loaded. */
  String nameForLoader() {
    return stem + "@." + major;
  }

  /** NVIDIA's Python package that contains it. */
  String wheel() {
    return wheel;
  }

  /** Whether products cannot do without. */
  boolean required() {
    return this != NVRTC && this != NCCL;
  }
}
