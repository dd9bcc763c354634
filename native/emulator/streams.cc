// Streams, events, graphs and memory of the emulated runtime. A stream keeps what it is given; when
// that runs, apart from what the host or another stream waits for, is the device's order.
#include <cuda_runtime.h>
#include <malloc.h>
#include <stdlib.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <memory>
#include <random>
#include <vector>

using Work = std::function<void()>;

struct CUgraph_st {
  std::vector<Work> work;
  bool spoiled = false;  // by a call that cannot be captured
};
struct CUgraphExec_st {
  std::vector<Work> work;
};

namespace {

// A place in a stream that an event was recorded at.
struct Mark {
  CUstream_st* stream;
  bool passed;
};

struct Entry {
  Work work;
  std::shared_ptr<Mark> after;  // where another stream has to be first; null for nowhere
};

// How soon a stream runs what nobody waits for.
enum Pace { kAtOnce, kByChance, kLate };

}  // namespace

struct CUevent_st {
  std::shared_ptr<Mark> last;
};
struct CUstream_st {
  Pace pace;
  std::deque<Entry> queue;
  CUgraph_st* captured = nullptr;
};

namespace {

thread_local int current_device = 0;
std::vector<CUstream_st*> streams;
std::mt19937 chance;
size_t used = 0;

size_t Total() {
  const char* given = getenv("QUANTRAIN_EMULATOR_MEMORY");
  if (given != nullptr) return strtoull(given, nullptr, 10);
  return static_cast<size_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
}

void RunTo(const Mark& mark);

void RunNext(CUstream_st* stream) {
  const Entry entry = std::move(stream->queue.front());
  stream->queue.pop_front();
  if (entry.after != nullptr) RunTo(*entry.after);
  if (entry.work) entry.work();
}

// A stream waits only for marks that were there before, so this ends.
void RunTo(const Mark& mark) {
  while (!mark.passed) RunNext(mark.stream);
}

void RunAll(CUstream_st* stream) {
  while (!stream->queue.empty()) RunNext(stream);
}

bool Goes(const CUstream_st& stream) {
  if (stream.queue.empty() || stream.pace == kLate) return false;
  const Mark* after = stream.queue.front().after.get();
  if (after != nullptr && !after->passed) return false;
  return stream.pace == kAtOnce || chance() % 2 == 0;
}

void Push(CUstream_st* stream, Entry entry) {
  stream->queue.push_back(std::move(entry));
  for (CUstream_st* any : streams) {
    while (Goes(*any)) RunNext(any);
  }
}

// Whether this may be called now: nothing that waits or allocates may while a stream is captured,
// and the capture fails for it.
cudaError_t MayWait() {
  cudaError_t status = cudaSuccess;
  for (CUstream_st* stream : streams) {
    if (stream->captured == nullptr) continue;
    stream->captured->spoiled = true;
    status = cudaErrorStreamCaptureUnsupported;
  }
  return status;
}

// As the runtime does before memory goes.
cudaError_t FinishAll() {
  const cudaError_t status = MayWait();
  if (status != cudaSuccess) return status;
  for (CUstream_st* stream : streams) RunAll(stream);
  return cudaSuccess;
}

// What a graph has to do with events outside of it is not here.
cudaError_t NotCaptured(cudaStream_t stream) {
  if (stream == nullptr || stream->captured == nullptr) return cudaSuccess;
  stream->captured->spoiled = true;
  return cudaErrorStreamCaptureIsolation;
}

}  // namespace

namespace emulator {

void Enqueue(CUstream_st* stream, const Work& work) {
  if (stream == nullptr) {
    work();
  } else if (stream->captured != nullptr) {
    stream->captured->work.push_back(work);
  } else {
    Push(stream, {work, nullptr});
  }
}

}  // namespace emulator

cudaError_t cudaSetDevice(int device) {
  if (device < 0 || device >= emulator::kDevices) return cudaErrorInvalidValue;
  current_device = device;
  return cudaSuccess;
}

