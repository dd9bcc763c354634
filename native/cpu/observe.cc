// Observers: minimum and maximum in one pass, the moving average of a range, and range to scale and
// zero-point. Minimum and maximum are exact in any order, so every path (flat, channel last,
// channel outside) gives the same bits.
#include "cpu/channels.h"
#include "cpu/kernel.h"
#include "math/range.h"

namespace qt::cpu::QT_ISA {
namespace {

constexpr float kInfinity = __builtin_inff();

// Extremes of lanes that saw different elements; NaN compares false and is only counted.
struct Extremes {
  float* min;
  float* max;
  int32_t* nans;
};

inline void Start(const Extremes& e, int64_t lanes) {
  for (int64_t j = 0; j < lanes; ++j) {
    e.min[j] = kInfinity;
    e.max[j] = -kInfinity;
    e.nans[j] = 0;
  }
}

// Two rows of lanes at a time: half the loads and stores of the lanes.
inline void Observe(const float* x, int64_t n, int64_t lanes, const Extremes& e) {
  float* min = e.min;
  float* max = e.max;
  int32_t* nans = e.nans;
  int64_t i = 0;
  for (; i + 2 * lanes <= n; i += 2 * lanes) {
    const float* a = x + i;
    const float* b = a + lanes;
#pragma omp simd
    for (int64_t j = 0; j < lanes; ++j) {
      float lo = min[j], hi = max[j];
      lo = a[j] < lo ? a[j] : lo;
      hi = a[j] > hi ? a[j] : hi;
      lo = b[j] < lo ? b[j] : lo;
      hi = b[j] > hi ? b[j] : hi;
      min[j] = lo;
      max[j] = hi;
      nans[j] += (a[j] != a[j] ? 1 : 0) + (b[j] != b[j] ? 1 : 0);
    }
  }
  for (; i < n; i += lanes) {
    const int64_t width = Min(lanes, n - i);
    const float* a = x + i;
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) {
      min[j] = a[j] < min[j] ? a[j] : min[j];
      max[j] = a[j] > max[j] ? a[j] : max[j];
      nans[j] += a[j] != a[j] ? 1 : 0;
    }
  }
}

// min > max: no number was seen. Adding +0 turns -0 into +0.
inline void Store(float min, float max, float* out_min, float* out_max) {
  const bool none = min > max;
  *out_min = (none ? 0.0f : min) + 0.0f;
  *out_max = (none ? 0.0f : max) + 0.0f;
}

// [rows, channels]: per-block lanes, then blocks and lanes in order.
qt_status MinMaxRows(qt_context& ctx, const qt_min_max_args& a, int64_t rows) {
  const int64_t channels = a.channels, lanes = Lanes(channels);
  const int64_t step = RowsPerBlock(channels), blocks = DivUp(rows, step);
  float* const scratch = ScratchArray<float>(ctx, blocks * lanes * 3);
  if (scratch == nullptr) return QT_OUT_OF_MEMORY;
  const float* x = a.x;
  const auto extremes = [=](int64_t block) {
    float* p = scratch + block * lanes * 3;
    return Extremes{p, p + lanes, reinterpret_cast<int32_t*>(p + 2 * lanes)};
  };
  ParallelBlocks(ctx, rows, step, [=](int64_t block, int64_t begin, int64_t end) {
    const Extremes e = extremes(block);
    Start(e, lanes);
    Observe(x + begin * channels, (end - begin) * channels, lanes, e);
  });
  int64_t nans = 0;
  for (int64_t c = 0; c < channels; ++c) {
    float min = kInfinity, max = -kInfinity;
    for (int64_t block = 0; block < blocks; ++block) {
      const Extremes e = extremes(block);
      for (int64_t j = c; j < lanes; j += channels) {
        min = e.min[j] < min ? e.min[j] : min;
        max = e.max[j] > max ? e.max[j] : max;
        nans += e.nans[j];
      }
    }
    Store(min, max, a.min + c, a.max + c);
  }
  *a.nans = nans;
  return QT_OK;
}

// [outer, channels, inner] with inner > 1: threads take channels.
qt_status MinMaxPlanes(qt_context& ctx, const qt_min_max_args& args) {
  int64_t* const nans = ScratchArray<int64_t>(ctx, args.channels);
  if (nans == nullptr) return QT_OUT_OF_MEMORY;
  const qt_min_max_args a = args;
  ParallelBlocks(ctx, a.channels, ItemsPerBlock(a.outer * a.inner),
                 [=](int64_t, int64_t begin, int64_t end) {
                   constexpr int64_t kLanes = 64;
                   float min[kLanes], max[kLanes];
                   int32_t count[kLanes];
                   const Extremes e{min, max, count};
                   for (int64_t c = begin; c < end; ++c) {
                     float least = kInfinity, most = -kInfinity;
                     int64_t total = 0;
                     for (int64_t o = 0; o < a.outer; ++o) {
                       const float* x = a.x + (o * a.channels + c) * a.inner;
                       // Parts bound the int32 counts.
                       for (int64_t i = 0; i < a.inner; i += int64_t{1} << 30) {
                         Start(e, kLanes);
                         Observe(x + i, Min(a.inner - i, int64_t{1} << 30), kLanes, e);
                         for (int64_t j = 0; j < kLanes; ++j) {
                           least = min[j] < least ? min[j] : least;
                           most = max[j] > most ? max[j] : most;
                           total += count[j];
                         }
                       }
                     }
                     Store(least, most, a.min + c, a.max + c);
                     nans[c] = total;
                   }
                 });
  int64_t total = 0;
  for (int64_t c = 0; c < a.channels; ++c) total += nans[c];
  *a.nans = total;
  return QT_OK;
}

}  // namespace

qt_status min_max(qt_context& ctx, const qt_min_max_args& a) {
  if (a.channels == 1) return MinMaxRows(ctx, a, a.outer * a.inner);
  if (a.inner == 1 && a.channels > 0) return MinMaxRows(ctx, a, a.outer);
  return MinMaxPlanes(ctx, a);
}

qt_status update_range(qt_context&, const qt_update_range_args& a) {
  const bool first = *a.count == 0;
  const float momentum = *a.momentum;
#pragma omp simd
  for (int64_t c = 0; c < a.channels; ++c) {
    const float min = a.batch_min[c], max = a.batch_max[c];
    a.range_min[c] = first ? min : math::MovingAverage(a.range_min[c], min, momentum);
    a.range_max[c] = first ? max : math::MovingAverage(a.range_max[c], max, momentum);
  }
  if (*a.count < INT32_MAX) ++*a.count;
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
