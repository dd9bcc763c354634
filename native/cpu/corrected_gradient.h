// The gradient of v = o * correction[c] + bias[c], o the output of a convolution, under a mask: dx
// and the channel's two sums in one pass. What the epilogue's backward kernels and that of the fold
// with correction have in common.
#ifndef QUANTRAIN_CPU_CORRECTED_GRADIENT_H_
#define QUANTRAIN_CPU_CORRECTED_GRADIENT_H_

#include "cpu/channels.h"
#include "cpu/kernel.h"
#include "cpu/runs.h"
#include "cpu/stream.h"
#include "cpu/words.h"
#include "math/bf16.h"
#include "math/requantize.h"

namespace qt::cpu::QT_ISA {

// Floats that the pass needs as scratch memory beside factor (a row of lanes): two sums per lane
// and block of rows.
inline int64_t CorrectedGradientScratch(int64_t rows, int64_t channels) {
  return 2 * Lanes(channels) * Max(1, DivUp(rows, RowsPerBlock(channels)));
}

// Adds the elements [i, i + n), part of a row of lanes from `lane` on, and writes dx where it is
// not null, one by one.
template <class Real, class Value>
inline void GradientOfLanes(const Real* dy, const uint8_t* mask, Real* dx, int64_t i, int64_t n,
                            int64_t lane, const float* factor, const Value& value, float* sum_d,
                            float* sum_dv) {
  for (int64_t j = 0; j < n; ++j) {
    const float d = SelectedAs<float>(dy, mask, i + j);
    sum_d[lane + j] += d;
    sum_dv[lane + j] += d * value.template At<float>(i + j, lane + j);
    if (dx != nullptr) math::Narrow(d * factor[lane + j], dx + i + j);
  }
}

#if QT_VECTORS
// Vectors of lanes that go down some rows together, their sums in registers, and their lanes.
constexpr int kVectorsTogether = 4;
constexpr int64_t kLanesTogether = kVectorsTogether * Vector::kSize;

// The same of `rows` rows, `lanes` apart, of kCount vectors of lanes. Meanwhile as many elements from
// `next` on are fetched, in their order.
template <int kCount, bool kStream, class Real, class Value>
inline void GradientOfRows(const Real* dy, const uint8_t* mask, Real* dx, int64_t first,
                           int64_t rows, int64_t lanes, int64_t lane, int64_t next,
                           const float* factor, const Value& value, float* sum_d, float* sum_dv) {
  Vector by_d[kCount], by_dv[kCount], by[kCount];
  for (int k = 0; k < kCount; ++k) {
    const int64_t at = lane + k * Vector::kSize;
    by_d[k] = LoadVector(sum_d + at);
    by_dv[k] = LoadVector(sum_dv + at);
    if (dx != nullptr) by[k] = LoadVector(factor + at);
  }
  for (int64_t r = 0; r < rows; ++r) {
    const int64_t i = first + r * lanes, ahead = next + r * kCount * Vector::kSize;
    Vector y[kCount];
    for (int k = 0; k < kCount; ++k) {
      const int64_t step = k * Vector::kSize;
      if (step % 16 == 0) {
        __builtin_prefetch(dy + ahead + step);
        value.Fetch(ahead + step);
      }
      const Vector d = SelectedAs<Vector>(dy, mask, i + step);
      by_d[k] = by_d[k] + d;
      by_dv[k] = by_dv[k] + d * value.template At<Vector>(i + step, lane + step);
      if (dx != nullptr) y[k] = d * by[k];
    }
    if (dx == nullptr) continue;
    if constexpr (kCount == kVectorsTogether) {
      StoreVectors<kStream>(y, dx + i);
    } else {
      for (int k = 0; k < kCount; ++k) StoreVector(y[k], dx + i + k * Vector::kSize);
    }
  }
  for (int k = 0; k < kCount; ++k) {
    const int64_t at = lane + k * Vector::kSize;
    StoreRegister<false>(AsInt(by_d[k]), sum_d + at);
    StoreRegister<false>(AsInt(by_dv[k]), sum_dv + at);
  }
}
#endif

// dx = d * factor[lane] where dx is not null; sums d and d * value.At(i, lane), d = mask ? dy : 0.
// Leaves them in partials[c] and partials[lanes + c]. A sum of a lane goes from row to row; vectors
// go down a few rows, which stay in the nearest cache, at a time, while the rows after them are
// fetched: in their order, because the hardware follows streams and no columns (two cores of Zen 3
// read 15 GB/s in order, with or without fetching ahead, and 11 in columns of such rows).
template <class Real, class Value>
void CorrectedGradient(qt_context& ctx, const Real* dy, const uint8_t* mask, Real* dx, int64_t rows,
                       int64_t channels, const float* factor, const Value& value,
                       float* partials) {
  const int64_t lanes = Lanes(channels), step = RowsPerBlock(channels);
#if QT_VECTORS
  const bool stream = Streams(rows * channels * static_cast<int64_t>(2 * sizeof(Real) + 4)) &&
                      static_cast<const void*>(dx) != dy &&
                      reinterpret_cast<uintptr_t>(dx) % 64 == 0 && lanes % kLanesTogether == 0;
#endif
  for (int64_t j = 0; j < 2 * lanes; ++j) partials[j] = 0.0f;  // stands for the sums of no rows
  ParallelBlocks(ctx, rows, step, [=](int64_t block, int64_t first, int64_t last) {
    float* const sum_d = partials + block * 2 * lanes;
    float* const sum_dv = sum_d + lanes;
    for (int64_t j = 0; j < 2 * lanes; ++j) sum_d[j] = 0.0f;
    int64_t i = first * channels;
    const int64_t end = last * channels;
#if QT_VECTORS
    const int64_t most = Max(1, kChunk / lanes);
    while (lanes % Vector::kSize == 0 && i + lanes <= end) {
      const int64_t together = Min(most, (end - i) / lanes);
      const auto rows_of = stream ? GradientOfRows<kVectorsTogether, true, Real, Value>
                                  : GradientOfRows<kVectorsTogether, false, Real, Value>;
      for (int64_t lane = 0; lane < lanes;) {
        const bool whole = lane + kLanesTogether <= lanes;
        const auto down = whole ? rows_of : GradientOfRows<1, false, Real, Value>;
        const int64_t next = i + together * (lanes + lane);
        down(dy, mask, dx, i + lane, together, lanes, lane, next, factor, value, sum_d, sum_dv);
        lane += whole ? kLanesTogether : Vector::kSize;
      }
      i += together * lanes;
    }
#endif
    for (; i < end; i += lanes) {
      GradientOfLanes(dy, mask, dx, i, Min(lanes, end - i), 0, factor, value, sum_d, sum_dv);
    }
  });
  CombineLanes(partials, Max(1, DivUp(rows, step)), channels, 2 * lanes);
}

// Values: none, and real numbers. Fetch(i) fetches the line of element i.
struct NoValue {
  void Fetch(int64_t) const {}
  template <class T>
  T At(int64_t, int64_t) const {
    return T(0.0f);
  }
};

template <class Real>
struct RealValue {
  const Real* x;
  void Fetch(int64_t i) const { __builtin_prefetch(x + i); }
  template <class T>
  T At(int64_t i, int64_t) const {
    return LoadAs<T>(x + i);
  }
};

// Accumulators: what they stand for, with a unit per lane.
struct AccValue {
  const int32_t* acc;
  const float* unit;
  void Fetch(int64_t i) const { __builtin_prefetch(acc + i); }
  template <class T>
  T At(int64_t i, int64_t lane) const {
    return math::DequantizeAcc(LoadIntAs<T>(acc + i), LoadAs<T>(unit + lane));
  }
};

}  // namespace qt::cpu::QT_ISA

#endif  // QUANTRAIN_CPU_CORRECTED_GRADIENT_H_
