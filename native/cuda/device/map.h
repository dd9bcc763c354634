// y = f(a, b) element by element, 16 bytes per access where alignment allows. b may be null: f then
// gets 0. y may be a or b (a thread writes where it read).
//   flat     F: float Apply(float a, float b) const
//   columns  [rows, channels]; F: Channel Prepare(int64_t channel) const;
//            float Apply(const Channel&, float a, float b) const. A thread stays in its channels, so
//            their constants (a square root, a division) are computed once per thread.
#ifndef QUANTRAIN_CUDA_DEVICE_MAP_H_
#define QUANTRAIN_CUDA_DEVICE_MAP_H_

#include "cuda/device/pack.h"
#include "cuda/launch.h"

namespace qt::cuda {

struct MapPointers {
  const float* a;
  const float* b;
  float* y;

  bool AlignedForFour() const {
    return AlignedForPack<4>(a) && AlignedForPack<4>(b) && AlignedForPack<4>(y);
  }
};

// One thread per kWidth neighbouring elements and step.
template <class F, int kWidth>
__global__ void __launch_bounds__(kThreads, kMinBlocks) MapKernel(F f, MapPointers p, int64_t n) {
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads * kWidth;
  int64_t i = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * kWidth;
  for (; i + kWidth <= n; i += stride) {
    Pack<float, kWidth> a = LoadPack<kWidth>(p.a + i), b = {};
    if (p.b != nullptr) b = LoadPack<kWidth>(p.b + i);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) a.v[k] = f.Apply(a.v[k], b.v[k]);
    StorePack<kWidth>(p.y + i, a);
  }
  // At most one thread is left with fewer than kWidth.
  for (; i < n; ++i) p.y[i] = f.Apply(p.a[i], p.b != nullptr ? p.b[i] : 0.0f);
}

template <class F>
cudaError_t Map(const Stream& stream, const F& f, const MapPointers& p, int64_t n) {
  if (n == 0) return cudaSuccess;
  return Launch(stream, dim3(BlocksFor(n)),
                p.AlignedForFour() ? MapKernel<F, 4> : MapKernel<F, 1>, f, p, n);
}

// blockIdx.x: part of the rows; blockIdx.y: group of kThreads * kWidth columns.
template <class F, int kWidth>
__global__ void __launch_bounds__(kThreads, kMinBlocks)
    MapColumnsKernel(F f, MapPointers p, int64_t rows, int64_t channels) {
  const int thread = static_cast<int>(threadIdx.x);
  const int64_t first = static_cast<int64_t>(blockIdx.y) * kThreads;
  const int64_t left = channels / kWidth - first;
  const int width = static_cast<int>(left < kThreads ? left : kThreads);
  const int copies = kThreads / width, copy = thread / width;
  if (copy >= copies) return;
  const int64_t channel = (first + thread % width) * kWidth;
  typename F::Channel constants[kWidth];
#pragma unroll
  for (int k = 0; k < kWidth; ++k) constants[k] = f.Prepare(channel + k);
  const int64_t stride = static_cast<int64_t>(gridDim.x) * copies;
  for (int64_t row = static_cast<int64_t>(blockIdx.x) * copies + copy; row < rows; row += stride) {
    const int64_t i = row * channels + channel;
    Pack<float, kWidth> a = LoadPack<kWidth>(p.a + i), b = {};
    if (p.b != nullptr) b = LoadPack<kWidth>(p.b + i);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) a.v[k] = f.Apply(constants[k], a.v[k], b.v[k]);
    StorePack<kWidth>(p.y + i, a);
  }
}

template <class F, int kWidth>
cudaError_t MapColumnsOf(const Stream& stream, const F& f, const MapPointers& p, int64_t rows,
                         int64_t channels) {
  const int64_t columns = channels / kWidth;
  const int64_t groups = (columns + kThreads - 1) / kThreads;
  const int64_t copies = columns < kThreads ? kThreads / columns : 1;
  // 8 rows or more for each Prepare, while that leaves blocks enough.
  const int64_t useful = (rows + 8 * copies - 1) / (8 * copies);
  const int64_t most = (kMaxBlocks + groups - 1) / groups;
  return Launch(
      stream,
      dim3(static_cast<unsigned>(useful < most ? useful : most), static_cast<unsigned>(groups)),
      MapColumnsKernel<F, kWidth>, f, p, rows, channels);
}

template <class F>
cudaError_t MapColumns(const Stream& stream, const F& f, const MapPointers& p, int64_t rows,
                       int64_t channels) {
  if (rows == 0 || channels == 0) return cudaSuccess;
  return channels % 4 == 0 && p.AlignedForFour()
             ? MapColumnsOf<F, 4>(stream, f, p, rows, channels)
             : MapColumnsOf<F, 1>(stream, f, p, rows, channels);
}

}  // namespace qt::cuda

#endif  // QUANTRAIN_CUDA_DEVICE_MAP_H_
