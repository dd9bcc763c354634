// The two-convolution fold with correction (Krishnamoorthi 2018, arXiv:1806.08342, section 3.2.2),
// for weights with one scale per tensor: fold, correction, and the gradients of both and of the
// batch statistics. Nothing divides by gamma. One pass over memory each; sums are in the fixed
// order of channels.h.
#include "cpu/channels.h"
#include "cpu/kernel.h"
#include "cpu/masked_lanes.h"
#include "math/batch_norm.h"
#include "math/requantize.h"

namespace qt::cpu::QT_ISA {

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
    math::CorrectFold(*a.x_scale, *a.w_scale, a.gamma[c], a.beta[c], a.batch_mean[c],
                      a.batch_var[c], a.running_var[c], a.epsilon, a.out_scale + c, a.bias + c);
  }
  return QT_OK;
}

qt_status conv_bn_correct_backward(qt_context& ctx, const qt_conv_bn_correct_backward_args& args) {
  const qt_conv_bn_correct_backward_args a = args;
  const int64_t channels = a.channels;
  if (channels == 0) return QT_OK;
  const int64_t lanes = Lanes(channels), copies = LaneCopies(channels);
  const int64_t step = RowsPerBlock(channels), blocks = DivUp(a.rows, step);
  float* const ratio = ScratchArray<float>(ctx, (1 + 2 * Max(1, blocks)) * lanes);
  if (ratio == nullptr) return QT_OUT_OF_MEMORY;
  float* const partials = ratio + lanes;
  for (int64_t g = 0; g < copies; ++g) {
    for (int64_t c = 0; c < channels; ++c) {
      ratio[g * channels + c] = math::StandardDeviation(a.running_var[c], a.epsilon) /
                                math::StandardDeviation(a.batch_var[c], a.epsilon);
    }
  }
  for (int64_t j = 0; j < 2 * lanes; ++j) partials[j] = 0.0f;  // stands for the sums of no rows
  const float unit = *a.x_scale * *a.w_scale;
  ParallelBlocks(ctx, a.rows, step, [=](int64_t block, int64_t first, int64_t last) {
    float* const sum_d = partials + block * 2 * lanes;
    float* const sum_do = sum_d + lanes;
    for (int64_t j = 0; j < 2 * lanes; ++j) sum_d[j] = 0.0f;
    ForMaskedLanes(a.dy, a.mask, first * channels, last * channels, lanes,
                   [=](int64_t i, int64_t j, int64_t n, const float* d) {
                     float* const out = a.d_out + i;
#pragma omp simd
                     for (int64_t k = 0; k < n; ++k) {
                       sum_d[j + k] += d[k];
                       sum_do[j + k] += d[k] * math::DequantizeAcc(a.acc[i + k], unit);
                       out[k] = d[k] * ratio[j + k];
                     }
                   });
  });
  CombineLanes(partials, blocks, channels, 2 * lanes);
  for (int64_t c = 0; c < channels; ++c) {
    const math::CorrectionGradient g =
        math::GradientOfCorrection(partials[c], partials[lanes + c], a.gamma[c], a.batch_mean[c],
                                   math::StandardDeviation(a.batch_var[c], a.epsilon),
                                   math::StandardDeviation(a.running_var[c], a.epsilon));
    a.dbeta[c] = partials[c];
    a.dgamma[c] = g.dgamma;
    a.dmean[c] = g.dmean;
    a.dsigma[c] = g.dsigma;
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
