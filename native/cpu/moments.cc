// Moments in one pass. Sums are in double: per block in lanes, lanes and blocks pairwise, so that the
// order depends on the shape only.
#include "math/moments.h"

#include "cpu/channels.h"
#include "cpu/extremes.h"
#include "cpu/kernel.h"

namespace qt::cpu::QT_ISA {
namespace {

using math::PowerSums;

// A run of one channel in 16 lanes, which stay in registers.
template <class T>
inline PowerSums SumRun(const T* x, int64_t n) {
  constexpr int64_t kLanes = 16;
  double sum[kLanes] = {0.0}, squares[kLanes] = {0.0}, magnitudes[kLanes] = {0.0};
  int32_t counts[kLanes] = {0};
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
#pragma omp simd
    for (int64_t j = 0; j < kLanes; ++j) {
      const float f = math::Widen(x[i + j]);
      const bool finite = math::IsFinite(f);
      const double v = static_cast<double>(finite ? f : 0.0f);
      sum[j] += v;
      squares[j] += v * v;
      magnitudes[j] += fabs(v);
      counts[j] += finite ? 1 : 0;
    }
  }
  PowerSums lanes[kLanes];
  for (int64_t j = 0; j < kLanes; ++j) lanes[j] = {sum[j], squares[j], magnitudes[j], counts[j]};
  for (int64_t j = 0; i + j < n; ++j) math::AddValue(math::Widen(x[i + j]), &lanes[j]);
  CombinePairwise(lanes, kLanes, 1, math::AddSums);
  return lanes[0];
}

// Sums of rows of lanes, in memory: [sum, squares, magnitudes][lanes] and the counts behind them.
inline int64_t LaneSumsDoubles(int64_t lanes) { return 4 * lanes; }

// Four rows of lanes at a time, as a tree.
template <class T>
inline void SumRows(const T* x, int64_t n, int64_t lanes, double* sums) {
  double* squares = sums + lanes;
  double* magnitudes = squares + lanes;
  double* counts = magnitudes + lanes;
  const auto value = [](T e) {
    const float f = math::Widen(e);
    return static_cast<double>(math::IsFinite(f) ? f : 0.0f);
  };
  const auto finite = [](T e) { return math::IsFinite(math::Widen(e)) ? 1.0f : 0.0f; };
  int64_t i = 0;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    const T* p = x + i;
#pragma omp simd
    for (int64_t j = 0; j < lanes; ++j) {
      const T pa = p[j], pb = p[j + lanes], pc = p[j + 2 * lanes], pd = p[j + 3 * lanes];
      const double a = value(pa), b = value(pb), c = value(pc), d = value(pd);
      sums[j] += (a + b) + (c + d);
      squares[j] += (a * a + b * b) + (c * c + d * d);
      magnitudes[j] += (fabs(a) + fabs(b)) + (fabs(c) + fabs(d));
      counts[j] += static_cast<double>((finite(pa) + finite(pb)) + (finite(pc) + finite(pd)));
    }
  }
  for (; i < n; i += lanes) {
    const int64_t width = Min(lanes, n - i);
    const T* p = x + i;
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) {
      const double v = value(p[j]);
      sums[j] += v;
      squares[j] += v * v;
      magnitudes[j] += fabs(v);
      counts[j] += static_cast<double>(finite(p[j]));
    }
  }
}

void Store(const PowerSums& sums, const qt_moments_args& a, int64_t c) {
  math::MergeIntoState(math::MomentsOf(sums), a.count + c, a.mean + c, a.m2 + c, a.mean_abs + c,
                       a.std == nullptr ? nullptr : a.std + c);
}

// [rows, channels] with several channels.
template <class T>
qt_status MomentsRows(qt_context& ctx, const T* x, const qt_moments_args& a) {
  const int64_t channels = a.channels, lanes = Lanes(channels), width = LaneSumsDoubles(lanes);
  const int64_t step = RowsPerBlock(channels), blocks = Max(1, DivUp(a.outer, step));
  double* const sums = ScratchArray<double>(ctx, blocks * width);
  if (sums == nullptr) return QT_OUT_OF_MEMORY;
  for (int64_t i = 0; i < blocks * width; ++i) sums[i] = 0.0;
  ParallelBlocks(ctx, a.outer, step, [=](int64_t block, int64_t begin, int64_t end) {
    SumRows(x + begin * channels, (end - begin) * channels, lanes, sums + block * width);
  });
  const auto add = [](double p, double q) { return p + q; };
  CombinePairwise(sums, blocks, width, add);
  for (int64_t v = 0; v < width; v += lanes) {
    CombinePairwise(sums + v, LaneCopies(channels), channels, add);
  }
  for (int64_t c = 0; c < channels; ++c) {
    const double* p = sums + c;
    Store({p[0], p[lanes], p[2 * lanes], static_cast<int64_t>(p[3 * lanes])}, a, c);
  }
  return QT_OK;
}

// [outer, channels, inner], or one channel: blocks of a channel's plane, combined in order.
template <class T>
qt_status MomentsPlanes(qt_context& ctx, const T* x, const qt_moments_args& args) {
  qt_moments_args a = args;
  if (a.channels == 1) {
    a.inner *= a.outer;
    a.outer = 1;
  }
  const int64_t parts = DivUp(a.inner, kBlock), items = a.outer * parts;
  PowerSums* const sums = ScratchArray<PowerSums>(ctx, Max(1, a.channels * items));
  if (sums == nullptr) return QT_OUT_OF_MEMORY;
  ParallelBlocks(ctx, a.channels * items, ItemsPerBlock(Min(a.inner, kBlock)),
                 [=](int64_t, int64_t begin, int64_t end) {
                   for (int64_t item = begin; item < end; ++item) {
                     const int64_t c = item / items, o = item % items / parts;
                     const int64_t i = item % parts * kBlock;
                     sums[item] = SumRun(x + (o * a.channels + c) * a.inner + i,
                                         Min(kBlock, a.inner - i));
                   }
                 });
  for (int64_t c = 0; c < a.channels; ++c) {
    if (items == 0) {
      Store({0.0, 0.0, 0.0, 0}, a, c);
      continue;
    }
    CombinePairwise(sums + c * items, items, 1, math::AddSums);
    Store(sums[c * items], a, c);
  }
  return QT_OK;
}

}  // namespace

qt_status moments(qt_context& ctx, const qt_moments_args& a) {
  return WithReal(a.element_type, [&](auto* type) {
    const auto* x = static_cast<decltype(type)>(a.x);
    return a.inner == 1 && a.channels > 1 ? MomentsRows(ctx, x, a) : MomentsPlanes(ctx, x, a);
  });
}

qt_status merge_moments(qt_context&, const qt_merge_moments_args& a) {
  for (int64_t c = 0; c < a.channels; ++c) {
    math::MergeIntoState({a.other_count[c], static_cast<double>(a.other_mean[c]),
                          static_cast<double>(a.other_m2[c]),
                          static_cast<double>(a.other_mean_abs[c])},
                         a.count + c, a.mean + c, a.m2 + c, a.mean_abs + c,
                         a.std == nullptr ? nullptr : a.std + c);
  }
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA
