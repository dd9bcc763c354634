// The kernel table of the CUDA library, and a context's side of it: device, streams, workspace.
#include <cuda_runtime.h>
#include <stdio.h>

#include "context.h"
#include "cuda/kernels.h"
#include "device.h"

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
    ++ctx.counters.launches;                                                      \
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

cudaStream_t StreamOf(const qt_context& ctx, bool beside) {
  return static_cast<cudaStream_t>(beside ? ctx.copies : ctx.stream);
}

void Enter(const qt_context& ctx) { cudaSetDevice(ctx.device); }

void Release(qt_context& ctx) {
  Enter(ctx);
  cudaStreamSynchronize(StreamOf(ctx, false));
  cudaFree(ctx.workspace);
  if (ctx.copies != nullptr) cudaStreamDestroy(StreamOf(ctx, true));
  if (ctx.owns_stream) cudaStreamDestroy(StreamOf(ctx, false));
}

qt_status Alloc(qt_context& ctx, void** memory, int64_t bytes) {
  ++ctx.counters.allocations;
  return Report(ctx, "memory_alloc", cudaMalloc(memory, static_cast<size_t>(bytes)));
}

qt_status Free(qt_context& ctx, void* memory) {
  return Report(ctx, "memory_free", cudaFree(memory));
}

qt_status HostAlloc(qt_context& ctx, void** memory, int64_t bytes) {
  ++ctx.counters.allocations;
  return Report(ctx, "host_alloc", cudaMallocHost(memory, static_cast<size_t>(bytes)));
}

qt_status HostFree(qt_context& ctx, void* memory) {
  return Report(ctx, "host_free", cudaFreeHost(memory));
}

// The direction follows from the addresses.
qt_status Copy(qt_context& ctx, void* to, const void* from, int64_t bytes, bool beside) {
  ++ctx.counters.launches;
  return Report(ctx, "memory_copy",
                cudaMemcpyAsync(to, from, static_cast<size_t>(bytes), cudaMemcpyDefault,
                                StreamOf(ctx, beside)));
}

qt_status Zero(qt_context& ctx, void* memory, int64_t bytes) {
  ++ctx.counters.launches;
  return Report(
      ctx, "memory_zero",
      cudaMemsetAsync(memory, 0, static_cast<size_t>(bytes), StreamOf(ctx, false)));
}

qt_status Synchronize(qt_context& ctx) {
  ++ctx.counters.waits;
  return Report(ctx, "synchronize", cudaStreamSynchronize(StreamOf(ctx, false)));
}

qt_status EventCreate(qt_context& ctx, void** event) {
  return Report(ctx, "event",
                cudaEventCreateWithFlags(reinterpret_cast<cudaEvent_t*>(event),
                                         cudaEventDisableTiming));
}

qt_status EventDestroy(qt_context& ctx, void* event) {
  return Report(ctx, "event", cudaEventDestroy(static_cast<cudaEvent_t>(event)));
}

qt_status EventRecord(qt_context& ctx, void* event, bool beside) {
  return Report(ctx, "event",
                cudaEventRecord(static_cast<cudaEvent_t>(event), StreamOf(ctx, beside)));
}

qt_status EventAwait(qt_context& ctx, void* event, bool beside) {
  return Report(
      ctx, "event",
      cudaStreamWaitEvent(StreamOf(ctx, beside), static_cast<cudaEvent_t>(event), 0));
}

qt_status EventFinish(qt_context& ctx, void* event) {
  const cudaEvent_t handle = static_cast<cudaEvent_t>(event);
  const cudaError_t status = cudaEventQuery(handle);
  if (status != cudaErrorNotReady) return Report(ctx, "event", status);
  ++ctx.counters.waits;
  return Report(ctx, "event", cudaEventSynchronize(handle));
}

