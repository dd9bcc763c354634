// Minimum, maximum and number of NaN of runs of elements. Lanes see different elements; NaN compares
// false and is only counted. Exact in any order, so every decomposition gives the same bits.
#ifndef QUANTRAIN_CPU_EXTREMES_H_
#define QUANTRAIN_CPU_EXTREMES_H_

#include <string.h>

#include "cpu/channels.h"
#include "cpu/kernel.h"
#include "math/bf16.h"
#include "math/range.h"
#include "math/types.h"

namespace qt::cpu::QT_ISA {

constexpr float kInfinity = __builtin_inff();

// Of one channel.
struct Extremes {
  float min = kInfinity, max = -kInfinity;
  int64_t nans = 0;
};

inline void Join(const Extremes& b, Extremes* a) {
  a->min = b.min < a->min ? b.min : a->min;
  a->max = b.max > a->max ? b.max : a->max;
  a->nans += b.nans;
}

// The range of what was seen, 0 and 0 without any number.
inline void StoreRange(const Extremes& e, float* min, float* max) {
  const bool seen = e.min <= e.max;
  *min = math::RangeEnd(e.min, seen);
  *max = math::RangeEnd(e.max, seen);
}

// kLanes elements of rows that are `stride` apart; the lanes stay in registers.
template <int64_t kLanes, class T>
inline void ObserveFixed(const T* x, int64_t rows, int64_t stride, float* min, float* max,
                         int32_t* nans) {
  float lo[kLanes], hi[kLanes];
  int32_t count[kLanes];
  memcpy(lo, min, sizeof(lo));
  memcpy(hi, max, sizeof(hi));
  memcpy(count, nans, sizeof(count));
  for (int64_t r = 0; r < rows; ++r) {
    const T* p = x + r * stride;
#pragma omp simd
    for (int64_t j = 0; j < kLanes; ++j) {
      const float v = math::Widen(p[j]);
      lo[j] = v < lo[j] ? v : lo[j];
      hi[j] = v > hi[j] ? v : hi[j];
      count[j] += v != v ? 1 : 0;
    }
  }
  memcpy(min, lo, sizeof(lo));
  memcpy(max, hi, sizeof(hi));
  memcpy(nans, count, sizeof(count));
}

// The two halves of 2 * rows rows at once, half of the lanes each: one core reads two streams at 34
// GB/s and one at 25 (of 64 MB, on Zen 3 with two cores).
template <int64_t kLanes, class T>
inline void ObserveHalves(const T* x, int64_t rows, float* min, float* max, int32_t* nans) {
  constexpr int64_t kHalf = kLanes / 2;
  float lo[kLanes], hi[kLanes];
  int32_t count[kLanes];
  memcpy(lo, min, sizeof(lo));
  memcpy(hi, max, sizeof(hi));
  memcpy(count, nans, sizeof(count));
  for (int64_t r = 0; r < rows; ++r) {
    const T* const p = x + r * kHalf;
    const T* const q = p + rows * kHalf;
#pragma omp simd
    for (int64_t j = 0; j < kHalf; ++j) {
      const float v = math::Widen(p[j]), w = math::Widen(q[j]);
      lo[j] = v < lo[j] ? v : lo[j];
      hi[j] = v > hi[j] ? v : hi[j];
      count[j] += v != v ? 1 : 0;
      lo[kHalf + j] = w < lo[kHalf + j] ? w : lo[kHalf + j];
      hi[kHalf + j] = w > hi[kHalf + j] ? w : hi[kHalf + j];
      count[kHalf + j] += w != w ? 1 : 0;
    }
  }
  memcpy(min, lo, sizeof(lo));
  memcpy(max, hi, sizeof(hi));
  memcpy(nans, count, sizeof(count));
}

// A run of one channel, of at most 2^30 elements.
template <class T>
inline void ObserveRun(const T* x, int64_t n, Extremes* e) {
  constexpr int64_t kLanes = 32;
  float min[kLanes], max[kLanes];
  int32_t nans[kLanes];
  for (int64_t j = 0; j < kLanes; ++j) {
    min[j] = e->min;
    max[j] = e->max;
    nans[j] = 0;
  }
  const int64_t rows = n / kLanes;
  ObserveHalves<kLanes>(x, rows, min, max, nans);
  for (int64_t i = rows * kLanes; i < n; ++i) {
    const float v = math::Widen(x[i]);
    min[0] = v < min[0] ? v : min[0];
    max[0] = v > max[0] ? v : max[0];
    nans[0] += v != v ? 1 : 0;
  }
  for (int64_t j = 0; j < kLanes; ++j) Join({min[j], max[j], nans[j]}, e);
}

// Lanes in memory, for rows of channels: arrays of `lanes` values each.
struct LaneExtremes {
  float* min;
  float* max;
  int32_t* nans;
};

// Floats of scratch that LaneExtremes of one block take.
inline int64_t LaneExtremesFloats(int64_t lanes) { return 3 * lanes; }

inline LaneExtremes LaneExtremesAt(float* p, int64_t lanes) {
  return {p, p + lanes, reinterpret_cast<int32_t*>(p + 2 * lanes)};
}

inline void Start(const LaneExtremes& e, int64_t lanes) {
  for (int64_t j = 0; j < lanes; ++j) {
    e.min[j] = kInfinity;
    e.max[j] = -kInfinity;
    e.nans[j] = 0;
  }
}

// n elements, the first of them in lane 0. Of 64 lanes (up to 64 channels, a power of two) a half
// fits into the registers of AVX2, so 32 rows at a time, which stay in the first cache, are seen
// twice; else four rows at a time, for which the lanes are loaded and stored once.
template <class T>
inline void ObserveRows(const T* x, int64_t n, int64_t lanes, const LaneExtremes& e) {
  float* min = e.min;
  float* max = e.max;
  int32_t* nans = e.nans;
  int64_t i = 0;
  for (; lanes == 64 && i + 64 <= n; i += 32 * 64) {
    const int64_t rows = Min(32, (n - i) / 64);
    ObserveFixed<32>(x + i, rows, 64, min, max, nans);
    ObserveFixed<32>(x + i + 32, rows, 64, min + 32, max + 32, nans + 32);
  }
  if (lanes == 64) i = n / 64 * 64;
  for (; i + 4 * lanes <= n; i += 4 * lanes) {
    const T* p = x + i;
    Prefetch(p + 8 * lanes, 4 * lanes);
#pragma omp simd
    for (int64_t j = 0; j < lanes; ++j) {
      const float a = math::Widen(p[j]), b = math::Widen(p[j + lanes]);
      const float c = math::Widen(p[j + 2 * lanes]), d = math::Widen(p[j + 3 * lanes]);
      float lo = min[j], hi = max[j];
      lo = a < lo ? a : lo;
      hi = a > hi ? a : hi;
      lo = b < lo ? b : lo;
      hi = b > hi ? b : hi;
      lo = c < lo ? c : lo;
      hi = c > hi ? c : hi;
      lo = d < lo ? d : lo;
      hi = d > hi ? d : hi;
      min[j] = lo;
      max[j] = hi;
      nans[j] += (a != a ? 1 : 0) + (b != b ? 1 : 0) + (c != c ? 1 : 0) + (d != d ? 1 : 0);
    }
  }
  for (; i < n; i += lanes) {
    const int64_t width = Min(lanes, n - i);
    const T* p = x + i;
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) {
      const float v = math::Widen(p[j]);
      min[j] = v < min[j] ? v : min[j];
      max[j] = v > max[j] ? v : max[j];
      nans[j] += v != v ? 1 : 0;
    }
  }
}

// Joins the lanes of one channel over the blocks' lanes in scratch, `stride` floats apart. Lane l
// holds values of channel l / inner % channels.
inline Extremes JoinLanes(float* scratch, int64_t blocks, int64_t lanes, int64_t channels,
                          int64_t inner, int64_t channel, int64_t stride) {
  Extremes all;
  for (int64_t block = 0; block < blocks; ++block) {
    const LaneExtremes e = LaneExtremesAt(scratch + block * stride, lanes);
    for (int64_t first = channel * inner; first < lanes; first += channels * inner) {
      for (int64_t j = first; j < first + inner; ++j) Join({e.min[j], e.max[j], e.nans[j]}, &all);
    }
  }
  return all;
}

// Store(c, extremes) is called once per channel, in order, by the calling thread.

// One channel: a block of consecutive elements per thread.
template <class T, class Store>
inline qt_status ObserveFlat(qt_context& ctx, const T* x, int64_t n, Store store) {
  const int64_t block = Min(DivUp(DivUp(n, ctx.threads), kBlock) * kBlock, int64_t{1} << 30);
  const int64_t blocks = DivUp(n, Max(1, block));
  Extremes* const parts = ScratchArray<Extremes>(ctx, blocks);
  if (parts == nullptr) return QT_OUT_OF_MEMORY;
  ParallelBlocks(ctx, n, Max(1, block), [=](int64_t b, int64_t begin, int64_t end) {
    Extremes e;
    ObserveRun(x + begin, end - begin, &e);
    parts[b] = e;
  });
  Extremes all;
  for (int64_t b = 0; b < blocks; ++b) Join(parts[b], &all);
  store(0, all);
  return QT_OK;
}

