// The unchanged device files, compiled for the CPU: cuda_runtime.h is the emulator's here.
#include "check/emulated.h"

#include "cuda/fake_quant.cu"

namespace {

constexpr int kBlockThreads = 96;

__global__ void BlockSums(const int32_t* values, int32_t* sums) {
  __shared__ int32_t warp_sums[kBlockThreads / 32];
  const int thread = static_cast<int>(threadIdx.x);
  int32_t sum = values[blockIdx.x * blockDim.x + threadIdx.x];
  for (int lanes = 16; lanes > 0; lanes /= 2) sum += __shfl_xor_sync(0xffffffffu, sum, lanes);
  if (thread % 32 == 0) warp_sums[thread / 32] = sum;
  __syncthreads();
  if (thread != 0) return;
  sum = 0;
  for (int32_t warp_sum : warp_sums) sum += warp_sum;
  sums[blockIdx.x] = sum;
}

}  // namespace

void EmulatedBlockSums(const int32_t* values, int32_t* sums, unsigned blocks) {
  cudaLaunchConfig_t config = {};
  config.gridDim = dim3(blocks);
  config.blockDim = dim3(kBlockThreads);
  cudaLaunchKernelEx(&config, BlockSums, values, sums);
}
