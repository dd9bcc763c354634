// Launch functions of the CUDA kernels, one per line of kernels.def and of the same name as in cpu/.
// The stream comes first, arguments are those of the API with device pointers; nothing synchronizes
// or allocates, so every launch can be captured into a graph. Arguments were checked (checks/) but
// for what lies in device memory. Returns what the runtime says about the launch.
#ifndef QUANTRAIN_CUDA_KERNELS_H_
#define QUANTRAIN_CUDA_KERNELS_H_

#include <cuda_runtime.h>

#include "include/quantrain.h"

namespace qt::cuda {

// Bytes of a stream's workspace. Reductions that would need more have fewer parts.
constexpr int64_t kWorkspaceBytes = int64_t{32} << 20;
// Bytes behind it: constants that one kernel of a call leaves for the next.
constexpr int64_t kTableBytes = 4096;

// Where kernels go: a stream, and device memory for partial results that only the kernels of one
// call share. 256-byte aligned.
struct Stream {
  cudaStream_t handle;
  void* workspace;

  float* Table() const {
    return reinterpret_cast<float*>(static_cast<char*>(workspace) + kWorkspaceBytes);
  }
};

#define QT_KERNEL(name) cudaError_t name(const Stream& stream, const qt_##name##_args& args);
#include "kernels.def"
#undef QT_KERNEL

}  // namespace qt::cuda

#endif  // QUANTRAIN_CUDA_KERNELS_H_
