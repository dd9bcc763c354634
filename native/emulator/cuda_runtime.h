// Stands in for the CUDA runtime's header where an unchanged .cu file is included into a C++ file:
// the language and runtime that the kernels here use, executed on the CPU. Blocks run one after
// another, each CUDA thread as a fiber; fibers switch only at barriers and warp operations, in an
// order that a seed permutes, so a kernel that depends on more order than it asked for gives
// different results under different seeds. A barrier that some thread never reaches ends the
// program with a message. Device pointers are host pointers.
//
// The number of a device, 0 to 8, is the order of its streams' work, two digits of base 3: that of
// its first stream (the last digit) and of its second. 0: the stream runs at once what it is given,
// 1: by chance now or later, 2: as late as whatever waits for it allows. So a wait that is missing
// between streams, or of the host, gives different results on different devices; device 8 runs
// nothing before it must.
// Not here: dynamic shared memory, and atomics on floats, whose order would show.
#ifndef QUANTRAIN_EMULATOR_CUDA_RUNTIME_H_
#define QUANTRAIN_EMULATOR_CUDA_RUNTIME_H_

#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <functional>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __shared__ static  // blocks run one after another, so one copy is enough

struct uint3 {
  unsigned x, y, z;
};

struct dim3 {
  unsigned x, y, z;
  constexpr dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};

struct alignas(16) float4 {
  float x, y, z, w;
};
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
struct alignas(16) int4 {
  int x, y, z, w;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) { return {x, y, z, w}; }

// Those of the fiber that runs.
extern uint3 threadIdx, blockIdx;
extern dim3 blockDim, gridDim;

struct CUstream_st;

namespace emulator {

// Order of the threads in later launches. 0: ascending, a step each. Others: warp by warp, each as
// far as it goes alone, in an order drawn from the seed.
void SetSeed(uint32_t seed);

// Later launches get at most this many blocks in x (0: as many as they ask for). A kernel that
// strides by the grid must not notice.
void LimitGrid(unsigned blocks);

// Runs body once per thread of the grid.
void Run(dim3 grid, dim3 block, const std::function<void()>& body);

constexpr int kDevices = 9;

// Gives work to a stream, or to the graph that it is captured into. Without a stream it runs now.
void Enqueue(CUstream_st* stream, const std::function<void()>& work);

// A call of cudaLaunchHostFunc.
struct HostFunction {
  CUstream_st* stream;
  void (*function)(void*);
  void* data;
};

// Returns when every lane of mask has called it; lanes that the block does not have are not waited
// for.
void WaitForWarp(unsigned mask);

// 8 bytes of every lane of the running warp; valid between two WaitForWarp.
uint64_t* WarpSlots();

int Lane();

// Exchange through the slots: every lane writes, then reads what `from` wrote. A lane outside the
// warp gives its own.
template <class T>
T Shuffle(unsigned mask, T value, int from) {
  static_assert(sizeof(T) <= sizeof(uint64_t), "a shuffle moves up to 8 bytes");
  memcpy(&WarpSlots()[Lane()], &value, sizeof(T));
  WaitForWarp(mask);
  if (from >= 0 && from < 32) memcpy(&value, &WarpSlots()[from], sizeof(T));
  WaitForWarp(mask);
  return value;
}

}  // namespace emulator

void __syncthreads();
inline void __syncwarp(unsigned mask = 0xffffffffu) { emulator::WaitForWarp(mask); }

inline unsigned __ballot_sync(unsigned mask, int predicate) {
  unsigned bits = 0;
  emulator::WarpSlots()[emulator::Lane()] = predicate != 0 ? 1 : 0;
  emulator::WaitForWarp(mask);
  for (int lane = 0; lane < 32; ++lane) {
    if ((mask >> lane & 1u) != 0 && emulator::WarpSlots()[lane] == 1) bits |= 1u << lane;
  }
  emulator::WaitForWarp(mask);
  return bits;
}
inline int __any_sync(unsigned mask, int predicate) { return __ballot_sync(mask, predicate) != 0; }

template <class T>
T __shfl_sync(unsigned mask, T value, int from) {
  return emulator::Shuffle(mask, value, from & 31);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int lanes) {
  return emulator::Shuffle(mask, value, emulator::Lane() ^ lanes);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned lanes) {
  return emulator::Shuffle(mask, value, emulator::Lane() + static_cast<int>(lanes));
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned lanes) {
  return emulator::Shuffle(mask, value, emulator::Lane() - static_cast<int>(lanes));
}

// Place of the lowest bit that is set, from 1; 0 if none is.
inline int __ffs(int bits) { return __builtin_ffs(bits); }

// On integers; fibers do not switch inside.
template <class T>
T atomicAdd(T* address, T value) {
  const T before = *address;
  *address = before + value;
  return before;
}
inline unsigned atomicMin(unsigned* address, unsigned value) {
  const unsigned before = *address;
  if (value < before) *address = value;
  return before;
}
inline unsigned atomicMax(unsigned* address, unsigned value) {
  const unsigned before = *address;
  if (value > before) *address = value;
  return before;
}

template <class T>
T __ldg(const T* address) {
  return *address;
}

enum cudaError_t {
  cudaSuccess = 0,
  cudaErrorInvalidValue = 1,
  cudaErrorMemoryAllocation = 2,
  cudaErrorNotReady = 600,
  cudaErrorStreamCaptureUnsupported = 900,
  cudaErrorStreamCaptureInvalidated = 901,
  cudaErrorStreamCaptureIsolation = 905
};
typedef struct CUstream_st* cudaStream_t;
typedef struct CUevent_st* cudaEvent_t;
typedef struct CUgraph_st* cudaGraph_t;
typedef struct CUgraphExec_st* cudaGraphExec_t;

struct cudaDeviceProp {
  char name[256];
  int major, minor, multiProcessorCount;
};

inline const char* cudaGetErrorString(cudaError_t status) {
  return status == cudaErrorMemoryAllocation ? "out of memory" : "emulated";
}
inline cudaError_t cudaGetDeviceCount(int* count) {
  *count = emulator::kDevices;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int device);
inline cudaError_t cudaGetDeviceProperties(cudaDeviceProp* properties, int) {
  *properties = {"emulator", 8, 0, 1};
  return cudaSuccess;
}
inline cudaError_t cudaDriverGetVersion(int* version) {
  *version = 0;
  return cudaSuccess;
}
inline cudaError_t cudaRuntimeGetVersion(int* version) {
  *version = 0;
  return cudaSuccess;
}

// QUANTRAIN_EMULATOR_MEMORY bytes are there, or as many as the machine has.
cudaError_t cudaMemGetInfo(size_t* free, size_t* total);
cudaError_t cudaMalloc(void** memory, size_t bytes);
cudaError_t cudaFree(void* memory);
cudaError_t cudaMallocHost(void** memory, size_t bytes);
cudaError_t cudaFreeHost(void* memory);

enum cudaMemcpyKind { cudaMemcpyDefault = 4 };
cudaError_t cudaMemcpyAsync(void* to, const void* from, size_t bytes, cudaMemcpyKind, cudaStream_t);
cudaError_t cudaMemsetAsync(void* memory, int value, size_t bytes, cudaStream_t);

constexpr unsigned cudaStreamNonBlocking = 1, cudaEventDisableTiming = 2;
cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned);
cudaError_t cudaStreamDestroy(cudaStream_t stream);
cudaError_t cudaStreamSynchronize(cudaStream_t stream);
cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned);
cudaError_t cudaEventDestroy(cudaEvent_t event);
cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t stream);
cudaError_t cudaStreamWaitEvent(cudaStream_t stream, cudaEvent_t event, unsigned);
cudaError_t cudaEventQuery(cudaEvent_t event);
cudaError_t cudaEventSynchronize(cudaEvent_t event);

typedef void (*cudaHostFn_t)(void*);
cudaError_t cudaLaunchHostFunc(cudaStream_t stream, cudaHostFn_t function, void* data);

// cudaLaunchHostFunc in one argument, for callers from Java.
extern "C" __attribute__((visibility("default"))) void emulator_launch_host_function(
    const emulator::HostFunction* call);

enum cudaStreamCaptureMode { cudaStreamCaptureModeThreadLocal = 1 };
cudaError_t cudaStreamBeginCapture(cudaStream_t stream, cudaStreamCaptureMode);
cudaError_t cudaStreamEndCapture(cudaStream_t stream, cudaGraph_t* graph);
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* made, cudaGraph_t graph, unsigned long long);
cudaError_t cudaGraphDestroy(cudaGraph_t graph);
cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t stream);
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph);

struct cudaLaunchConfig_t {
  dim3 gridDim, blockDim;
  size_t dynamicSmemBytes;
  cudaStream_t stream;
};

template <class... Parameters, class... Arguments>
cudaError_t cudaLaunchKernelEx(const cudaLaunchConfig_t* config, void (*kernel)(Parameters...),
                               Arguments... arguments) {
  emulator::Enqueue(config->stream, [=, grid = config->gridDim, block = config->blockDim] {
    emulator::Run(grid, block, [&] { kernel(static_cast<Parameters>(arguments)...); });
  });
  return cudaSuccess;
}

#endif  // QUANTRAIN_EMULATOR_CUDA_RUNTIME_H_
