// y = f(a, b) element by element of real tensors: f gets floats, and what it returns is narrowed. b
// may be null: f then gets 0. y may be a or b (a thread writes where it read).
//   flat     F: float Apply(float a, float b) const. 16 bytes per access where alignment allows.
//   columns  [rows, channels]; F: Channel Prepare(int64_t channel) const;
//            float Apply(const Channel&, float a, float b) const. A thread stays in its channels, so
//            their constants (a square root, a division) are computed once per thread. 4 elements
//            per access, 16 or 8 bytes: 8 channels' constants would take too many registers.
#ifndef QUANTRAIN_CUDA_DEVICE_MAP_H_
#define QUANTRAIN_CUDA_DEVICE_MAP_H_

#include "cuda/device/pack.h"
#include "cuda/launch.h"
#include "math/types.h"

namespace qt::cuda {

struct MapPointers {
  const void* a;
  const void* b;
  void* y;
  int32_t element_type;  // of all of them

  template <class Real, int kWidth>
  bool Aligned() const {
    return AlignedForPack<kWidth>(static_cast<const Real*>(a)) &&
           AlignedForPack<kWidth>(static_cast<const Real*>(b)) &&
           AlignedForPack<kWidth>(static_cast<const Real*>(y));
  }
};

// One thread per kWidth neighbouring elements and step.
template <class F, class Real, int kWidth>
__global__ void __launch_bounds__(kThreads, kMinBlocks)
    MapKernel(F f, const Real* a, const Real* b, Real* y, int64_t n) {
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads * kWidth;
  int64_t i = (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x) * kWidth;
  for (; i + kWidth <= n; i += stride) {
    Pack<Real, kWidth> own = LoadPack<kWidth>(a + i), other = {};
    if (b != nullptr) other = LoadPack<kWidth>(b + i);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) {
      math::Narrow(f.Apply(math::Widen(own.v[k]), math::Widen(other.v[k])), &own.v[k]);
    }
    StorePack<kWidth>(y + i, own);
  }
  // At most one thread is left with fewer than kWidth.
  for (; i < n; ++i) {
    math::Narrow(f.Apply(math::Widen(a[i]), b != nullptr ? math::Widen(b[i]) : 0.0f), &y[i]);
  }
}

template <class F>
cudaError_t Map(const Stream& stream, const F& f, const MapPointers& p, int64_t n) {
  if (n == 0) return cudaSuccess;
  return math::WithReal(p.element_type, [&](auto* type) {
    using Real = math::Pointed<decltype(type)>;
    constexpr int kWidth = 16 / sizeof(Real);
    const int64_t packs = (n + kWidth - 1) / kWidth;
    return Launch(stream, dim3(BlocksFor(4 * packs)),
                  p.Aligned<Real, kWidth>() ? MapKernel<F, Real, kWidth> : MapKernel<F, Real, 1>, f,
                  p.a, p.b, p.y, n);
  });
}

// blockIdx.x: part of the rows; blockIdx.y: group of kThreads * kWidth columns.
template <class F, class Real, int kWidth>
__global__ void __launch_bounds__(kThreads, kMinBlocks)
    MapColumnsKernel(F f, const Real* a, const Real* b, Real* y, int64_t rows, int64_t channels) {
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
    Pack<Real, kWidth> own = LoadPack<kWidth>(a + i), other = {};
    if (b != nullptr) other = LoadPack<kWidth>(b + i);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) {
      math::Narrow(f.Apply(constants[k], math::Widen(own.v[k]), math::Widen(other.v[k])),
                   &own.v[k]);
    }
    StorePack<kWidth>(y + i, own);
  }
}

template <class Real, int kWidth, class F>
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
      MapColumnsKernel<F, Real, kWidth>, f, p.a, p.b, p.y, rows, channels);
}

template <class F>
cudaError_t MapColumns(const Stream& stream, const F& f, const MapPointers& p, int64_t rows,
                       int64_t channels) {
  if (rows == 0 || channels == 0) return cudaSuccess;
  return math::WithReal(p.element_type, [&](auto* type) {
    using Real = math::Pointed<decltype(type)>;
    return channels % 4 == 0 && p.Aligned<Real, 4>()
               ? MapColumnsOf<Real, 4>(stream, f, p, rows, channels)
               : MapColumnsOf<Real, 1>(stream, f, p, rows, channels);
  });
}

}  // namespace qt::cuda

#endif  // QUANTRAIN_CUDA_DEVICE_MAP_H_
