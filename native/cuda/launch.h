// How elementwise kernels are cut into warps and started. Kernels start through cudaLaunchKernelEx
// and not through <<<>>>, so that a host compiler can read the files, too (emulator/ runs them on
// the CPU).
#ifndef QUANTRAIN_CUDA_LAUNCH_H_
#define QUANTRAIN_CUDA_LAUNCH_H_

#include <cuda_runtime.h>
#include <stdint.h>

#include "cuda/kernels.h"

namespace qt::cuda {

// 8 warps: small enough that a few kernels share a multiprocessor, large enough to fill one with 8
// blocks.
constexpr int kThreads = 256;
constexpr int kWarpSize = 32;
// Blocks that must fit a multiprocessor at once, with __launch_bounds__: without a number ptxas aims
// at as many as it can and spills registers for it.
constexpr int kMinBlocks = 2;
// Elements of a warp per step: 4 per thread are one access of 16 bytes.
constexpr int64_t kWarpElements = 4 * kWarpSize;
// More blocks than any device runs at once; the rest of a large tensor is reached by the grid's
// stride.
constexpr int64_t kMaxBlocks = 2048;

// Blocks for n > 0 elements.
inline unsigned BlocksFor(int64_t n) {
  const int64_t per_block = kWarpElements * (kThreads / kWarpSize);
  const int64_t blocks = (n + per_block - 1) / per_block;
  return static_cast<unsigned>(blocks < kMaxBlocks ? blocks : kMaxBlocks);
}

// Whether 16-byte accesses are possible from both pointers.
inline bool Aligned16(const void* a, const void* b) {
  return ((reinterpret_cast<uintptr_t>(a) | reinterpret_cast<uintptr_t>(b)) & 15u) == 0;
}

template <class... Parameters, class... Arguments>
cudaError_t Launch(const Stream& stream, dim3 blocks, void (*kernel)(Parameters...),
                   Arguments... arguments) {
  cudaLaunchConfig_t config = {};
  config.gridDim = blocks;
  config.blockDim = dim3(kThreads);
  config.stream = stream.handle;
  return cudaLaunchKernelEx(&config, kernel, static_cast<Parameters>(arguments)...);
}

}  // namespace qt::cuda

#endif  // QUANTRAIN_CUDA_LAUNCH_H_
