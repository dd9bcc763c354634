// Histograms with a growing range: a reduction finds each channel's largest magnitude, a kernel
// merges neighbouring bins where the range grew, and a third one counts, with integer atomics, whose
// order does not matter. Long channels are counted in shared memory first, one block for each part
// of a channel; where channels are interleaved, neighbouring threads count in different channels and
// go to memory directly.
#include "math/histogram.h"

#include "cuda/device/reduce.h"
#include "cuda/device/rows.h"
#include "cuda/kernels.h"
#include "math/bf16.h"

namespace qt::cuda {
namespace {

constexpr int32_t kSharedBins = 4096;  // 16 KiB of a block's counters

// Old and new exponent in one word, between the kernels of a call; both are in [-126, 128].
__device__ inline int32_t Joined(int32_t before, int32_t after) {
  return after * 65536 + (before + 32768);
}
__device__ inline int32_t Before(int32_t packed) { return (packed & 65535) - 32768; }
__device__ inline int32_t After(int32_t packed) { return (packed - (packed & 65535)) / 65536; }

__device__ inline void AddCount(int64_t* counter, int64_t count) {
  atomicAdd(reinterpret_cast<unsigned long long*>(counter),
            static_cast<unsigned long long>(count));
}

template <class T>
struct RangeReducer {
  struct Total {
    float most;
    int64_t nans, infs;
  };
  qt_histogram_args a;

