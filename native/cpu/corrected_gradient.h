// The gradient of v = o * correction[c] + bias[c], o the output of a convolution, under a mask: dx
// and the channel's two sums in one pass. What the epilogue's backward kernels and that of the fold
// with correction have in common.
#ifndef QUANTRAIN_CPU_CORRECTED_GRADIENT_H_
#define QUANTRAIN_CPU_CORRECTED_GRADIENT_H_

#include "cpu/channels.h"
#include "cpu/kernel.h"
#include "cpu/mask.h"
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
  for (int64_t j = 0; j < 2 * lanes; ++j) partials[j] = 0.0f;  // stands for the sums of no rows
  ParallelBlocks(ctx, rows, step, [=](int64_t block, int64_t first, int64_t last) {
    float d[kChunk];
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
      for (int64_t i = 0; i < width;) {
        const int64_t n = Min(lanes - lane, width - i), at = chunk + i;
        float* const out_d = sum_d + lane;
        float* const out_dv = sum_dv + lane;
        const float* const in = d + i;
        const float* const by = factor + lane;
        const int64_t base = lane;
        if (dx != nullptr) {
          T* const out = dx + at;
#pragma omp simd
          for (int64_t k = 0; k < n; ++k) {
            out_d[k] += in[k];
            out_dv[k] += in[k] * value(at + k, base + k);
            math::Narrow(in[k] * by[k], out + k);
          }
        } else {
#pragma omp simd
          for (int64_t k = 0; k < n; ++k) {
            out_d[k] += in[k];
            out_dv[k] += in[k] * value(at + k, base + k);
          }
        }
        i += n;
        lane = lane + n == lanes ? 0 : lane + n;
      }
    }
  });
  CombineLanes(partials, Max(1, DivUp(rows, step)), channels, 2 * lanes);
}

}  // namespace qt::cpu::QT_ISA

#endif  // QUANTRAIN_CPU_CORRECTED_GRADIENT_H_
