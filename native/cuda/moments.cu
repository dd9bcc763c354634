// Moments per channel, the merge of two sets of them, and the range they leave of an observed one.
// Sums are in double, in the fixed order of device/reduce.h: another tree than the CPU's, so results
// agree to the roundings of double, before the one to float.
#include "math/moments.h"

#include "cuda/device/reduce.h"
#include "cuda/device/rows.h"
#include "cuda/kernels.h"
#include "math/bf16.h"

namespace qt::cuda {
namespace {

template <class T>
struct MomentsReducer {
  using Total = math::PowerSums;
  qt_moments_args a;

  __device__ Total Zero() const { return {0.0, 0.0, 0.0, 0}; }
  __device__ void Add(Total* total, int64_t element, int64_t) const {
    math::AddValue(math::Widen(static_cast<const T*>(a.x)[element]), total);
  }
  __device__ Total Combine(Total p, Total q) const { return math::AddSums(p, q); }
  __device__ void Store(int64_t c, Total total) const {
    math::MergeIntoState(math::MomentsOf(total), a.count + c, a.mean + c, a.m2 + c,
                         a.mean_abs + c, a.std == nullptr ? nullptr : a.std + c);
  }
};

struct MergeChannel {
  qt_merge_moments_args a;
  __device__ void operator()(int64_t c) const {
    math::MergeIntoState({a.other_count[c], static_cast<double>(a.other_mean[c]),
                          static_cast<double>(a.other_m2[c]),
                          static_cast<double>(a.other_mean_abs[c])},
                         a.count + c, a.mean + c, a.m2 + c, a.mean_abs + c,
                         a.std == nullptr ? nullptr : a.std + c);
  }
};

struct StdRangeChannel {
  qt_std_range_args a;
  __device__ void operator()(int64_t c) const {
    math::StdRange(a.range_min[c], a.range_max[c], a.count[c], a.mean[c], a.std[c], a.k, a.min + c,
                   a.max + c);
  }
};

}  // namespace

cudaError_t moments(const Stream& stream, const qt_moments_args& a) {
  if (a.element_type == QT_ELEMENT_BF16) {
    return ReduceChannels(stream, MomentsReducer<math::Bf16>{a}, a.outer, a.channels, a.inner);
  }
  return ReduceChannels(stream, MomentsReducer<float>{a}, a.outer, a.channels, a.inner);
}

cudaError_t merge_moments(const Stream& stream, const qt_merge_moments_args& a) {
  return ForChannels(stream, MergeChannel{a}, a.channels);
}

cudaError_t std_range(const Stream& stream, const qt_std_range_args& a) {
  return ForChannels(stream, StdRangeChannel{a}, a.channels);
}

}  // namespace qt::cuda
