// The gradient of v = o * correction[c] + bias[c], o the output of a convolution, under a mask: dx
// and the channel's two sums in one pass. What the epilogue's backward kernels and that of the fold
// with correction have in common.
#ifndef QUANTRAIN_CPU_CORRECTED_GRADIENT_H_
#define QUANTRAIN_CPU_CORRECTED_GRADIENT_H_

#include "cpu/channels.h"
#include "cpu/kernel.h"
#include "cpu/mask.h"
#include "cpu/stream.h"
#include "math/bf16.h"

namespace qt::cpu::QT_ISA {

// Floats that the pass needs as scratch memory beside factor (a row of lanes): two sums per lane
// and block of rows.
inline int64_t CorrectedGradientScratch(int64_t rows, int64_t channels) {
  return 2 * Lanes(channels) * Max(1, DivUp(rows, RowsPerBlock(channels)));
}

// dx = d * factor[lane] where dx is not null; sums d and d * value(i, lane), d = mask ? dy : 0.
// Leaves them in partials[c] and partials[lanes + c].
template <class T, class Value>
void CorrectedGradient(qt_context& ctx, const T* dy, const uint8_t* mask, T* dx, int64_t rows,
                       int64_t channels, const float* factor, Value value, float* partials) {
  constexpr int64_t kChunk = 1024;
  const int64_t lanes = Lanes(channels), step = RowsPerBlock(channels);
  const bool stream = Streams(rows * channels * static_cast<int64_t>(2 * sizeof(T) + 4));
  for (int64_t j = 0; j < 2 * lanes; ++j) partials[j] = 0.0f;  // stands for the sums of no rows
  ParallelBlocks(ctx, rows, step, [=](int64_t block, int64_t first, int64_t last) {
    float d[kChunk];
    ChunkOut<T, kChunk> chunks(stream);
    float* const sum_d = partials + block * 2 * lanes;
    float* const sum_dv = sum_d + lanes;
    for (int64_t j = 0; j < 2 * lanes; ++j) sum_d[j] = 0.0f;
    const int64_t end = last * channels;
    int64_t lane = 0;
    for (int64_t chunk = first * channels; chunk < end; chunk += kChunk) {
      const int64_t width = Min(end - chunk, kChunk);
#pragma omp simd
      for (int64_t i = 0; i < width; ++i) d[i] = math::Widen(dy[chunk + i]);
      if (mask != nullptr) MaskSelect(d, mask + chunk / 8, width, d);
      T* const out = dx == nullptr ? nullptr : chunks.At(dx + chunk);
      lane = ForLaneRuns(width, lanes, lane, [&](int64_t i, int64_t j, int64_t n) {
        const float* const in = d + i;
        float* const by_d = sum_d + j;
        float* const by_dv = sum_dv + j;
        const int64_t at = chunk + i;
#pragma omp simd
        for (int64_t k = 0; k < n; ++k) {
          by_d[k] += in[k];
          by_dv[k] += in[k] * value(at + k, j + k);
        }
        if (out == nullptr) return;
        const float* const by = factor + j;
        T* const to = out + i;
#pragma omp simd
        for (int64_t k = 0; k < n; ++k) math::Narrow(in[k] * by[k], to + k);
      });
      if (dx != nullptr) chunks.Done(dx + chunk, width);
    }
  });
  CombineLanes(partials, Max(1, DivUp(rows, step)), channels, 2 * lanes);
}

}  // namespace qt::cpu::QT_ISA

#endif  // QUANTRAIN_CPU_CORRECTED_GRADIENT_H_
