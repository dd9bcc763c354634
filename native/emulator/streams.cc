// Streams, graphs and memory of the emulated runtime.
#include <cuda_runtime.h>
#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

#include <vector>

using Work = std::vector<std::function<void()>>;

struct CUgraph_st {
  Work work;
};
struct CUgraphExec_st {
  Work work;
};
struct CUstream_st {
  CUgraph_st* captured = nullptr;
};

namespace {

size_t used = 0;

size_t Total() {
  const char* given = getenv("QUANTRAIN_EMULATOR_MEMORY");
  if (given != nullptr) return strtoull(given, nullptr, 10);
  return static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
}

}  // namespace

namespace emulator {

void Enqueue(CUstream_st* stream, const std::function<void()>& work) {
  if (stream != nullptr && stream->captured != nullptr) {
    stream->captured->work.push_back(work);
  } else {
    work();
  }
}

}  // namespace emulator

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  *total = Total();
  *free = used < *total ? *total - used : 0;
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** memory, size_t bytes) {
  *memory = nullptr;
  if (bytes > Total() - (used < Total() ? used : Total())) return cudaErrorMemoryAllocation;
  *memory = aligned_alloc(256, (bytes + 255) / 256 * 256);
  if (*memory == nullptr) return cudaErrorMemoryAllocation;
  used += malloc_usable_size(*memory);
  return cudaSuccess;
}

cudaError_t cudaFree(void* memory) {
  if (memory != nullptr) used -= malloc_usable_size(memory);
  free(memory);
  return cudaSuccess;
}

cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind,
                            cudaStream_t stream) {
  emulator::Enqueue(stream, [=] { memcpy(to, from, bytes); });
  return cudaSuccess;
}

cudaError_t cudaMemsetAsync(void* memory, int value, size_t bytes, cudaStream_t stream) {
  emulator::Enqueue(stream, [=] { memset(memory, value, bytes); });
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  *stream = new CUstream_st;
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  delete stream;
  return cudaSuccess;
}

// A stream that is captured cannot be waited for.
cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const bool captured = stream != nullptr && stream->captured != nullptr;
  return captured ? cudaErrorStreamCaptureUnsupported : cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (stream == nullptr || stream->captured != nullptr) return cudaErrorStreamCaptureUnsupported;
  stream->captured = new CUgraph_st;
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  *graph = nullptr;
  if (stream == nullptr || stream->captured == nullptr) return cudaErrorInvalidValue;
  *graph = stream->captured;
  stream->captured = nullptr;
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* made, cudaGraph_t graph, unsigned long long) {
  *made = new CUgraphExec_st{graph->work};
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete graph;
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream) {
  for (const std::function<void()>& work : graph->work) emulator::Enqueue(stream, work);
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph) {
  delete graph;
  return cudaSuccess;
}