  __device__ Total Zero() const { return {0.0f, 0, 0}; }
  __device__ void Add(Total* total, int64_t element, int64_t) const {
    const float m = fabsf(math::Widen(static_cast<const T*>(a.x)[element]));
    total->nans += m != m ? 1 : 0;
    total->infs += m > math::kFloatMax ? 1 : 0;
    if (m <= math::kFloatMax && m > total->most) total->most = m;
  }
  __device__ Total Combine(Total p, Total q) const {
    return {q.most > p.most ? q.most : p.most, p.nans + q.nans, p.infs + q.infs};
  }
  __device__ void Store(int64_t c, Total total) const {
    a.nans[c] = math::AddInt(a.nans[c], total.nans);
    a.infs[c] = math::AddInt(a.infs[c], total.infs);
    const math::Sides sides = math::SidesOf(a.bins, a.is_signed != 0);
    const int32_t before = math::HeldExponent(a.exponent[c]);
    const int32_t fit = math::FitExponent(total.most, sides.length);
    a.exponent[c] = Joined(before, fit > before ? fit : before);
  }
};

// Merges a channel's bins in place. Every count is read before the block writes that far, because
// bins only move inwards.
__device__ inline void GrowChannel(int64_t* counts, const math::Sides& sides, int32_t shift) {
  if (shift == 0) return;
  for (int32_t s = 0; s < sides.count; ++s) {
    const math::Side side = math::SideAt(sides, s);
    int64_t* at = counts + side.first;
    for (int64_t base = 0; base < sides.length; base += kThreads) {
      const int64_t j = base + threadIdx.x;
      const int64_t count =
          j < sides.length ? math::GrownCount(at, side.step, sides.length, j, shift) : 0;
      __syncthreads();
      if (j < sides.length) at[j * side.step] = count;
      __syncthreads();
    }
  }
}

// A block takes every gridDim.x-th channel.
__global__ void __launch_bounds__(kThreads, kMinBlocks) GrowKernel(qt_histogram_args a) {
  const math::Sides sides = math::SidesOf(a.bins, a.is_signed != 0);
  for (int64_t c = blockIdx.x; c < a.channels; c += gridDim.x) {
    const int32_t packed = a.exponent[c];
    GrowChannel(a.counts + c * a.bins, sides, After(packed) - Before(packed));
    __syncthreads();  // everyone has read the exponent
    if (threadIdx.x == 0) a.exponent[c] = After(packed);
  }
}

struct Parts {
  int64_t count, items;  // of a channel; elements of a part, below 2^32
};

// A block strides over (channel, part) and counts in shared memory.
template <class T>
__global__ void __launch_bounds__(kThreads, kMinBlocks) CountPlanesKernel(qt_histogram_args a, Parts parts) {
  __shared__ unsigned shared[kSharedBins];
  const int thread = static_cast<int>(threadIdx.x);
  const math::Sides sides = math::SidesOf(a.bins, a.is_signed != 0);
  const T* x = static_cast<const T*>(a.x);
  const int64_t length = a.outer * a.inner;
  for (int64_t at = blockIdx.x; at < parts.count * a.channels; at += gridDim.x) {
    const int64_t channel = at / parts.count, part = at - channel * parts.count;
    const int64_t begin = part * parts.items;
    const int64_t end = begin + parts.items < length ? begin + parts.items : length;
    const float inverse = math::InverseWidth(a.exponent[channel]);
    for (int32_t i = thread; i < a.bins; i += kThreads) shared[i] = 0;
    __syncthreads();
    for (int64_t j = begin + thread; j < end; j += kThreads) {
      const int64_t outer = a.outer == 1 ? 0 : j / a.inner;
      const int64_t rest = j - outer * a.inner;
      const float v = math::Widen(x[(outer * a.channels + channel) * a.inner + rest]);
      if (math::IsFinite(v)) atomicAdd(&shared[math::Bin(v, inverse, sides)], 1u);
    }
    __syncthreads();
    for (int32_t i = thread; i < a.bins; i += kThreads) {
      if (shared[i] != 0) AddCount(a.counts + channel * a.bins + i, shared[i]);
    }
    __syncthreads();
  }
}

// One thread per element.
template <class T>
__global__ void __launch_bounds__(kThreads, kMinBlocks) CountElementsKernel(qt_histogram_args a, int64_t n) {
  const math::Sides sides = math::SidesOf(a.bins, a.is_signed != 0);
  const int64_t stride = static_cast<int64_t>(gridDim.x) * kThreads;
  for (int64_t i = static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x; i < n; i += stride) {
    const int64_t channel = i / a.inner % a.channels;
    const float v = math::Widen(static_cast<const T*>(a.x)[i]);
    if (!math::IsFinite(v)) continue;
    const int32_t bin = math::Bin(v, math::InverseWidth(a.exponent[channel]), sides);
    AddCount(a.counts + channel * a.bins + bin, 1);
  }
}

template <class T>
cudaError_t Histogram(const Stream& stream, const qt_histogram_args& a) {
  const int64_t channels = a.channels, length = a.outer * a.inner, n = length * channels;
  if (channels == 0) return cudaSuccess;
  cudaError_t status = ReduceChannels(stream, RangeReducer<T>{a}, a.outer, channels, a.inner);
  if (status != cudaSuccess) return status;
  status = Launch(stream, dim3(static_cast<unsigned>(channels < kMaxBlocks ? channels : kMaxBlocks)),
                  GrowKernel, a);
  if (status != cudaSuccess || n == 0) return status;
  if (a.bins > kSharedBins || (channels > 1 && a.inner == 1) || length < a.bins) {
    return Launch(stream, BlocksFor(n), CountElementsKernel<T>, a, n);
  }
  // Parts of 16 elements per bin or more: writing a block's counters out is then cheap.
  Parts parts = {length / (16 * static_cast<int64_t>(a.bins)), 0};
  const int64_t wanted = (kMaxBlocks + channels - 1) / channels;
  const int64_t needed = length / (int64_t{1} << 31) + 1;
  if (parts.count > wanted) parts.count = wanted;
  if (parts.count < needed) parts.count = needed;
  parts.items = (length + parts.count - 1) / parts.count;
  const int64_t work = parts.count * channels;
  return Launch(stream, dim3(static_cast<unsigned>(work < 65536 ? work : 65536)),
                CountPlanesKernel<T>, a, parts);
}

// A block takes every gridDim.x-th channel.
__global__ void __launch_bounds__(kThreads, kMinBlocks) MergeHistogramsKernel(qt_merge_histograms_args a) {
  const math::Sides sides = math::SidesOf(a.bins, a.is_signed != 0);
  for (int64_t c = blockIdx.x; c < a.channels; c += gridDim.x) {
    const int32_t own = math::HeldExponent(a.exponent[c]);
    const int32_t other = math::HeldExponent(a.other_exponent[c]);
    const int32_t exponent = own > other ? own : other;
    int64_t* counts = a.counts + c * a.bins;
    GrowChannel(counts, sides, exponent - own);
    __syncthreads();
    for (int32_t s = 0; s < sides.count; ++s) {
      const math::Side side = math::SideAt(sides, s);
      const int64_t* from = a.other_counts + c * a.bins + side.first;
      for (int64_t j = threadIdx.x; j < sides.length; j += kThreads) {
        int64_t* const count = counts + side.first + j * side.step;
        *count = math::AddInt(
            *count, math::GrownCount(from, side.step, sides.length, j, exponent - other));
      }
    }
    if (threadIdx.x == 0) {
      a.exponent[c] = exponent;
      a.nans[c] = math::AddInt(a.nans[c], a.other_nans[c]);
      a.infs[c] = math::AddInt(a.infs[c], a.other_infs[c]);
    }
  }
}

}  // namespace

cudaError_t histogram(const Stream& stream, const qt_histogram_args& a) {
  return a.element_type == QT_ELEMENT_BF16 ? Histogram<math::Bf16>(stream, a)
                                           : Histogram<float>(stream, a);
}

cudaError_t merge_histograms(const Stream& stream, const qt_merge_histograms_args& a) {
  if (a.channels == 0) return cudaSuccess;
  const int64_t blocks = a.channels < kMaxBlocks ? a.channels : kMaxBlocks;
  return Launch(stream, dim3(static_cast<unsigned>(blocks)), MergeHistogramsKernel, a);
}

}  // namespace qt::cuda