// Other threads may use the runtime meanwhile.
qt_status RecordBegin(qt_context& ctx) {
  return Report(ctx, "record",
                cudaStreamBeginCapture(StreamOf(ctx, false), cudaStreamCaptureModeThreadLocal));
}

qt_status RecordEnd(qt_context& ctx, void** recording) {
  cudaGraph_t graph = nullptr;
  cudaError_t status = cudaStreamEndCapture(StreamOf(ctx, false), &graph);
  cudaGraphExec_t made = nullptr;
  if (status == cudaSuccess) status = cudaGraphInstantiate(&made, graph, 0);
  if (graph != nullptr) cudaGraphDestroy(graph);
  *recording = made;
  return Report(ctx, "record", status);
}

qt_status RecordingRun(qt_context& ctx, void* recording) {
  ++ctx.counters.launches;
  return Report(ctx, "recording",
                cudaGraphLaunch(static_cast<cudaGraphExec_t>(recording), StreamOf(ctx, false)));
}

qt_status RecordingDestroy(qt_context& ctx, void* recording) {
  return Report(ctx, "recording", cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(recording)));
}

constexpr DeviceFunctions kDevice = {
    Enter,       Release,     Alloc,        Free,        HostAlloc,   HostFree,
    Copy,        Zero,        Synchronize,  EventCreate, EventDestroy, EventRecord,
    EventAwait,  EventFinish, RecordBegin,  RecordEnd,   RecordingRun, RecordingDestroy};

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

// What the device is and has.
extern "C" QT_API qt_status qt_cuda_info(int32_t device, qt_device_info* info, char* message,
                                         int64_t bytes) {
  cudaDeviceProp properties;
  size_t free = 0, total = 0;
  *info = {};
  cudaError_t status = cudaSetDevice(device);
  if (status == cudaSuccess) status = cudaGetDeviceProperties(&properties, device);
  if (status == cudaSuccess) status = cudaMemGetInfo(&free, &total);
  if (status == cudaSuccess) status = cudaDriverGetVersion(&info->driver);
  if (status == cudaSuccess) status = cudaRuntimeGetVersion(&info->runtime);
  if (status != cudaSuccess) {
    snprintf(message, static_cast<size_t>(bytes), "%s", cudaGetErrorString(status));
    return QT_UNAVAILABLE;
  }
  snprintf(info->name, sizeof(info->name), "%s", properties.name);
  info->memory_bytes = static_cast<int64_t>(total);
  info->free_bytes = static_cast<int64_t>(free);
  info->major = properties.major;
  info->minor = properties.minor;
  info->multiprocessors = properties.multiProcessorCount;
  return QT_OK;
}

// Turns a context into one of this device. Its workspace is the one allocation; its own streams do
// not wait for the device's default one.
extern "C" QT_API qt_status qt_cuda_open(qt_context* ctx, int32_t device, void* stream) {
  cudaStream_t own = nullptr, copies = nullptr;
  void* workspace = nullptr;
  cudaError_t status = cudaSetDevice(device);
  if (status == cudaSuccess && stream == nullptr)
    status = cudaStreamCreateWithFlags(&own, cudaStreamNonBlocking);
  if (status == cudaSuccess) status = cudaStreamCreateWithFlags(&copies, cudaStreamNonBlocking);
  if (status == cudaSuccess)
    status = cudaMalloc(&workspace, qt::cuda::kWorkspaceBytes + qt::cuda::kTableBytes);
  if (status != cudaSuccess) {
    if (own != nullptr) cudaStreamDestroy(own);
    if (copies != nullptr) cudaStreamDestroy(copies);
    return qt::cuda::Report(*ctx, "context", status);
  }
  ctx->kernels = &qt::cuda::kTable;
  ctx->on_device = &qt::cuda::kDevice;
  ctx->device = device;
  ctx->stream = stream != nullptr ? stream : own;
  ctx->owns_stream = own != nullptr;
  ctx->copies = copies;
  ctx->workspace = workspace;
  return QT_OK;
}
