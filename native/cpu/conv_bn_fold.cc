// The two-convolution fold with correction (Krishnamoorthi 2018, arXiv:1806.08342, section 3.2.2),
// for weights with one scale per tensor: fold, correction, and the gradients of both and of the
// batch statistics. Nothing divides by gamma. One pass over memory each; sums are in the fixed
// order of channels.h.
#include "cpu/channels.h"
#include "cpu/corrected_gradient.h"
#include "cpu/kernel.h"
#include "cpu/stream.h"
#include "math/batch_norm.h"
#include "math/requantize.h"
#include "math/types.h"

namespace qt::cpu::QT_ISA {
namespace {

// out = in * gain.
void Scale(const float* in, int64_t n, float gain, bool stream, float* out) {
  ChunkOut<float, kChunk> chunks(stream);
  for (int64_t chunk = 0; chunk < n; chunk += kChunk) {
    const int64_t width = Min(n - chunk, kChunk);
    float* const to = chunks.At(out + chunk);
    const float* const from = in + chunk;
#pragma omp simd
    for (int64_t i = 0; i < width; ++i) to[i] = from[i] * gain;
    chunks.Done(out + chunk, width);
  }
}

template <class Real>
qt_status CorrectBackward(qt_context& ctx, const qt_conv_bn_correct_backward_args& a) {
  const int64_t channels = a.channels;
  if (channels == 0) return QT_OK;
  const int64_t lanes = Lanes(channels), copies = LaneCopies(channels);
  float* const ratio =
      ScratchArray<float>(ctx, 2 * lanes + CorrectedGradientScratch(a.rows, channels));
  if (ratio == nullptr) return QT_OUT_OF_MEMORY;
  float* const unit = ratio + lanes;
  float* const partials = unit + lanes;
  for (int64_t g = 0; g < copies; ++g) {
    for (int64_t c = 0; c < channels; ++c) {
      ratio[g * channels + c] = math::StandardDeviation(a.running_var[c], a.epsilon) /
                                math::StandardDeviation(a.batch_var[c], a.epsilon);
    }
  }
  for (int64_t j = 0; j < lanes; ++j) unit[j] = *a.x_scale * *a.w_scale;
  CorrectedGradient(ctx, static_cast<const Real*>(a.dy), a.mask, static_cast<Real*>(a.d_out),
                    a.rows, channels, ratio, AccValue{a.acc, unit}, partials);
  for (int64_t c = 0; c < channels; ++c) {
    const float conv_bias = a.conv_bias == nullptr ? 0.0f : a.conv_bias[c];
    const math::CorrectionGradient g = math::GradientOfCorrection(
        partials[c], partials[lanes + c], a.gamma[c], a.batch_mean[c] - conv_bias,
        math::StandardDeviation(a.batch_var[c], a.epsilon),
        math::StandardDeviation(a.running_var[c], a.epsilon), a.frozen != 0);
    a.dbeta[c] = partials[c];
    a.dgamma[c] = g.dgamma;
    a.dmean[c] = g.dmean;
    a.dsigma[c] = g.dsigma;
    if (a.dconv_bias != nullptr) a.dconv_bias[c] = g.dconv_bias;
  }
  return QT_OK;
}

template <class Real>
qt_status StatsBackward(qt_context& ctx, const qt_batch_norm_stats_backward_args& args) {
  const qt_batch_norm_stats_backward_args a = args;
  const int64_t channels = a.channels;
  if (channels == 0) return QT_OK;
  const int64_t lanes = Lanes(channels), copies = LaneCopies(channels);
  float* const mean = ScratchArray<float>(ctx, 3 * lanes);
  if (mean == nullptr) return QT_OUT_OF_MEMORY;
  float* const mean_share = mean + lanes;
  float* const std_share = mean_share + lanes;
  const float rows = static_cast<float>(a.rows);
  for (int64_t g = 0; g < copies; ++g) {
    for (int64_t c = 0; c < channels; ++c) {
      mean[g * channels + c] = a.mean[c];
      mean_share[g * channels + c] = a.dmean[c] / rows;
      std_share[g * channels + c] =
          a.dsigma[c] / (math::StandardDeviation(a.var[c], a.epsilon) * rows);
    }
  }
  const Real* const all_x = static_cast<const Real*>(a.x);
  Real* const all_dx = static_cast<Real*>(a.dx);
  const bool stream = Streams(static_cast<int64_t>(2 * sizeof(Real)) * a.rows * channels);
  ParallelBlocks(ctx, a.rows, RowsPerBlock(channels), [=](int64_t, int64_t first, int64_t last) {
    ChunkOut<Real, kChunk> chunks(stream);
    int64_t lane = 0;
    const int64_t end = last * channels;
    for (int64_t chunk = first * channels; chunk < end; chunk += kChunk) {
      const int64_t width = Min(end - chunk, kChunk);
      Real* const dx = chunks.At(all_dx + chunk);
      lane = ForLaneRuns(width, lanes, lane, [=](int64_t i, int64_t j, int64_t n) {
        const Real* const x = all_x + chunk + i;
#pragma omp simd
        for (int64_t k = 0; k < n; ++k) {
          math::Narrow(math::StatisticsGradient(math::Widen(x[k]), mean[j + k], mean_share[j + k],
                                                std_share[j + k]),
                       &dx[i + k]);
        }
      });
      chunks.Done(all_dx + chunk, width);
    }
  });
  return QT_OK;
}

}  // namespace

qt_status conv_bn_statistics(qt_context&, const qt_conv_bn_statistics_args& a) {
  const float rows = static_cast<float>(a.rows);
  for (int64_t c = 0; c < a.channels; ++c) {
    a.fold_var[c] = math::UpdateFoldStatistics(
        a.batch_mean[c], a.batch_var[c], a.conv_bias == nullptr ? 0.0f : a.conv_bias[c], rows,
        a.momentum, a.order == QT_STATISTICS_UPDATED, a.running_mean + c, a.running_var + c);
  }
  return QT_OK;
}

qt_status conv_bn_fold(qt_context& ctx, const qt_conv_bn_fold_args& args) {
  const qt_conv_bn_fold_args a = args;
  const bool stream = Streams(8 * a.channels * a.inner);
  ParallelParts(ctx, a.channels, a.inner, [=](int64_t c, int64_t begin, int64_t n) {
    const float gain = a.gamma[c] * math::InverseStd(a.running_var[c], a.epsilon);
    const int64_t at = c * a.inner + begin;
    Scale(a.w + at, n, gain, stream, a.w_folded + at);
  });
  return QT_OK;
}

qt_status conv_bn_fold_backward(qt_context& ctx, const qt_conv_bn_fold_backward_args& args) {
  const qt_conv_bn_fold_backward_args a = args;
  const bool stream = Streams(12 * a.channels * a.inner);
  ParallelBlocks(ctx, a.channels, ItemsPerBlock(a.inner), [=](int64_t, int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      const float inv_std = math::InverseStd(a.running_var[c], a.epsilon);
      const float* w = a.w + c * a.inner;
      const float* d = a.dw_folded + c * a.inner;
      const double sum = SumFixed(a.inner, [=](int64_t i) { return d[i] * w[i]; });
      Scale(d, a.inner, a.gamma[c] * inv_std, stream, a.dw + c * a.inner);
      a.dgamma[c] += static_cast<float>(sum * static_cast<double>(inv_std));
    }
  });
  return QT_OK;
}

qt_status conv_bn_correct(qt_context&, const qt_conv_bn_correct_args& a) {
  for (int64_t c = 0; c < a.channels; ++c) {
    const double conv_bias = a.conv_bias == nullptr ? 0.0 : a.conv_bias[c];
    math::CorrectFold(*a.x_scale, *a.w_scale, a.gamma[c], a.beta[c], a.batch_mean[c] - conv_bias,
                      a.batch_var[c], a.running_var[c], a.epsilon, a.out_scale + c, a.bias + c);
  }
  return QT_OK;
}

qt_status conv_bn_correct_backward(qt_context& ctx, const qt_conv_bn_correct_backward_args& a) {
  return math::WithReal(a.element_type, [&](auto* type) {
    return CorrectBackward<math::Pointed<decltype(type)>>(ctx, a);
  });
}

qt_status batch_norm_stats_backward(qt_context& ctx, const qt_batch_norm_stats_backward_args& a) {
  return math::WithReal(a.element_type, [&](auto* type) {
    return StatsBackward<math::Pointed<decltype(type)>>(ctx, a);
  });
}

}  // namespace qt::cpu::QT_ISA
