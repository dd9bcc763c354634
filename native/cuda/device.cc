// What qt_cuda_probe asks this library, the one symbol that it finds by name.
#include <cuda_runtime.h>
#include <stdio.h>

#include "include/quantrain.h"

// Number of CUDA devices. Where there is none, 0 and the runtime's reason in message (at most
// bytes, terminated).
extern "C" QT_API int32_t qt_cuda_device_count(char* message, int64_t bytes) {
  int count = 0;
  const cudaError_t status = cudaGetDeviceCount(&count);
  if (status == cudaSuccess && count > 0) return count;
  if (message != nullptr && bytes > 0) {
    snprintf(message, static_cast<size_t>(bytes), "%s",
             status == cudaSuccess ? "no CUDA device" : cudaGetErrorString(status));
  }
  return 0;
}
