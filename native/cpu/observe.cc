// Ranges: minimum and maximum in one pass, the rules by which a range follows its batches, the merge
// of two devices' ranges, and range to scale and zero-point.
#include "cpu/extremes.h"
#include "cpu/kernel.h"
#include "math/range.h"

namespace qt::cpu::QT_ISA {
namespace {

// One channel: blocks of consecutive elements.
template <class T>
qt_status MinMaxFlat(qt_context& ctx, const T* x, const qt_min_max_args& a) {
  const int64_t n = a.outer * a.inner;
  Extremes* const parts = ScratchArray<Extremes>(ctx, DivUp(n, kBlock));
  if (parts == nullptr) return QT_OUT_OF_MEMORY;
  ParallelBlocks(ctx, n, kBlock, [=](int64_t block, int64_t begin, int64_t end) {
    Extremes e;
    ObserveRun(x + begin, end - begin, &e);
    parts[block] = e;
  });
  Extremes all;
  for (int64_t block = 0; block < DivUp(n, kBlock); ++block) Join(parts[block], &all);
  StoreRange(all, a.min, a.max);
  *a.nans = all.nans;
  return QT_OK;
}

// [rows, channels]: per-block lanes, then blocks and lanes in order.
template <class T>
qt_status MinMaxRows(qt_context& ctx, const T* x, const qt_min_max_args& a) {
  const int64_t channels = a.channels, lanes = Lanes(channels);
  const int64_t step = RowsPerBlock(channels), blocks = DivUp(a.outer, step);
  float* const scratch = ScratchArray<float>(ctx, blocks * LaneExtremesFloats(lanes));
  if (scratch == nullptr) return QT_OUT_OF_MEMORY;
  ParallelBlocks(ctx, a.outer, step, [=](int64_t block, int64_t begin, int64_t end) {
    const LaneExtremes e = LaneExtremesAt(scratch + block * LaneExtremesFloats(lanes), lanes);
    Start(e, lanes);
    ObserveRows(x + begin * channels, (end - begin) * channels, lanes, e);
  });
  int64_t nans = 0;
  for (int64_t c = 0; c < channels; ++c) {
    const Extremes all = JoinLanes(scratch, blocks, channels, c);
    StoreRange(all, a.min + c, a.max + c);
    nans += all.nans;
  }
  *a.nans = nans;
  return QT_OK;
}

// [outer, channels, inner] with inner > 1: threads take channels, or parts of long channels.
template <class T>
qt_status MinMaxPlanes(qt_context& ctx, const T* x, const qt_min_max_args& args) {
  const qt_min_max_args a = args;
  // Items are (channel, outer, part of a plane).
  const int64_t part = Min(a.inner, int64_t{1} << 20), parts = DivUp(a.inner, part);
  const int64_t items_per_channel = parts > 1 ? a.outer * parts : 1;
  const int64_t items = a.channels * items_per_channel;
  Extremes* const seen = ScratchArray<Extremes>(ctx, items);
  if (seen == nullptr) return QT_OUT_OF_MEMORY;
  const int64_t elements = parts > 1 ? part : a.outer * a.inner;
  ParallelBlocks(ctx, items, ItemsPerBlock(elements), [=](int64_t, int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      Extremes e;
      const int64_t c = item / items_per_channel, rest = item % items_per_channel;
      if (parts > 1) {
        const int64_t o = rest / parts, i = rest % parts * part;
        ObserveRun(x + (o * a.channels + c) * a.inner + i, Min(part, a.inner - i), &e);
      } else {
        for (int64_t o = 0; o < a.outer; ++o) {
          ObserveRun(x + (o * a.channels + c) * a.inner, a.inner, &e);
        }
      }
      seen[item] = e;
    }
  });
  int64_t nans = 0;
  for (int64_t c = 0; c < a.channels; ++c) {
    Extremes all;
    for (int64_t i = 0; i < items_per_channel; ++i) Join(seen[c * items_per_channel + i], &all);
    StoreRange(all, a.min + c, a.max + c);
    nans += all.nans;
  }
  *a.nans = nans;
  return QT_OK;
}

}  // namespace

qt_status min_max(qt_context& ctx, const qt_min_max_args& a) {
  return WithReal(a.element_type, [&](auto* type) {
    const auto* x = static_cast<decltype(type)>(a.x);
    if (a.channels == 1) return MinMaxFlat(ctx, x, a);
    if (a.inner == 1) return MinMaxRows(ctx, x, a);
    return MinMaxPlanes(ctx, x, a);
  });
}

qt_status update_range(qt_context&, const qt_update_range_args& a) {
  const bool first = *a.count == 0;
  const float momentum = *a.momentum;
  const int32_t rule = a.rule;
#pragma omp simd
  for (int64_t c = 0; c < a.channels; ++c) {
    math::FollowRange(rule, first, a.batch_min[c], a.batch_max[c], momentum, a.range_min + c,
                      a.range_max + c);
  }
  *a.count = math::AddCounts(*a.count, 1);
  if (rule != QT_RANGE_EMA_DEBIASED) return QT_OK;
  const float weight = math::MovingAverage(first ? 0.0f : *a.weight, 1.0f, momentum);
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
                         a.scale + c, a.zero_point + c);
  }
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA
