// batch_norm_stats, batch_norm, batch_norm_backward on [rows, channels]. Sums are double, in the
// fixed order of channels.h. Statistics take one pass over x and the normalization one; the gradient
// reads x and dy once for the sums and once for dx. Scratch holds per-block partial sums and the
// per-channel values repeated over a lane row.
#include "math/batch_norm.h"

#include <string.h>

#include "cpu/channels.h"
#include "cpu/kernel.h"
#include "cpu/points.h"
#include "math/layers.h"
#include "math/types.h"

namespace qt::cpu::QT_ISA {
namespace {

// SumLanes of the elements [begin, end) less their shift, and of the squares of that, in one pass.
template <class Real>
void SumShifted(const Real* x, int64_t begin, int64_t end, int64_t lanes, const float* shift,
                double* sums, double* squares) {
  int64_t i = begin;
  for (; i + 4 * lanes <= end; i += 4 * lanes) {
    const Real* const p = x + i;
    Prefetch(p + Max(8 * lanes, 512), 4 * lanes);
#pragma omp simd
    for (int64_t j = 0; j < lanes; ++j) {
      const double a = math::Shifted(math::Widen(p[j]), shift[j]);
      const double b = math::Shifted(math::Widen(p[j + lanes]), shift[j]);
      const double c = math::Shifted(math::Widen(p[j + 2 * lanes]), shift[j]);
      const double d = math::Shifted(math::Widen(p[j + 3 * lanes]), shift[j]);
      sums[j] += (a + b) + (c + d);
      squares[j] += (a * a + b * b) + (c * c + d * d);
    }
  }
  ForLanes(i, end, lanes, [=](int64_t k, int64_t j) {
    const double d = math::Shifted(math::Widen(x[k]), shift[j]);
    sums[j] += d;
    squares[j] += d * d;
  });
}

// Adds dy and dy * (x - mean) of the elements [begin, end).
template <class Real>
void SumGradients(const Real* x, const Real* dy, int64_t begin, int64_t end, int64_t lanes,
                  const float* mean, double* dbeta, double* dgamma) {
  const int64_t chunk = LaneChunk(lanes);
  for (int64_t i = begin; i < end; i += chunk) {
    const int64_t last = Min(i + chunk, end);
    Prefetch(dy + i + chunk, chunk);
    Prefetch(x + i + chunk, chunk);
    SumLanes(i, last, lanes, dbeta,
             [=](int64_t k, int64_t) { return static_cast<double>(math::Widen(dy[k])); });
    SumLanes(i, last, lanes, dgamma, [=](int64_t k, int64_t j) {
      return static_cast<double>(math::Widen(dy[k])) * math::Shifted(math::Widen(x[k]), mean[j]);
    });
  }
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
  math::WithReal(args.element_type, [&](auto* type) {
    using Real = math::Pointed<decltype(type)>;
    const Real* const x = static_cast<const Real*>(args.x);
    RepeatChannels(x, channels, shift);
    ParallelBlocks(ctx, args.rows, rows_per_block, [=](int64_t block, int64_t begin, int64_t end) {
      double* sums = partials + block * 2 * lanes;
      double* squares = sums + lanes;
      memset(sums, 0, sizeof(double) * 2 * lanes);
      SumShifted(x, begin * channels, end * channels, lanes, shift, sums, squares);
    });
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
  const int64_t channels = args.channels, n = args.rows * channels;
  const int64_t size = RepeatedTable(channels);
  float* const mean = ScratchArray<float>(ctx, 4 * size + channels);
  if (mean == nullptr) return QT_OUT_OF_MEMORY;
  float* const std = mean + size;
  float* const gamma = std + size;
  float* const beta = gamma + size;
  float* const channel_std = beta + size;
  for (int64_t c = 0; c < channels; ++c) {
    channel_std[c] = math::StandardDeviation(args.var[c], args.epsilon);
  }
  FillTable(mean, size, channels, args.mean, 0.0f);
  FillTable(std, size, channels, channel_std, 1.0f);
  FillTable(gamma, size, channels, args.gamma, 0.0f);
  FillTable(beta, size, channels, args.beta, 0.0f);
  ForEachValue(ctx, n, channels, args.element_type, args.x, args.y, [=](auto x, int64_t at) {
    using T = decltype(x);
    return math::BatchNorm(x, LoadAs<T>(mean + at), LoadAs<T>(std + at), LoadAs<T>(gamma + at),
                           LoadAs<T>(beta + at));
  });
  return QT_OK;
}

qt_status batch_norm_backward(qt_context& ctx, const qt_batch_norm_backward_args& args) {
  const int64_t channels = args.channels;
  const int64_t lanes = Lanes(channels);
  const int64_t rows_per_block = RowsPerBlock(channels);
  const int64_t blocks = DivUp(args.rows, rows_per_block);
  const int64_t n = args.rows * channels, size = Max(lanes, RepeatedTable(channels));
  double* partials = ScratchArray<double>(ctx, 2 * blocks * lanes + 3 * size + 2 * channels);
  if (partials == nullptr) return QT_OUT_OF_MEMORY;  // [blocks][dbeta, dgamma][lanes]
  float* mean = reinterpret_cast<float*>(partials + 2 * blocks * lanes);
  float* std = mean + size;
  float* inv_std = std + size;
  float* gamma = inv_std + size;
  float* mean_dy = gamma + size;
  float* mean_dy_xhat = mean_dy + size;
  float* channel_std = mean_dy_xhat + size;
  float* channel_inv_std = channel_std + channels;
  float* channel_mean_dy = channel_inv_std + channels;
  float* channel_mean_dy_xhat = channel_mean_dy + channels;
  for (int64_t c = 0; c < channels; ++c) {
    channel_std[c] = math::StandardDeviation(args.var[c], args.epsilon);
    channel_inv_std[c] = math::InverseStd(args.var[c], args.epsilon);
  }
  FillTable(mean, size, channels, args.mean, 0.0f);
  FillTable(std, size, channels, channel_std, 1.0f);
  FillTable(inv_std, size, channels, channel_inv_std, 1.0f);
  FillTable(gamma, size, channels, args.gamma, 0.0f);

  const bool given = args.sum_rows != 0;
  if (!given) {
    math::WithReal(args.element_type, [&](auto* type) {
      using Real = math::Pointed<decltype(type)>;
      const Real* const x = static_cast<const Real*>(args.x);
      const Real* const dy = static_cast<const Real*>(args.dy);
      ParallelBlocks(ctx, args.rows, rows_per_block,
                     [=](int64_t block, int64_t begin, int64_t end) {
                       double* dbeta = partials + block * 2 * lanes;
                       double* dgamma = dbeta + lanes;
                       memset(dbeta, 0, sizeof(double) * 2 * lanes);
                       SumGradients(x, dy, begin * channels, end * channels, lanes, mean, dbeta,
                                    dgamma);
                     });
    });
    CombineLanes(partials, blocks, channels, 2 * lanes);
    for (int64_t c = 0; c < channels; ++c) {
      args.dbeta[c] = static_cast<float>(partials[c]);
      args.dgamma[c] = math::GammaGradient(partials[lanes + c], channel_std[c]);
    }
  }

  if (args.dx == nullptr) return QT_OK;
  if (args.frozen != 0) {
    ForEachValue(ctx, n, channels, args.element_type, args.dy, args.dx, [=](auto d, int64_t at) {
      using T = decltype(d);
      return math::BatchNormGradientFrozen(d, LoadAs<T>(gamma + at), LoadAs<T>(inv_std + at));
    });
    return QT_OK;
  }
  const float rows = static_cast<float>(given ? args.sum_rows : args.rows);
  for (int64_t c = 0; c < channels; ++c) {
    channel_mean_dy[c] = args.dbeta[c] / rows;
    channel_mean_dy_xhat[c] = args.dgamma[c] / rows;
  }
  FillTable(mean_dy, size, channels, channel_mean_dy, 0.0f);
  FillTable(mean_dy_xhat, size, channels, channel_mean_dy_xhat, 0.0f);
  const auto gradient = [=](auto d, auto x, int64_t at) {
    using T = decltype(d);
    const T x_hat = math::BatchNormXhat(x, LoadAs<T>(mean + at), LoadAs<T>(std + at));
    return math::BatchNormGradient(d, x_hat, LoadAs<T>(gamma + at), LoadAs<T>(inv_std + at),
                                   LoadAs<T>(mean_dy + at), LoadAs<T>(mean_dy_xhat + at));
  };
  ForEachValue(ctx, n, channels, args.element_type, args.dy, args.x, args.dx, gradient);
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA
