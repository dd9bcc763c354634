// One thread per element of a walk over several tensors with strides (math/strided.h).
#ifndef QUANTRAIN_CUDA_DEVICE_STRIDED_H_
#define QUANTRAIN_CUDA_DEVICE_STRIDED_H_

#include "cuda/launch.h"
#include "math/strided.h"

namespace qt::cuda {

// a / b for a >= 0, b > 0; a division of 64 bits costs several of 32.
__device__ inline int64_t Quotient(int64_t a, int64_t b) {
  return static_cast<uint64_t>(a | b) >> 32 == 0
             ? static_cast<int64_t>(static_cast<uint32_t>(a) / static_cast<uint32_t>(b))
             : a / b;
}

// Offsets of element i in each tensor.
template <int kTensors>
__device__ inline void OffsetsOf(const math::Strided<kTensors>& s, int64_t i,
                                 int64_t (&offset)[kTensors]) {
#pragma unroll
  for (int t = 0; t < kTensors; ++t) offset[t] = 0;
#pragma unroll
  for (int d = 0; d < math::kDims; ++d) {
    if (d < s.dims) {
      const int64_t next = d + 1 < s.dims ? Quotient(i, s.size[d]) : 0;
      const int64_t at = i - next * s.size[d];
#pragma unroll
      for (int t = 0; t < kTensors; ++t) offset[t] += at * s.stride[t][d];
      i = next;
    }
  }
}

// F: void Apply(int64_t element, const int64_t (&offset)[kTensors]) const.
template <class F, int kTensors>
__global__ void __launch_bounds__(kThreads, kMinBlocks)
    StridedKernel(F f, math::Strided<kTensors> s, int64_t n) {
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < n; i += stride) {
    int64_t offset[kTensors];
    OffsetsOf(s, i, offset);
    f.Apply(i, offset);
  }
}

template <class F, int kTensors>
cudaError_t ForStrided(const Stream& stream, const F& f, const math::Strided<kTensors>& s) {
  const int64_t n = s.elements();
  if (n == 0) return cudaSuccess;
  const int64_t blocks = (n + kThreads - 1) / kThreads;
  return Launch(stream, dim3(static_cast<unsigned>(blocks < kMaxBlocks ? blocks : kMaxBlocks)),
                StridedKernel<F, kTensors>, f, s, n);
}

}  // namespace qt::cuda

#endif  // QUANTRAIN_CUDA_DEVICE_STRIDED_H_
