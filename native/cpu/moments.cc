// Moments in one pass, their merge, and the range that they leave of an observed one. Sums are in
// double: per block in lanes, lanes and blocks pairwise, so that the order depends on the shape only.
#include "math/moments.h"

#include <string.h>

#include "cpu/channels.h"
#include "cpu/kernel.h"
#include "math/types.h"

namespace qt::cpu::QT_ISA {
namespace {

using math::PowerSums;

// A formula of math/ is inlined always, so it cannot be passed as a function.
constexpr auto kAddSums = [](const PowerSums& a, const PowerSums& b) {
  return math::AddSums(a, b);
};

// Fast: values are taken as finite; the magnitudes' sum of a double is not finite if one was not
// (floats cannot overflow it), and the caller sums again, carefully. Neither order nor rounding
// differs. Four values of a lane at a time, as a tree.
template <bool kCareful, class T>
inline void SumLanes(const T* x, int64_t rows, int64_t lanes, double* sum, double* squares,
                     double* magnitudes, double* counts) {
  const auto value = [](T e) {
    const float f = math::Widen(e);
    return static_cast<double>(!kCareful ? f : fabsf(f) <= math::kFloatMax ? f : 0.0f);
  };
  const auto finite = [](T e) { return fabsf(math::Widen(e)) <= math::kFloatMax ? 1 : 0; };
  int64_t r = 0;
  for (; r + 4 <= rows; r += 4) {
    const T* p = x + r * lanes;
    Prefetch(p + Max(8 * lanes, 512), 4 * lanes);
#pragma omp simd
    for (int64_t j = 0; j < lanes; ++j) {
      const int64_t k = j + lanes, l = k + lanes, m = l + lanes;
      const double a = value(p[j]), b = value(p[k]), c = value(p[l]), d = value(p[m]);
      sum[j] += (a + b) + (c + d);
      squares[j] += (a * a + b * b) + (c * c + d * d);
      magnitudes[j] += (fabs(a) + fabs(b)) + (fabs(c) + fabs(d));
    }
    if (kCareful) {
#pragma omp simd
      for (int64_t j = 0; j < lanes; ++j) {
        const int64_t k = j + lanes, l = k + lanes, m = l + lanes;
        const int32_t four = (finite(p[j]) + finite(p[k])) + (finite(p[l]) + finite(p[m]));
        counts[j] += static_cast<double>(four);
      }
    }
  }
  for (; r < rows; ++r) {
    const T* p = x + r * lanes;
#pragma omp simd
    for (int64_t j = 0; j < lanes; ++j) {
      const double v = value(p[j]);
      sum[j] += v;
      squares[j] += v * v;
      magnitudes[j] += fabs(v);
    }
    for (int64_t j = 0; kCareful && j < lanes; ++j) counts[j] += static_cast<double>(finite(p[j]));
  }
  for (int64_t j = 0; !kCareful && j < lanes; ++j) counts[j] += static_cast<double>(rows);
}

// A run of one channel, in 16 lanes.
constexpr int64_t kRunLanes = 16;

struct RunSums {
  double sum[kRunLanes] = {}, squares[kRunLanes] = {}, magnitudes[kRunLanes] = {};
  double counts[kRunLanes] = {};
};

template <bool kCareful, class T>
inline PowerSums SumRun(const T* x, int64_t n) {
  RunSums s;
  SumLanes<kCareful>(x, n / kRunLanes, kRunLanes, s.sum, s.squares, s.magnitudes, s.counts);
  PowerSums lanes[kRunLanes];
  for (int64_t j = 0; j < kRunLanes; ++j) {
    lanes[j] = {s.sum[j], s.squares[j], s.magnitudes[j], static_cast<int64_t>(s.counts[j])};
  }
  const T* tail = x + n / kRunLanes * kRunLanes;
  for (int64_t j = 0; j < n % kRunLanes; ++j) math::AddValue(math::Widen(tail[j]), &lanes[j]);
  CombinePairwise(lanes, kRunLanes, 1, kAddSums);
  return lanes[0];
}

inline bool IsFiniteSum(double sum) { return sum - sum == 0.0; }

template <class T>
inline PowerSums SumRun(const T* x, int64_t n) {
  const PowerSums sums = SumRun<false>(x, n);
  return IsFiniteSum(sums.magnitudes) ? sums : SumRun<true>(x, n);
}

// Sums of rows of lanes, in memory: [sum, squares, magnitudes, counts][lanes].
inline int64_t LaneSumsDoubles(int64_t lanes) { return 4 * lanes; }

template <bool kCareful, class T>
inline void SumRows(const T* x, int64_t n, int64_t lanes, double* sums) {
  double* const squares = sums + lanes;
  double* const magnitudes = squares + lanes;
  double* const counts = magnitudes + lanes;
  memset(sums, 0, sizeof(double) * LaneSumsDoubles(lanes));
  const int64_t rows = n / lanes;
  SumLanes<kCareful>(x, rows, lanes, sums, squares, magnitudes, counts);
  for (int64_t j = 0; j < n - rows * lanes; ++j) {
    PowerSums s = {sums[j], squares[j], magnitudes[j], static_cast<int64_t>(counts[j])};
    math::AddValue(math::Widen(x[rows * lanes + j]), &s);
    sums[j] = s.sum;
    squares[j] = s.squares;
    magnitudes[j] = s.magnitudes;
    counts[j] = static_cast<double>(s.count);
  }
}

template <class T>
inline void SumRows(const T* x, int64_t n, int64_t lanes, double* sums) {
  SumRows<false>(x, n, lanes, sums);
  bool finite = true;
  for (int64_t j = 0; j < lanes; ++j) finite = finite && IsFiniteSum(sums[2 * lanes + j]);
  if (!finite) SumRows<true>(x, n, lanes, sums);
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
  for (int64_t i = 0; a.outer == 0 && i < width; ++i) sums[i] = 0.0;
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
    CombinePairwise(sums + c * items, items, 1, kAddSums);
    Store(sums[c * items], a, c);
  }
  return QT_OK;
}

}  // namespace

qt_status moments(qt_context& ctx, const qt_moments_args& a) {
  return math::WithReal(a.element_type, [&](auto* type) {
    const auto* x = static_cast<const math::Pointed<decltype(type)>*>(a.x);
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

qt_status std_range(qt_context&, const qt_std_range_args& a) {
  for (int64_t c = 0; c < a.channels; ++c) {
    math::StdRange(a.range_min[c], a.range_max[c], a.count[c], a.mean[c], a.std[c], a.k, a.min + c,
                   a.max + c);
  }
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA
