// Batch norm over an integer convolution, absorbed into the channel's scale, and its gradient. The
// forward is a few operations per channel; the backward reads dy, mask and acc twice (two sums,
// then the gradient). Sums are in a fixed order: per block of rows, blocks pairwise, lanes
// pairwise.
#include "math/batch_norm.h"
#include "cpu/channels.h"
#include "cpu/kernel.h"
#include "cpu/masked_lanes.h"
#include "cpu/stream.h"

namespace qt::cpu::QT_ISA {
qt_status batch_norm_absorb(qt_context&, const qt_batch_norm_absorb_args& a) {
  const float x_scale = *a.x_scale;
  for (int64_t c = 0; c < a.channels; ++c) {
    const double unit = static_cast<double>(x_scale) * static_cast<double>(a.w_scale[c]);
    const math::ChannelMoments m =
        math::MomentsOfSums(a.rows, a.sum[c], math::LoadUint128(a.sum_squares + 2 * c), unit);
    const math::ChannelNorm norm = math::NormOfMoments(
        m, a.gamma[c], a.fold_var == nullptr ? -1.0f : a.fold_var[c], a.epsilon);
    const math::Absorbed absorbed =
        math::AbsorbBatchNorm(x_scale, a.w_scale[c], norm.gain, a.beta[c], m.mean);
    a.mean[c] = static_cast<float>(m.mean);
    a.inv_std[c] = norm.inv_std;
    a.out_scale[c] = absorbed.out_scale;
    a.bias[c] = absorbed.bias;
    a.keep[c] = absorbed.keep;
    if (a.running_mean != nullptr && norm.known) {
      const float conv_bias = a.conv_bias == nullptr ? 0.0f : a.conv_bias[c];
      a.running_mean[c] = math::MovingAverage(a.running_mean[c], norm.mean + conv_bias, a.momentum);
      a.running_var[c] = math::MovingAverage(a.running_var[c], norm.var, a.momentum);
    }
  }
  return QT_OK;
}

qt_status batch_norm_absorb_backward(qt_context& ctx,
                                     const qt_batch_norm_absorb_backward_args& args) {
  const qt_batch_norm_absorb_backward_args a = args;
  const int64_t channels = a.channels;
  if (channels == 0) return QT_OK;
  const int64_t lanes = Lanes(channels), copies = LaneCopies(channels);
  const int64_t step = RowsPerBlock(channels), blocks = DivUp(a.rows, step);
  // Per lane: unit, mean, inv_std, gain and the two mean gradients; then two sums per lane and
  // block.
  float* const unit = ScratchArray<float>(ctx, (6 + 2 * blocks) * lanes);
  if (unit == nullptr) return QT_OUT_OF_MEMORY;
  float* const mean = unit + lanes;
  float* const inv_std = mean + lanes;
  float* const gain = inv_std + lanes;
  float* const mean_d = gain + lanes;
  float* const mean_dx = mean_d + lanes;
  float* const partials = mean_dx + lanes;
  for (int64_t g = 0; g < copies; ++g) {
    for (int64_t c = 0; c < channels; ++c) {
      unit[g * channels + c] = *a.x_scale * a.w_scale[c];
      gain[g * channels + c] = a.fold_var == nullptr ? math::FoldGain(a.gamma[c], a.inv_std[c])
                                                     : math::OneConvGain(a.gamma[c], a.inv_std[c]);
    }
  }
  RepeatChannels(a.mean, channels, mean);
  RepeatChannels(a.inv_std, channels, inv_std);

  ParallelBlocks(ctx, a.rows, step, [=](int64_t block, int64_t first, int64_t last) {
    float* const sum_d = partials + block * 2 * lanes;
    float* const sum_dx = sum_d + lanes;
    for (int64_t j = 0; j < 2 * lanes; ++j) sum_d[j] = 0.0f;
    ForMaskedLanes(a.dy, a.mask, first * channels, last * channels, lanes,
                   [=](int64_t i, int64_t j, int64_t n, const float* d) {
#pragma omp simd
                     for (int64_t k = 0; k < n; ++k) {
                       const float x_hat = math::NormalizedAcc(a.acc[i + k], unit[j + k],
                                                               mean[j + k], inv_std[j + k]);
                       sum_d[j + k] += d[k];
                       sum_dx[j + k] += d[k] * x_hat;
                     }
                   });
  });
  CombineLanes(partials, blocks, channels, 2 * lanes);
  const float rows = static_cast<float>(a.rows);
  for (int64_t c = 0; c < channels; ++c) {
    a.dbeta[c] = partials[c];
    const float share =
        a.fold_var == nullptr
            ? 1.0f
            : math::OneConvGammaShare(
                  a.inv_std[c], math::OneConvEpsilon(a.gamma[c], a.fold_var[c], a.epsilon));
    a.dgamma[c] = math::Sign(a.gamma[c]) * partials[lanes + c] * share;
    for (int64_t g = 0; g < copies; ++g) {
      mean_d[g * channels + c] = partials[c] / rows;
      mean_dx[g * channels + c] = partials[lanes + c] / rows;
    }
  }
  constexpr int64_t kChunk = 1024;
  const bool stream = Streams(12 * a.rows * channels);
  ParallelBlocks(ctx, a.rows, step, [=](int64_t, int64_t first, int64_t last) {
    float selected[kChunk];
    ChunkOut<float, kChunk> chunks(stream);
    int64_t lane = 0;
    const int64_t end = last * channels;
    for (int64_t chunk = first * channels; chunk < end; chunk += kChunk) {
      const int64_t width = Min(end - chunk, kChunk);
      const float* d = a.dy + chunk;
      if (a.mask != nullptr) {
        MaskSelect(d, a.mask + chunk / 8, width, selected);
        d = selected;
      }
      float* const du = chunks.At(a.du + chunk);
      lane = ForLaneRuns(width, lanes, lane, [=](int64_t i, int64_t j, int64_t n) {
        const int32_t* const acc = a.acc + chunk + i;
#pragma omp simd
        for (int64_t k = 0; k < n; ++k) {
          const float x_hat =
              math::NormalizedAcc(acc[k], unit[j + k], mean[j + k], inv_std[j + k]);
          du[i + k] = math::NormalizedGradient(d[i + k], x_hat, gain[j + k], mean_d[j + k],
                                               mean_dx[j + k]);
        }
      });
      chunks.Done(a.du + chunk, width);
    }
  });
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA
