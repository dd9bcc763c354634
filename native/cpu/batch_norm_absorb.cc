// Batch norm over an integer convolution, absorbed into the channel's scale, and its gradient. The
// forward is a few operations per channel; the backward reads dy, mask and acc twice (two sums,
// then the gradient). Sums are in a fixed order: per block of rows, blocks pairwise, lanes
// pairwise.
#include "math/batch_norm.h"

#include "cpu/corrected_gradient.h"
#include "cpu/points.h"
#include "math/types.h"

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

namespace {

// Values of a table per channel (points.h), which the first row of lanes is the start of.
struct Normalized {
  const int32_t* acc;
  const float* unit;
  const float* mean;
  const float* inv_std;

  void Fetch(int64_t i) const { __builtin_prefetch(acc + i); }
  template <class T>
  T At(int64_t i, int64_t at) const {
    return math::NormalizedAcc(LoadIntAs<T>(acc + i), LoadAs<T>(unit + at), LoadAs<T>(mean + at),
                               LoadAs<T>(inv_std + at));
  }
};

template <class Real>
struct Gradient {
  const Real* dy;
  const uint8_t* mask;
  Normalized x_hat;
  const float* gain;
  const float* mean_d;
  const float* mean_dx;

  static constexpr int64_t kLine = 16;
  void Fetch(int64_t i) const {
    FetchAhead(dy + i);
    FetchAhead(x_hat.acc + i);
  }
  template <class T>
  auto At(int64_t i, int64_t at) const {
    const T d = SelectedAs<T>(dy, mask, i);
    const T du = math::NormalizedGradient(d, x_hat.At<T>(i, at), LoadAs<T>(gain + at),
                                          LoadAs<T>(mean_d + at), LoadAs<T>(mean_dx + at));
    return SpotOf(du, math::Kept(du, du));
  }
  void Finish(int64_t) const {}
};

template <class Real, class Du>
qt_status Backward(qt_context& ctx, const qt_batch_norm_absorb_backward_args& a) {
  const int64_t channels = a.channels, n = a.rows * channels;
  if (channels == 0) return QT_OK;
  const int64_t lanes = Lanes(channels);
  const int64_t size = Max(lanes, RepeatedTable(channels));
  const int64_t sums = CorrectedGradientScratch(a.rows, channels);
  float* const unit = ScratchArray<float>(ctx, 6 * size + sums + 2 * channels);
  if (unit == nullptr) return QT_OUT_OF_MEMORY;
  float* const mean = unit + size;
  float* const inv_std = mean + size;
  float* const gain = inv_std + size;
  float* const mean_d = gain + size;
  float* const mean_dx = mean_d + size;
  float* const partials = mean_dx + size;
  float* const of_channel = partials + sums;
  float* const also_of_channel = of_channel + channels;
  for (int64_t c = 0; c < channels; ++c) {
    of_channel[c] = *a.x_scale * a.w_scale[c];
    also_of_channel[c] = a.fold_var == nullptr ? math::FoldGain(a.gamma[c], a.inv_std[c])
                                               : math::OneConvGain(a.gamma[c], a.inv_std[c]);
    if (a.times_w_scale) also_of_channel[c] *= a.w_scale[c];
  }
  FillTable(unit, size, channels, of_channel, 0.0f);
  FillTable(gain, size, channels, also_of_channel, 0.0f);
  FillTable(mean, size, channels, a.mean, 0.0f);
  FillTable(inv_std, size, channels, a.inv_std, 0.0f);
  const Normalized x_hat = {a.acc, unit, mean, inv_std};
  const Real* const dy = static_cast<const Real*>(a.dy);
  Du* const du = static_cast<Du*>(a.du);
  Real* const no_gradient = nullptr;
  const float* const no_factor = nullptr;
  const bool given = a.sum_rows != 0;
  if (!given) {
    CorrectedGradient(ctx, dy, a.mask, no_gradient, a.rows, channels, no_factor, x_hat, partials);
    for (int64_t c = 0; c < channels; ++c) {
      a.dbeta[c] = partials[c];
      const float share =
          a.fold_var == nullptr
              ? 1.0f
              : math::OneConvGammaShare(
                    a.inv_std[c], math::OneConvEpsilon(a.gamma[c], a.fold_var[c], a.epsilon));
      a.dgamma[c] = math::Sign(a.gamma[c]) * partials[lanes + c] * share;
    }
  }
  if (du == nullptr) return QT_OK;
  const float rows = static_cast<float>(given ? a.sum_rows : a.rows);
  for (int64_t c = 0; c < channels; ++c) {
    const float sum_dx = given ? math::Sign(a.gamma[c]) * a.dgamma[c] : partials[lanes + c];
    of_channel[c] = a.dbeta[c] / rows;
    also_of_channel[c] = sum_dx / rows;
  }
  FillTable(mean_d, size, channels, of_channel, 0.0f);
  FillTable(mean_dx, size, channels, also_of_channel, 0.0f);
  const int64_t bytes = static_cast<int64_t>(sizeof(Real) + sizeof(Du) + sizeof(int32_t)) * n;
  ForEachPoint<false>(ctx, n, channels, du, nullptr, bytes, /*in_place=*/a.du == a.dy,
                      Gradient<Real>{dy, a.mask, x_hat, gain, mean_d, mean_dx});
  return QT_OK;
}

}  // namespace

qt_status batch_norm_absorb_backward(qt_context& ctx,
                                     const qt_batch_norm_absorb_backward_args& a) {
  return math::WithReal(a.element_type, [&](auto* dy) {
    return math::WithReal(a.du_type, [&](auto* du) {
      return Backward<math::Pointed<decltype(dy)>, math::Pointed<decltype(du)>>(ctx, a);
    });
  });
}

}  // namespace qt::cpu::QT_ISA
