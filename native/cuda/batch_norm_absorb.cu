// Batch norm over an integer convolution, absorbed, and its gradient: the formulas of
// cpu/batch_norm_absorb.cc. The forward is one thread per channel; the backward reads dy, mask and
// acc twice: the two sums of a channel (device/reduce.h), then the gradient, a thread per column.
#include "cuda/device/reduce.h"
#include "cuda/device/rows.h"
#include "cuda/kernels.h"
#include "math/batch_norm.h"
#include "math/types.h"

namespace qt::cuda {
namespace {

struct Absorb {
  qt_batch_norm_absorb_args a;

  __device__ void operator()(int64_t c) const {
    const float x_scale = *a.x_scale;
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
};

__device__ inline float XHat(const qt_batch_norm_absorb_backward_args& a, int64_t i, float unit,
                             int64_t c) {
  return math::NormalizedAcc(a.acc[i], unit, a.mean[c], a.inv_std[c]);
}

// The gradient of y under its mask.
template <class Real>
__device__ inline float Masked(const qt_batch_norm_absorb_backward_args& a, int64_t i) {
  return MaskBit(a.mask, i) ? math::Widen(static_cast<const Real*>(a.dy)[i]) : 0.0f;
}

template <class Real>
struct GradientSums {
  struct Total {
    float d, d_x_hat;
  };
  qt_batch_norm_absorb_backward_args a;

  __device__ Total Zero() const { return {0.0f, 0.0f}; }
  __device__ void Add(Total* t, int64_t i, int64_t c) const {
    const float d = Masked<Real>(a, i);
    t->d += d;
    t->d_x_hat += d * XHat(a, i, *a.x_scale * a.w_scale[c], c);
  }
  __device__ Total Combine(const Total& x, const Total& y) const {
    return {x.d + y.d, x.d_x_hat + y.d_x_hat};
  }
  __device__ void Store(int64_t c, const Total& t) const {
    a.dbeta[c] = t.d;
    a.dgamma[c] = math::Sign(a.gamma[c]) * t.d_x_hat;
  }
};

// Of the one-convolution fold, after Gradient has read the sums.
struct ShareGamma {
  qt_batch_norm_absorb_backward_args a;
  __device__ void operator()(int64_t c) const {
    a.dgamma[c] *= math::OneConvGammaShare(
        a.inv_std[c], math::OneConvEpsilon(a.gamma[c], a.fold_var[c], a.epsilon));
  }
};

template <class Real, class Du>
struct Gradient {
  struct Channel {
    float unit, mean, inv_std, gain, mean_d, mean_d_x_hat;
  };
  qt_batch_norm_absorb_backward_args a;

  __device__ Channel Prepare(int64_t c) const {
    const float rows = static_cast<float>(a.sum_rows == 0 ? a.rows : a.sum_rows);
    const float inv_std = a.inv_std[c];
    const float gain = a.fold_var == nullptr ? math::FoldGain(a.gamma[c], inv_std)
                                             : math::OneConvGain(a.gamma[c], inv_std);
    return {*a.x_scale * a.w_scale[c],
            a.mean[c],
            inv_std,
            a.times_w_scale ? gain * a.w_scale[c] : gain,
            a.dbeta[c] / rows,
            math::Sign(a.gamma[c]) * a.dgamma[c] / rows};
  }
  __device__ void Apply(const Channel& c, int64_t i) const {
    const float d = Masked<Real>(a, i);
    const float x_hat = math::NormalizedAcc(a.acc[i], c.unit, c.mean, c.inv_std);
    math::Narrow(math::NormalizedGradient(d, x_hat, c.gain, c.mean_d, c.mean_d_x_hat),
                 static_cast<Du*>(a.du) + i);
  }
};

}  // namespace

cudaError_t batch_norm_absorb(const Stream& stream, const qt_batch_norm_absorb_args& a) {
  return ForChannels(stream, Absorb{a}, a.channels);
}

cudaError_t batch_norm_absorb_backward(const Stream& stream,
                                       const qt_batch_norm_absorb_backward_args& a) {
  const cudaError_t status = math::WithReal(a.element_type, [&](auto* type) {
    using Real = math::Pointed<decltype(type)>;
    if (a.sum_rows == 0) {
      const cudaError_t sums = ReduceChannels(stream, GradientSums<Real>{a}, a.rows, a.channels, 1);
      if (sums != cudaSuccess || a.du == nullptr) return sums;
    }
    return math::WithReal(a.du_type, [&](auto* du) {
      return ForColumns(stream, Gradient<Real, math::Pointed<decltype(du)>>{a}, a.rows, a.channels);
    });
  });
  if (status != cudaSuccess || a.fold_var == nullptr) return status;
  return ForChannels(stream, ShareGamma{a}, a.channels);
}

}  // namespace qt::cuda
