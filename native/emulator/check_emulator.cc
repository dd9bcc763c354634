// check_emulator CASE: runs a small kernel in many thread orders, or copies in two streams in many
// orders of those, and prints how many different results there were. What the emulator is there to
// find: a kernel that needs more order than it asks for, a barrier that some thread never reaches,
// an access that a device would fault on, and a stream or host that does not wait for another.
#include <cuda_runtime.h>
#include <stdio.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "emulator/tensor_core.h"

namespace {

constexpr int kThreads = 128;
constexpr int kBlocks = 3;

// Every block leaves other values in its shared memory, so that a stale one shows.
int Value() { return static_cast<int>(blockIdx.x * 1000 + threadIdx.x); }

int Place() { return static_cast<int>(blockIdx.x * kThreads + threadIdx.x); }

// A value of another warp.
template <bool kBarrier>
__global__ void Reverse(int* out) {
  __shared__ int values[kThreads];
  if (kBarrier) __syncthreads();  // the block before has been read
  values[threadIdx.x] = Value();
  if (kBarrier) __syncthreads();
  out[Place()] = values[kThreads - 1 - threadIdx.x];
}

// A value of the same warp.
template <bool kBarrier>
__global__ void ReverseWarp(int* out) {
  __shared__ int values[kThreads];
  values[threadIdx.x] = Value();
  if (kBarrier) __syncwarp();
  out[Place()] = values[threadIdx.x ^ 31];
}

// The whole of a sum whose parts other threads may still add to.
template <bool kBarrier>
__global__ void Count(int* out) {
  __shared__ int sum;
  if (threadIdx.x == 0) sum = 0;
  __syncthreads();
  atomicAdd(&sum, 1);
  if (kBarrier) __syncthreads();
  out[Place()] = sum;
  __syncthreads();
}

// A value that a copy brings: what has to be waited for is the copy, before the barrier.
template <bool kBarrier>
__global__ void Copy(int* out) {
  __shared__ int values[kThreads];
  out[Place()] = Value();
  __syncthreads();  // the block before has been read
  emulator::CopyAsync(&values[threadIdx.x], &out[Place()], sizeof(int));
  emulator::CommitCopies();
  if (kBarrier) emulator::WaitForCopies(0);
  __syncthreads();
  const int value = values[kThreads - 1 - threadIdx.x];
  __syncthreads();
  out[Place()] = value;
}

__global__ void Stuck(int* out) {
  if (threadIdx.x % 2 == 0) {
    __syncthreads();
  } else {
    __syncwarp();
  }
  out[Place()] = 0;
}

__global__ void Misaligned(int* out) {
  *reinterpret_cast<int4*>(out + 4 * threadIdx.x + 1) = {1, 2, 3, 4};
}

const std::map<std::string, void (*)(int*)> kKernels = {
    {"reverse", Reverse<true>},
    {"reverse-without-barrier", Reverse<false>},
    {"reverse-warp", ReverseWarp<true>},
    {"reverse-warp-without-barrier", ReverseWarp<false>},
    {"count", Count<true>},
    {"count-without-barrier", Count<false>},
    {"copy", Copy<true>},
    {"copy-without-barrier", Copy<false>},
    {"stuck", Stuck},
    {"misaligned", Misaligned},
};

// Numbers go through a buffer that one stream fills and another empties, twice. Each of them waits
// for the other, and the host at the end.
enum class Missing { kNothing, kFilled, kEmptied, kHost };

std::vector<int> Relay(int device, Missing missing) {
  constexpr int kNumbers = 2;
  int from[kNumbers] = {1, 2}, buffer = 0, to[kNumbers] = {};
  cudaStream_t filling, emptying;
  cudaEvent_t filled, emptied;
  cudaSetDevice(device);
  cudaStreamCreateWithFlags(&filling, cudaStreamNonBlocking);
  cudaStreamCreateWithFlags(&emptying, cudaStreamNonBlocking);
  cudaEventCreateWithFlags(&filled, cudaEventDisableTiming);
  cudaEventCreateWithFlags(&emptied, cudaEventDisableTiming);
  for (int i = 0; i < kNumbers; ++i) {
    if (missing != Missing::kEmptied) cudaStreamWaitEvent(filling, emptied, 0);
    cudaMemcpyAsync(&buffer, &from[i], sizeof(int), cudaMemcpyDefault, filling);
    cudaEventRecord(filled, filling);
    if (missing != Missing::kFilled) cudaStreamWaitEvent(emptying, filled, 0);
    cudaMemcpyAsync(&to[i], &buffer, sizeof(int), cudaMemcpyDefault, emptying);
    cudaEventRecord(emptied, emptying);
  }
  if (missing == Missing::kEmptied) cudaStreamSynchronize(filling);
  if (missing != Missing::kHost) cudaEventSynchronize(emptied);
  const std::vector<int> result(to, to + kNumbers);
  cudaStreamDestroy(filling);
  cudaStreamDestroy(emptying);
  cudaEventDestroy(filled);
  cudaEventDestroy(emptied);
  return result;
}

const std::map<std::string, Missing> kRelays = {
    {"relay", Missing::kNothing},
    {"relay-without-filled", Missing::kFilled},
    {"relay-without-emptied", Missing::kEmptied},
    {"relay-without-host", Missing::kHost},
};

}  // namespace

int main(int count, char** words) {
  const std::string name = count == 2 ? words[1] : "";
  std::set<std::vector<int>> results;
  if (const auto relay = kRelays.find(name); relay != kRelays.end()) {
    for (int device = 0; device < emulator::kDevices; ++device) {
      results.insert(Relay(device, relay->second));
    }
    printf("%d different results\n", static_cast<int>(results.size()));
    return 0;
  }
  const auto kernel = kKernels.find(name);
  if (kernel == kKernels.end()) {
    fprintf(stderr, "check_emulator CASE, one of:");
    for (const auto& [known, function] : kKernels) fprintf(stderr, " %s", known.c_str());
    for (const auto& [known, missing] : kRelays) fprintf(stderr, " %s", known.c_str());
    fprintf(stderr, "\n");
    return 2;
  }
  for (uint32_t seed = 0; seed < 8; ++seed) {
    emulator::SetSeed(seed);
    void* out = nullptr;
    cudaMalloc(&out, 4 * kBlocks * kThreads * sizeof(int));
    cudaLaunchConfig_t config = {};
    config.gridDim = dim3(kBlocks);
    config.blockDim = dim3(kThreads);
    cudaLaunchKernelEx(&config, kernel->second, static_cast<int*>(out));
    const int* values = static_cast<const int*>(out);
    results.emplace(values, values + kBlocks * kThreads);
    cudaFree(out);
  }
  printf("%d different results\n", static_cast<int>(results.size()));
  return 0;
}