cudaError_t cudaMemGetInfo(size_t* free, size_t* total) {
  *total = Total();
  *free = used < *total ? *total - used : 0;
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** memory, size_t bytes) {
  *memory = nullptr;
  const cudaError_t status = MayWait();
  if (status != cudaSuccess) return status;
  if (bytes > Total() - (used < Total() ? used : Total())) return cudaErrorMemoryAllocation;
  *memory = aligned_alloc(256, (bytes + 255) / 256 * 256);
  if (*memory == nullptr) return cudaErrorMemoryAllocation;
  used += malloc_usable_size(*memory);
  return cudaSuccess;
}

cudaError_t cudaFree(void* memory) {
  const cudaError_t status = FinishAll();
  if (status != cudaSuccess) return status;
  if (memory != nullptr) used -= malloc_usable_size(memory);
  free(memory);
  return cudaSuccess;
}

cudaError_t cudaMallocHost(void** memory, size_t bytes) {
  *memory = nullptr;
  const cudaError_t status = MayWait();
  if (status != cudaSuccess) return status;
  *memory = aligned_alloc(256, (bytes + 255) / 256 * 256);
  return *memory == nullptr ? cudaErrorMemoryAllocation : cudaSuccess;
}

cudaError_t cudaFreeHost(void* memory) {
  const cudaError_t status = FinishAll();
  if (status == cudaSuccess) free(memory);
  return status;
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

cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* data) {
  emulator::Enqueue(stream, [=] { function(data); });
  return cudaSuccess;
}

void emulator_launch_host_function(const emulator::HostFunction* call) {
  cudaLaunchHostFunc(call->stream, call->function, call->data);
}

// The streams of a device take the digits of its number as their pace, one after another.
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned) {
  if (streams.empty()) chance.seed(static_cast<unsigned>(current_device));
  const int digits = streams.size() % 2 == 0 ? current_device : current_device / 3;
  *stream = new CUstream_st{static_cast<Pace>(digits % 3), {}, nullptr};
  streams.push_back(*stream);
  return cudaSuccess;
}

cudaError_t cudaStreamDestroy(cudaStream_t stream) {
  RunAll(stream);
  streams.erase(std::find(streams.begin(), streams.end(), stream));
  delete stream;
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t stream) {
  const cudaError_t status = MayWait();
  if (status == cudaSuccess && stream != nullptr) RunAll(stream);
  return status;
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  *event = new CUevent_st;
  return cudaSuccess;
}

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream) {
  const cudaError_t status = NotCaptured(stream);
  if (status != cudaSuccess) return status;
  event->last = std::make_shared<Mark>(Mark{stream, stream == nullptr});
  if (stream != nullptr) Push(stream, {[mark = event->last] { mark->passed = true; }, nullptr});
  return cudaSuccess;
}

cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned) {
  const cudaError_t status = NotCaptured(stream);
  if (status != cudaSuccess || event->last == nullptr) return status;
  if (stream == nullptr) {
    RunTo(*event->last);
  } else {
    Push(stream, {nullptr, event->last});
  }
  return cudaSuccess;
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  const cudaError_t status = MayWait();
  if (status != cudaSuccess) return status;
  return event->last == nullptr || event->last->passed ? cudaSuccess : cudaErrorNotReady;
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const cudaError_t status = MayWait();
  if (status == cudaSuccess && event->last != nullptr) RunTo(*event->last);
  return status;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode) {
  if (stream == nullptr || stream->captured != nullptr) return cudaErrorStreamCaptureUnsupported;
  stream->captured = new CUgraph_st;
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph) {
  *graph = nullptr;
  if (stream == nullptr || stream->captured == nullptr) return cudaErrorInvalidValue;
  const std::unique_ptr<CUgraph_st> made(stream->captured);
  stream->captured = nullptr;
  if (made->spoiled) return cudaErrorStreamCaptureInvalidated;
  *graph = new CUgraph_st(*made);
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
  for (const Work& work : graph->work) emulator::Enqueue(stream, work);
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph) {
  delete graph;
  return cudaSuccess;
}
