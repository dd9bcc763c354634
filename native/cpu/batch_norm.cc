// batch_norm_stats, batch_norm, batch_norm_backward on [rows, channels]. Sums are double, in the
// fixed order of channels.h. Statistics take one pass over x and the normalization one; the gradient
// reads x and dy once for the sums and once for dx. Scratch holds per-block partial sums and the
// per-channel values repeated over a lane row.
#include "math/batch_norm.h"

#include <string.h>

#include "cpu/channels.h"
#include "cpu/kernel.h"
#include "math/layers.h"

namespace qt::cpu::QT_ISA {
namespace {

// SumLanes of the elements [begin, end) less their shift, and of the squares of that, in one pass.
void SumShifted(const float* x, int64_t begin, int64_t end, int64_t lanes, const float* shift,
                double* sums, double* squares) {
  int64_t i = begin;
  for (; i + 4 * lanes <= end; i += 4 * lanes) {
    const float* const p = x + i;
    Prefetch(p + Max(8 * lanes, 512), 4 * lanes);
#pragma omp simd
    for (int64_t j = 0; j < lanes; ++j) {
      const double a = math::Shifted(p[j], shift[j]);
      const double b = math::Shifted(p[j + lanes], shift[j]);
      const double c = math::Shifted(p[j + 2 * lanes], shift[j]);
      const double d = math::Shifted(p[j + 3 * lanes], shift[j]);
      sums[j] += (a + b) + (c + d);
      squares[j] += (a * a + b * b) + (c * c + d * d);
    }
  }
  ForLanes(i, end, lanes, [=](int64_t k, int64_t j) {
    const double d = math::Shifted(x[k], shift[j]);
    sums[j] += d;
    squares[j] += d * d;
  });
}

}  // namespace

qt_status batch_norm_stats(qt_context& ctx, const qt_batch_norm_stats_args& args) {
  const int64_t channels = args.channels;
  const int64_t lanes = Lanes(channels);
  const int64_t rows_per_block = RowsPerBlock(channels);
  const int64_t blocks = DivUp(args.rows, rows_per_block);
  double* partials = ScratchArray<double>(ctx, (2 * blocks + 1) * lanes);
  if (partials == nullptr) return QT_OUT_OF_MEMORY;
  float* shift = reinterpret_cast<float*>(partials + 2 * blocks * lanes);
  RepeatChannels(args.x, channels, shift);
  const float* x = args.x;

  ParallelBlocks(ctx, args.rows, rows_per_block, [=](int64_t block, int64_t begin, int64_t end) {
    double* sums = partials + block * 2 * lanes;
    double* squares = sums + lanes;
    memset(sums, 0, sizeof(double) * 2 * lanes);
    SumShifted(x, begin * channels, end * channels, lanes, shift, sums, squares);
  });
  CombineLanes(partials, blocks, channels, 2 * lanes);
  const double rows = static_cast<double>(args.rows);
  for (int64_t c = 0; c < channels; ++c) {
    const math::FloatMoments m =
        math::MomentsOfShifted(shift[c], partials[c], partials[lanes + c], rows);
    args.mean[c] = m.mean;
    args.var[c] = m.var;
  }

  for (int64_t c = 0; args.running_mean != nullptr && c < channels; ++c) {
    args.running_mean[c] = math::MovingAverage(args.running_mean[c], args.mean[c], args.momentum);
    const float unbiased = math::UnbiasedVariance(args.var[c], static_cast<float>(args.rows));
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
  double* partials = ScratchArray<double>(ctx, (3 + 2 * blocks) * lanes + 2 * channels);
  if (partials == nullptr) return QT_OUT_OF_MEMORY;  // [blocks][dbeta, dgamma][lanes]
  float* mean = reinterpret_cast<float*>(partials + 2 * blocks * lanes);
  float* std = mean + lanes;
  float* inv_std = std + lanes;
  float* gamma = inv_std + lanes;
  float* mean_dy = gamma + lanes;
  float* mean_dy_xhat = mean_dy + lanes;
  float* channel_std = mean_dy_xhat + lanes;
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
    double* dbeta = partials + block * 2 * lanes;
    double* dgamma = dbeta + lanes;
    memset(dbeta, 0, sizeof(double) * 2 * lanes);
    const int64_t chunk = LaneChunk(lanes);
    for (int64_t i = begin * channels; i < end * channels; i += chunk) {
      const int64_t last = Min(i + chunk, end * channels);
      SumLanes(i, last, lanes, dbeta,
               [=](int64_t k, int64_t) { return static_cast<double>(dy[k]); });
      SumLanes(i, last, lanes, dgamma, [=](int64_t k, int64_t j) {
        return static_cast<double>(dy[k]) * math::Shifted(x[k], mean[j]);
      });
    }
  });
  CombineLanes(partials, blocks, channels, 2 * lanes);
  for (int64_t c = 0; c < channels; ++c) {
    args.dbeta[c] = static_cast<float>(partials[c]);
    args.dgamma[c] = math::GammaGradient(partials[lanes + c], channel_std[c]);
  }

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
