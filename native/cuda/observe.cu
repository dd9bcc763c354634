// Ranges: minimum and maximum per channel, the rules by which a range follows its batches, the merge
// of two devices' ranges, range to scale and zero-point. The same bits as cpu/observe.cc: extremes
// are exact in any order, the rest is per channel and calls the same formulas.
#include "cuda/device/reduce.h"
#include "cuda/device/rows.h"
#include "cuda/kernels.h"
#include "math/bf16.h"
#include "math/range.h"

namespace qt::cuda {
namespace {

template <class T>
struct MinMaxReducer {
  struct Total {
    float min, max;
    int64_t nans;
  };
  const T* x;
  float* min;
  float* max;
  int64_t* nans;

  __device__ Total Zero() const { return {INFINITY, -INFINITY, 0}; }
  __device__ void Add(Total* total, int64_t element, int64_t) const {
    const float v = math::Widen(x[element]);
    total->min = v < total->min ? v : total->min;
    total->max = v > total->max ? v : total->max;
    total->nans += v != v ? 1 : 0;
  }
  __device__ Total Combine(Total a, Total b) const {
    return {b.min < a.min ? b.min : a.min, b.max > a.max ? b.max : a.max, a.nans + b.nans};
  }
  __device__ void Store(int64_t c, Total total) const {
    const bool seen = total.min <= total.max;
    min[c] = math::RangeEnd(total.min, seen);
    max[c] = math::RangeEnd(total.max, seen);
    // A sum of integers: the order of channels does not matter.
    if (total.nans != 0) {
      atomicAdd(reinterpret_cast<unsigned long long*>(nans),
                static_cast<unsigned long long>(total.nans));
    }
  }
};

struct Clear {
  int64_t* counter;
  __device__ void operator()(int64_t) const { *counter = 0; }
};

template <class T>
cudaError_t MinMax(const Stream& stream, const qt_min_max_args& a) {
  const cudaError_t status = ForChannels(stream, Clear{a.nans}, 1);
  if (status != cudaSuccess) return status;
  const MinMaxReducer<T> reducer = {static_cast<const T*>(a.x), a.min, a.max, a.nans};
  return ReduceChannels(stream, reducer, a.outer, a.channels, a.inner);
}

// One block, so that every channel is through with the counts before they change.
__global__ void __launch_bounds__(kThreads, kMinBlocks) UpdateRangeKernel(qt_update_range_args a) {
  const int32_t count = *a.count;
  const bool debiased = a.rule == QT_RANGE_EMA_DEBIASED;
  const float momentum = *a.momentum;
  const float weight =
      debiased ? math::MovingAverage(count == 0 ? 0.0f : *a.weight, 1.0f, momentum) : 1.0f;
  __syncthreads();
  for (int64_t c = threadIdx.x; c < a.channels; c += kThreads) {
    math::FollowRange(a.rule, count, a.batch_min[c], a.batch_max[c], momentum, a.range_min + c,
                      a.range_max + c);
    if (debiased) {
      a.debiased_min[c] = a.range_min[c] / weight;
      a.debiased_max[c] = a.range_max[c] / weight;
    }
  }
  if (threadIdx.x == 0) {
    *a.count = math::AddCounts(count, 1);
    if (debiased) *a.weight = weight;
  }
}

__global__ void __launch_bounds__(kThreads, kMinBlocks) MergeRangesKernel(qt_merge_ranges_args a) {
  const int32_t count = *a.count, other = *a.other_count;
  __syncthreads();
  for (int64_t c = threadIdx.x; c < a.channels; c += kThreads) {
    math::MergeRange(a.rule, count, other, a.other_min[c], a.other_max[c], a.range_min + c,
                     a.range_max + c);
  }
  if (threadIdx.x == 0) {
    *a.count = math::AddCounts(count, other);
    if (a.rule == QT_RANGE_EMA_DEBIASED) {
      *a.weight = math::MergeAverages(*a.weight, count, *a.other_weight, other);
    }
  }
}

struct ToQparams {
  qt_range_to_qparams_args a;
  __device__ void operator()(int64_t c) const {
    math::RangeToQparams(a.range_min[c], a.range_max[c], a.qmin, a.qmax, a.symmetric != 0,
                         a.power_of_two != 0, a.scale + c, a.zero_point + c);
  }
};

}  // namespace

cudaError_t min_max(const Stream& stream, const qt_min_max_args& a) {
  return a.element_type == QT_ELEMENT_BF16 ? MinMax<math::Bf16>(stream, a)
                                           : MinMax<float>(stream, a);
}

cudaError_t update_range(const Stream& stream, const qt_update_range_args& a) {
  return Launch(stream, dim3(1), UpdateRangeKernel, a);
}

cudaError_t merge_ranges(const Stream& stream, const qt_merge_ranges_args& a) {
  return Launch(stream, dim3(1), MergeRangesKernel, a);
}

cudaError_t range_to_qparams(const Stream& stream, const qt_range_to_qparams_args& a) {
  return ForChannels(stream, ToQparams{a}, a.channels);
}

}  // namespace qt::cuda
