// The two-convolution fold with correction (Krishnamoorthi 2018, arXiv:1806.08342, section 3.2.2),
// for weights with one scale per tensor: fold, correction, and the gradients of both and of the
// batch statistics. Nothing divides by gamma. One pass over memory each; sums are in the fixed
// order of channels.h.
#include "cpu/channels.h"
#include "cpu/corrected_gradient.h"
#include "cpu/kernel.h"
#include "math/batch_norm.h"
#include "math/requantize.h"

namespace qt::cpu::QT_ISA {

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
  ParallelBlocks(ctx, a.channels, ItemsPerBlock(a.inner), [=](int64_t, int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      const float gain = a.gamma[c] * math::InverseStd(a.running_var[c], a.epsilon);
      const float* w = a.w + c * a.inner;
      float* folded = a.w_folded + c * a.inner;
#pragma omp simd
      for (int64_t i = 0; i < a.inner; ++i) folded[i] = w[i] * gain;
    }
  });
  return QT_OK;
}

qt_status conv_bn_fold_backward(qt_context& ctx, const qt_conv_bn_fold_backward_args& args) {
  const qt_conv_bn_fold_backward_args a = args;
  ParallelBlocks(ctx, a.channels, ItemsPerBlock(a.inner), [=](int64_t, int64_t begin, int64_t end) {
    for (int64_t c = begin; c < end; ++c) {
      const float inv_std = math::InverseStd(a.running_var[c], a.epsilon),
                  gain = a.gamma[c] * inv_std;
      const float* w = a.w + c * a.inner;
      const float* d = a.dw_folded + c * a.inner;
      float* dw = a.dw + c * a.inner;
      const double sum = SumFixed(a.inner, [=](int64_t i) { return d[i] * w[i]; });
#pragma omp simd
      for (int64_t i = 0; i < a.inner; ++i) dw[i] = d[i] * gain;
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
  const int64_t channels = a.channels;
  if (channels == 0) return QT_OK;
  const int64_t lanes = Lanes(channels), copies = LaneCopies(channels);
  float* const ratio =
      ScratchArray<float>(ctx, lanes + CorrectedGradientScratch(a.rows, channels));
  if (ratio == nullptr) return QT_OUT_OF_MEMORY;
  float* const partials = ratio + lanes;
  for (int64_t g = 0; g < copies; ++g) {
    for (int64_t c = 0; c < channels; ++c) {
      ratio[g * channels + c] = math::StandardDeviation(a.running_var[c], a.epsilon) /
                                math::StandardDeviation(a.batch_var[c], a.epsilon);
    }
  }
  const float unit = *a.x_scale * *a.w_scale;
  const int32_t* acc = a.acc;
  CorrectedGradient(
      ctx, a.dy, a.mask, a.d_out, a.rows, channels, ratio,
      [=](int64_t i, int64_t) { return math::DequantizeAcc(acc[i], unit); }, partials);
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

qt_status batch_norm_stats_backward(qt_context& ctx,
                                    const qt_batch_norm_stats_backward_args& args) {
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
  ParallelBlocks(ctx, a.rows, RowsPerBlock(channels), [=](int64_t, int64_t first, int64_t last) {
    ForLanes(first * channels, last * channels, lanes, [=](int64_t i, int64_t j) {
      a.dx[i] = math::StatisticsGradient(a.x[i], mean[j], mean_share[j], std_share[j]);
    });
  });
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA
