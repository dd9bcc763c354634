// Walking a [rows, channels] tensor. Two mappings:
//   flat     a warp takes 128 consecutive elements per step, 4 per thread in one access, so masks
//            are written from ballots; the channel moves along without a division
//   columns  a thread stays in one channel and strides over the rows, so what it computes from the
//            channel's constants (a square root, a division) it computes once
#ifndef QUANTRAIN_CUDA_DEVICE_ROWS_H_
#define QUANTRAIN_CUDA_DEVICE_ROWS_H_

#include "cuda/device/pack.h"
#include "cuda/launch.h"

namespace qt::cuda {

template <class T>
using Four = Pack<T, 4>;

template <class T>
bool AlignedForFour(const T* p) {
  return AlignedForPack<4>(p);
}

// Elements i .. i + 3; those from n on are 0. whole: all four exist and p is aligned.
template <class T>
__device__ inline Four<T> LoadFour(const T* p, int64_t i, int64_t n, bool whole) {
  if (whole) return LoadPack<4>(p + i);
  Four<T> four;
#pragma unroll
  for (int k = 0; k < 4; ++k) four.v[k] = i + k < n ? p[i + k] : T();
  return four;
}

template <class T>
__device__ inline void StoreFour(T* p, int64_t i, int64_t n, bool whole, const Four<T>& four) {
  if (whole) {
    StorePack<4>(p + i, four);
    return;
  }
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    if (i + k < n) p[i + k] = four.v[k];
  }
}

// Where a thread of the flat mapping is. All lanes of a warp make the same steps.
struct FlatWalk {
  int64_t base;     // first element of the warp's step
  int64_t i;        // first of the thread's four
  int64_t channel;  // of element i
  int64_t stride, channel_stride;

  __device__ explicit FlatWalk(int64_t channels) {
    const int warps_per_block = kThreads / kWarpSize;
    const int64_t warp = static_cast<int64_t>(blockIdx.x) * warps_per_block +
                         static_cast<int64_t>(threadIdx.x) / kWarpSize;
    base = warp * kWarpElements;
    i = base + 4 * (static_cast<int>(threadIdx.x) % kWarpSize);
    stride = static_cast<int64_t>(gridDim.x) * warps_per_block * kWarpElements;
    channel = i % channels;
    channel_stride = stride % channels;
  }
  __device__ void Next(int64_t channels) {
    base += stride;
    i += stride;
    channel += channel_stride;
    if (channel >= channels) channel -= channels;
  }
};

// Writes the 16 mask bytes of a warp's step: bit k of passes belongs to element i + k of this lane.
// Every lane calls it; byte b is made of lanes 2b and 2b + 1 and written by lane b.
__device__ inline void StoreMask(uint8_t* mask, int64_t base, int64_t n, unsigned passes) {
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize;
  unsigned byte = 0;
#pragma unroll
  for (int k = 0; k < 4; ++k) {
    const bool set = base + 4 * lane + k < n && (passes >> k & 1u) != 0;
    const unsigned pair = __ballot_sync(0xffffffffu, set) >> (2 * (lane % 16));
    byte |= ((pair & 1u) | ((pair & 2u) << 3)) << k;
  }
  if (lane < 16 && base + 8 * lane < n) mask[base / 8 + lane] = static_cast<uint8_t>(byte);
}

__device__ inline bool MaskBit(const uint8_t* mask, int64_t i) {
  return mask == nullptr || (mask[i / 8] >> (i % 8) & 1) != 0;
}

// Columns. F: Channel Prepare(int64_t channel) const; void Apply(const Channel&, int64_t element)
// const. blockIdx.x: part of the rows; blockIdx.y: group of kThreads columns.
template <class F>
__global__ void __launch_bounds__(kThreads, kMinBlocks) ColumnsKernel(F f, int64_t rows, int64_t channels) {
  const int thread = static_cast<int>(threadIdx.x);
  const int64_t first = static_cast<int64_t>(blockIdx.y) * kThreads;
  const int64_t left = channels - first;
  const int width = static_cast<int>(left < kThreads ? left : kThreads);
  const int copies = kThreads / width, copy = thread / width;
  if (copy >= copies) return;
  const int64_t channel = first + thread % width;
  const auto constants = f.Prepare(channel);
  const int64_t stride = static_cast<int64_t>(gridDim.x) * copies;
  for (int64_t row = static_cast<int64_t>(blockIdx.x) * copies + copy; row < rows; row += stride) {
    f.Apply(constants, row * channels + channel);
  }
}

template <class F>
cudaError_t ForColumns(const Stream& stream, const F& f, int64_t rows, int64_t channels) {
  if (rows == 0 || channels == 0) return cudaSuccess;
  const int64_t groups = (channels + kThreads - 1) / kThreads;
  const int64_t copies = channels < kThreads ? kThreads / channels : 1;
  // 8 rows or more for each Prepare, while that leaves blocks enough.
  const int64_t useful = (rows + 8 * copies - 1) / (8 * copies);
  const int64_t most = (kMaxBlocks + groups - 1) / groups;
  return Launch(stream,
                dim3(static_cast<unsigned>(useful < most ? useful : most),
                     static_cast<unsigned>(groups)),
                ColumnsKernel<F>, f, rows, channels);
}

// f(channel) for every channel, one thread each.
template <class F>
__global__ void __launch_bounds__(kThreads, kMinBlocks) ChannelsKernel(F f, int64_t channels) {
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads;
  int64_t c = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x;
  for (; c < channels; c += stride) f(c);
}

template <class F>
cudaError_t ForChannels(const Stream& stream, const F& f, int64_t channels) {
  if (channels == 0) return cudaSuccess;
  const int64_t blocks = (channels + kThreads - 1) / kThreads;
  return Launch(stream, dim3(static_cast<unsigned>(blocks < kMaxBlocks ? blocks : kMaxBlocks)),
                ChannelsKernel<F>, f, channels);
}

}  // namespace qt::cuda

#endif  // QUANTRAIN_CUDA_DEVICE_ROWS_H_