// [rows, channels]: per-block lanes, then blocks and lanes in order.
template <class T, class Store>
inline qt_status ObserveColumns(qt_context& ctx, const T* x, int64_t rows, int64_t channels,
                                Store store) {
  const int64_t lanes = Lanes(channels);
  const int64_t step = RowsPerBlock(channels), blocks = DivUp(rows, step);
  float* const scratch = ScratchArray<float>(ctx, blocks * LaneExtremesFloats(lanes));
  if (scratch == nullptr) return QT_OUT_OF_MEMORY;
  ParallelBlocks(ctx, rows, step, [=](int64_t block, int64_t begin, int64_t end) {
    const LaneExtremes e = LaneExtremesAt(scratch + block * LaneExtremesFloats(lanes), lanes);
    Start(e, lanes);
    ObserveRows(x + begin * channels, (end - begin) * channels, lanes, e);
  });
  for (int64_t c = 0; c < channels; ++c) {
    store(c, JoinLanes(scratch, blocks, lanes, channels, 1, c, LaneExtremesFloats(lanes)));
  }
  return QT_OK;
}

// [outer, channels, inner] with inner > 1: threads take channels, or parts of long planes.
template <class T, class Store>
inline qt_status ObservePlanes(qt_context& ctx, const T* x, int64_t outer, int64_t channels,
                               int64_t inner, Store store) {
  const int64_t part = Max(1, Min(inner, int64_t{1} << 20)), parts = DivUp(inner, part);
  const int64_t items = parts > 1 ? outer * parts : 1;  // of a channel
  Extremes* const seen = ScratchArray<Extremes>(ctx, channels * items);
  if (seen == nullptr) return QT_OUT_OF_MEMORY;
  ParallelBlocks(ctx, channels * items, ItemsPerBlock(parts > 1 ? part : outer * inner),
                 [=](int64_t, int64_t begin, int64_t end) {
                   for (int64_t item = begin; item < end; ++item) {
                     Extremes e;
                     const int64_t c = item / items, rest = item % items;
                     if (parts > 1) {
                       const int64_t o = rest / parts, i = rest % parts * part;
                       ObserveRun(x + (o * channels + c) * inner + i, Min(part, inner - i), &e);
                     } else {
                       for (int64_t o = 0; o < outer; ++o) {
                         ObserveRun(x + (o * channels + c) * inner, inner, &e);
                       }
                     }
                     seen[item] = e;
                   }
                 });
  for (int64_t c = 0; c < channels; ++c) {
    Extremes all;
    for (int64_t i = 0; i < items; ++i) Join(seen[c * items + i], &all);
    store(c, all);
  }
  return QT_OK;
}

template <class T, class Store>
inline qt_status ObserveChannels(qt_context& ctx, const T* x, int64_t outer, int64_t channels,
                                 int64_t inner, Store store) {
  if (channels == 0) return QT_OK;
  if (inner == 0) outer = 0;  // however many nothings there are
  if (channels == 1) return ObserveFlat(ctx, x, outer * inner, store);
  if (inner == 1) return ObserveColumns(ctx, x, outer, channels, store);
  return ObservePlanes(ctx, x, outer, channels, inner, store);
}

}  // namespace qt::cpu::QT_ISA

#endif  // QUANTRAIN_CPU_EXTREMES_H_
