// Ranges: minimum and maximum in one pass, the rules by which a range follows its batches, the merge
// of two devices' ranges, and range to scale and zero-point.
#include "cpu/extremes.h"
#include "cpu/kernel.h"
#include "math/range.h"

namespace qt::cpu::QT_ISA {
qt_status min_max(qt_context& ctx, const qt_min_max_args& a) {
  *a.nans = 0;
  return math::WithReal(a.element_type, [&](auto* type) {
    const auto* x = static_cast<const math::Pointed<decltype(type)>*>(a.x);
    return ObserveChannels(ctx, x, a.outer, a.channels, a.inner, [&](int64_t c, const Extremes& e) {
      StoreRange(e, a.min + c, a.max + c);
      *a.nans += e.nans;
    });
  });
}

qt_status update_range(qt_context&, const qt_update_range_args& a) {
  const int32_t count = *a.count, rule = a.rule;
  const float momentum = *a.momentum;
#pragma omp simd
  for (int64_t c = 0; c < a.channels; ++c) {
    math::FollowRange(rule, count, a.batch_min[c], a.batch_max[c], momentum, a.range_min + c,
                      a.range_max + c);
  }
  *a.count = math::AddCounts(count, 1);
  if (rule != QT_RANGE_EMA_DEBIASED) return QT_OK;
  const float weight = math::MovingAverage(count == 0 ? 0.0f : *a.weight, 1.0f, momentum);
  *a.weight = weight;
  for (int64_t c = 0; c < a.channels; ++c) {
    a.debiased_min[c] = a.range_min[c] / weight;
    a.debiased_max[c] = a.range_max[c] / weight;
  }
  return QT_OK;
}

qt_status merge_ranges(qt_context&, const qt_merge_ranges_args& a) {
  const int32_t count = *a.count, other = *a.other_count;
  for (int64_t c = 0; c < a.channels; ++c) {
    math::MergeRange(a.rule, count, other, a.other_min[c], a.other_max[c], a.range_min + c,
                     a.range_max + c);
  }
  if (a.rule == QT_RANGE_EMA_DEBIASED) {
    *a.weight = math::MergeAverages(*a.weight, count, *a.other_weight, other);
  }
  *a.count = math::AddCounts(count, other);
  return QT_OK;
}

qt_status range_to_qparams(qt_context&, const qt_range_to_qparams_args& a) {
  for (int64_t c = 0; c < a.channels; ++c) {
    math::RangeToQparams(a.range_min[c], a.range_max[c], a.qmin, a.qmax, a.symmetric != 0,
                         a.power_of_two != 0, a.scale + c, a.zero_point + c);
  }
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA
