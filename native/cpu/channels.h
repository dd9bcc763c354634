// [rows, channels] kernels with one value per channel, vectorized whatever the number of channels
// is. A few channels (1, 3, 16) would leave most of a vector idle, so G = 64 / channels rows are
// taken as one row of G * channels "lanes", and per-channel values are repeated G times. G depends
// on the shape only, so column sums have one order: per block, 4 lane rows at a time as a tree,
// then lane row by lane row; blocks pairwise; then the G copies pairwise.
#ifndef QUANTRAIN_CPU_CHANNELS_H_
#define QUANTRAIN_CPU_CHANNELS_H_

#include <stdint.h>

#include "cpu/stream.h"
#include "math/bf16.h"

namespace qt::cpu::QT_ISA {

// Copies of every channel in one lane row, and its width.
inline int64_t LaneCopies(int64_t channels) { return Max(1, 64 / Max(1, channels)); }
inline int64_t Lanes(int64_t channels) { return Max(1, LaneCopies(channels) * channels); }

// lanes[g * channels + c] = values[c]
template <class Real>
inline void RepeatChannels(const Real* values, int64_t channels, float* lanes) {
  const int64_t copies = LaneCopies(channels);
  for (int64_t g = 0; g < copies; ++g) {
    for (int64_t c = 0; c < channels; ++c) lanes[g * channels + c] = math::Widen(values[c]);
  }
}

// f(i, lane) for the elements [begin, end) of rows; begin is the first element of a row.
template <class F>
inline void ForLanes(int64_t begin, int64_t end, int64_t lanes, F f) {
  for (int64_t i = begin; i < end; i += lanes) {
    const int64_t width = Min(lanes, end - i);
#pragma omp simd
    for (int64_t j = 0; j < width; ++j) f(i + j, j);
  }
}

// Calls body(i, lane, n) for the runs of a chunk of `width` elements that begins in `lane`: elements i
// .. i + n - 1 of the chunk lie in the lanes from `lane` on. Returns the lane of what follows.
template <class Body>
inline int64_t ForLaneRuns(int64_t width, int64_t lanes, int64_t lane, Body body) {
  for (int64_t i = 0; i < width;) {
    const int64_t n = Min(lanes - lane, width - i);
    body(i, lane, n);
    i += n;
    lane = lane + n == lanes ? 0 : lane + n;
  }
  return lane;
}

// sums[lane] += value(i, lane) over the elements [begin, end).
template <class T, class Value>
inline void SumLanes(int64_t begin, int64_t end, int64_t lanes, T* sums, Value value) {
  int64_t i = begin;
  for (; i + 4 * lanes <= end; i += 4 * lanes) {
#pragma omp simd
    for (int64_t j = 0; j < lanes; ++j) {
      const T low = value(i + j, j) + value(i + lanes + j, j);
      const T high = value(i + 2 * lanes + j, j) + value(i + 3 * lanes + j, j);
      sums[j] += low + high;
    }
  }
  ForLanes(i, end, lanes, [=](int64_t k, int64_t j) { sums[j] += value(k, j); });
}

// Sums partials[blocks][width], blocks first, then the copies. width is a multiple of
// Lanes(channels), one for each kind of sum; kind v is left in partials[v * Lanes(channels) + c].
template <class T>
inline void CombineLanes(T* partials, int64_t blocks, int64_t channels, int64_t width) {
  const auto add = [](T a, T b) { return a + b; };
  CombinePairwise(partials, blocks, width, add);
  const int64_t lanes = Lanes(channels);
  for (int64_t v = 0; v < width; v += lanes) {
    CombinePairwise(partials + v, LaneCopies(channels), channels, add);
  }
}

// Elements, whole lane rows, that stay in the nearest cache while several sums are taken of them.
inline int64_t LaneChunk(int64_t lanes) { return Max(1, 512 / lanes) * 4 * lanes; }

}  // namespace qt::cpu::QT_ISA

#endif  // QUANTRAIN_CPU_CHANNELS_H_
