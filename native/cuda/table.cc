// The kernel table of the CUDA library, and a context's side of it: device, stream, workspace.
#include <cuda_runtime.h>
#include <stdio.h>

#include "context.h"
#include "cuda/kernels.h"

namespace qt::cuda {
namespace {

qt_status Report(qt_context& ctx, const char* what, cudaError_t status) {
  if (status == cudaSuccess) return QT_OK;
  snprintf(ctx.error, sizeof(ctx.error), "[%s] cuda: %s", what, cudaGetErrorString(status));
  return status == cudaErrorMemoryAllocation ? QT_OUT_OF_MEMORY : QT_INTERNAL;
}

#define QT_KERNEL(name)                                                           \
  qt_status Enqueue(qt_context& ctx, const qt_##name##_args& args) {              \
    const Stream stream = {static_cast<cudaStream_t>(ctx.stream), ctx.workspace}; \
    return Report(ctx, #name, name(stream, args));                                \
  }
#include "kernels.def"
#undef QT_KERNEL

constexpr KernelTable kTable = {
    "cuda",
#define QT_KERNEL(name) Enqueue,
#include "kernels.def"
#undef QT_KERNEL
};

void Enter(const qt_context& ctx) { cudaSetDevice(ctx.device); }

void Release(qt_context& ctx) {
  Enter(ctx);
  cudaFree(ctx.workspace);
}

qt_status Alloc(qt_context& ctx, void** memory, int64_t bytes) {
  return Report(ctx, "memory_alloc", cudaMalloc(memory, static_cast<size_t>(bytes)));
}

qt_status Free(qt_context& ctx, void* memory) {
  return Report(ctx, "memory_free", cudaFree(memory));
}

// The direction follows from the addresses.
qt_status Copy(qt_context& ctx, void* to, const void* from, int64_t bytes) {
  return Report(ctx, "memory_copy",
                cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyDefault,
                                static_cast<cudaStream_t>(ctx.stream)));
}

qt_status Synchronize(qt_context& ctx) {
  return Report(ctx, "synchronize", cudaStreamSynchronize(static_cast<cudaStream_t>(ctx.stream)));
}

constexpr DeviceFunctions kDevice = {Enter, Release, Alloc, Free, Copy, Synchronize};

}  // namespace
}  // namespace qt::cuda

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

// Turns a context into one of this device; its workspace is the one allocation.
extern "C" QT_API qt_status qt_cuda_open(qt_context* ctx, int32_t device, void* stream) {
  cudaError_t status = cudaSetDevice(device);
  if (status == cudaSuccess) {
    status = cudaMalloc(&ctx->workspace, qt::cuda::kWorkspaceBytes + qt::cuda::kTableBytes);
  }
  if (status != cudaSuccess) return qt::cuda::Report(*ctx, "context", status);
  ctx->kernels = &qt::cuda::kTable;
  ctx->on_device = &qt::cuda::kDevice;
  ctx->device = device;
  ctx->stream = stream;
  return QT_OK;
}
