// batch_norm_stats, batch_norm, batch_norm_backward on [rows, channels]. Sums are float, in the
// fixed order of channels.h. Statistics take two passes over x and the normalization one; scratch
// holds per-block partial sums and the per-channel values repeated over a lane row.
#include "math/batch_norm.h"

#include <string.h>

#include "cpu/channels.h"
#include "cpu/kernel.h"
#include "math/layers.h"

namespace qt::cpu::QT_ISA {

qt_status batch_norm_stats(qt_context& ctx, const qt_batch_norm_stats_args& args) {
  const int64_t channels = args.channels;
  const int64_t lanes = Lanes(channels);
  const int64_t rows_per_block = RowsPerBlock(channels);
  const int64_t blocks = DivUp(args.rows, rows_per_block);
  float* mean = ScratchArray<float>(ctx, (blocks + 1) * lanes);
  if (mean == nullptr) return QT_OUT_OF_MEMORY;
  float* partials = mean + lanes;
  const float rows = static_cast<float>(args.rows);
  const float* x = args.x;

  ParallelBlocks(ctx, args.rows, rows_per_block, [=](int64_t block, int64_t begin, int64_t end) {
    float* sums = partials + block * lanes;
    memset(sums, 0, sizeof(float) * lanes);
    SumLanes(begin * channels, end * channels, lanes, sums,
             [=](int64_t i, int64_t) { return x[i]; });
  });
  CombineLanes(partials, blocks, channels, lanes);
  for (int64_t c = 0; c < channels; ++c) args.mean[c] = partials[c] / rows;
  RepeatChannels(args.mean, channels, mean);

  ParallelBlocks(ctx, args.rows, rows_per_block, [=](int64_t block, int64_t begin, int64_t end) {
    float* sums = partials + block * lanes;
    memset(sums, 0, sizeof(float) * lanes);
    SumLanes(begin * channels, end * channels, lanes, sums, [=](int64_t i, int64_t j) {
      const float centered = x[i] - mean[j];
      return centered * centered;
    });
  });
  CombineLanes(partials, blocks, channels, lanes);
  for (int64_t c = 0; c < channels; ++c) args.var[c] = partials[c] / rows;

  for (int64_t c = 0; args.running_mean != nullptr && c < channels; ++c) {
    args.running_mean[c] = math::MovingAverage(args.running_mean[c], args.mean[c], args.momentum);
  }
  for (int64_t c = 0; args.running_var != nullptr && c < channels; ++c) {
    const float unbiased = math::UnbiasedVariance(args.var[c], rows);
    args.running_var[c] = math::MovingAverage(args.running_var[c], unbiased, args.momentum);
  }
  return QT_OK;
}

qt_status batch_norm(qt_context& ctx, const qt_batch_norm_args& args) {
  const int64_t channels = args.channels;
  const int64_t lanes = Lanes(channels);
  float* mean = ScratchArray<float>(ctx, 4 * lanes + channels);
  if (mean == nullptr) return QT_OUT_OF_MEMORY;
  float* std = mean + lanes;
  float* gamma = std + lanes;
  float* beta = gamma + lanes;
  float* channel_std = beta + lanes;
  for (int64_t c = 0; c < channels; ++c) {
    channel_std[c] = math::StandardDeviation(args.var[c], args.epsilon);
  }
  RepeatChannels(args.mean, channels, mean);
  RepeatChannels(channel_std, channels, std);
  RepeatChannels(args.gamma, channels, gamma);
  RepeatChannels(args.beta, channels, beta);
  const float* x = args.x;
  float* y = args.y;
  ParallelBlocks(ctx, args.rows, RowsPerBlock(channels), [=](int64_t, int64_t begin, int64_t end) {
    ForLanes(begin * channels, end * channels, lanes, [=](int64_t i, int64_t j) {
      y[i] = math::BatchNorm(x[i], mean[j], std[j], gamma[j], beta[j]);
    });
  });
  return QT_OK;
}

qt_status batch_norm_backward(qt_context& ctx, const qt_batch_norm_backward_args& args) {
  const int64_t channels = args.channels;
  const int64_t lanes = Lanes(channels);
  const int64_t rows_per_block = RowsPerBlock(channels);
  const int64_t blocks = DivUp(args.rows, rows_per_block);
  float* mean = ScratchArray<float>(ctx, (6 + 2 * blocks) * lanes + 4 * channels);
  if (mean == nullptr) return QT_OUT_OF_MEMORY;
  float* std = mean + lanes;
  float* inv_std = std + lanes;
  float* gamma = inv_std + lanes;
  float* mean_dy = gamma + lanes;
  float* mean_dy_xhat = mean_dy + lanes;
  float* partials = mean_dy_xhat + lanes;  // [blocks][dbeta, dgamma][lanes]
  float* channel_std = partials + 2 * blocks * lanes;
  float* channel_inv_std = channel_std + channels;
  float* channel_mean_dy = channel_inv_std + channels;
  float* channel_mean_dy_xhat = channel_mean_dy + channels;
  for (int64_t c = 0; c < channels; ++c) {
    channel_std[c] = math::StandardDeviation(args.var[c], args.epsilon);
    channel_inv_std[c] = math::InverseStd(args.var[c], args.epsilon);
  }
  RepeatChannels(args.mean, channels, mean);
  RepeatChannels(channel_std, channels, std);
  RepeatChannels(channel_inv_std, channels, inv_std);
  RepeatChannels(args.gamma, channels, gamma);
  const float* x = args.x;
  const float* dy = args.dy;
  float* dx = args.dx;

  ParallelBlocks(ctx, args.rows, rows_per_block, [=](int64_t block, int64_t begin, int64_t end) {
    float* dbeta = partials + block * 2 * lanes;
    float* dgamma = dbeta + lanes;
    memset(dbeta, 0, sizeof(float) * 2 * lanes);
    // Both sums of a few lane rows before the next ones, so that dy comes from memory once.
    const int64_t chunk = Max(1, 2048 / lanes) * 4 * lanes;
    for (int64_t i = begin * channels; i < end * channels; i += chunk) {
      const int64_t last = Min(i + chunk, end * channels);
      SumLanes(i, last, lanes, dbeta, [=](int64_t k, int64_t) { return dy[k]; });
      SumLanes(i, last, lanes, dgamma, [=](int64_t k, int64_t j) {
        return dy[k] * math::BatchNormXhat(x[k], mean[j], std[j]);
      });
    }
  });
  CombineLanes(partials, blocks, channels, 2 * lanes);
  memcpy(args.dbeta, partials, sizeof(float) * channels);
  memcpy(args.dgamma, partials + lanes, sizeof(float) * channels);

  if (args.frozen != 0) {
    ParallelBlocks(ctx, args.rows, rows_per_block, [=](int64_t, int64_t begin, int64_t end) {
      ForLanes(begin * channels, end * channels, lanes, [=](int64_t i, int64_t j) {
        dx[i] = math::BatchNormGradientFrozen(dy[i], gamma[j], inv_std[j]);
      });
    });
    return QT_OK;
  }
  const float rows = static_cast<float>(args.rows);
  for (int64_t c = 0; c < channels; ++c) {
    channel_mean_dy[c] = args.dbeta[c] / rows;
    channel_mean_dy_xhat[c] = args.dgamma[c] / rows;
  }
  RepeatChannels(channel_mean_dy, channels, mean_dy);
  RepeatChannels(channel_mean_dy_xhat, channels, mean_dy_xhat);
  ParallelBlocks(ctx, args.rows, rows_per_block, [=](int64_t, int64_t begin, int64_t end) {
    ForLanes(begin * channels, end * channels, lanes, [=](int64_t i, int64_t j) {
      const float x_hat = math::BatchNormXhat(x[i], mean[j], std[j]);
      dx[i] =
          math::BatchNormGradient(dy[i], x_hat, gamma[j], inv_std[j], mean_dy[j], mean_dy_xhat[j]);
    });
  });
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA
