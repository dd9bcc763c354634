// batch_norm_stats, batch_norm, batch_norm_backward on [rows, channels]. Sums are double, in the
// order of device/reduce.h; the elementwise parts have the bits of cpu/batch_norm.cc where the sums
// do. Statistics read x once, the gradient reads x and dy once for the sums and once for dx.
#include "math/batch_norm.h"

#include "cuda/device/map.h"
#include "cuda/device/reduce.h"
#include "cuda/device/rows.h"
#include "cuda/kernels.h"
#include "math/layers.h"
#include "math/types.h"

namespace qt::cuda {
namespace {

template <class Real>
struct Statistics {
  qt_batch_norm_stats_args a;
  __device__ float At(int64_t i) const { return math::Widen(static_cast<const Real*>(a.x)[i]); }
  struct Total {
    double sum, squares;
  };
  __device__ Total Zero() const { return {0.0, 0.0}; }
  __device__ void Add(Total* total, int64_t i, int64_t channel) const {
    const double d = math::Shifted(At(i), At(channel));
    total->sum += d;
    total->squares += d * d;
  }
  __device__ Total Combine(Total one, Total two) const {
    return {one.sum + two.sum, one.squares + two.squares};
  }
  __device__ void Store(int64_t c, Total total) const {
    const math::FloatMoments m =
        math::MomentsOfShifted(At(c), total.sum, total.squares, static_cast<double>(a.rows));
    a.mean[c] = m.mean;
    a.var[c] = m.var;
  }
};

struct UpdateRunning {
  qt_batch_norm_stats_args a;
  __device__ void operator()(int64_t c) const {
    a.running_mean[c] = math::MovingAverage(a.running_mean[c], a.mean[c], a.momentum);
    const float unbiased = math::UnbiasedVariance(a.var[c], static_cast<float>(a.rows));
    a.running_var[c] = math::MovingAverage(a.running_var[c], unbiased, a.momentum);
  }
};

struct Normalize {
  qt_batch_norm_args a;
  struct Channel {
    float mean, std, gamma, beta;
  };
  __device__ Channel Prepare(int64_t c) const {
    return {a.mean[c], math::StandardDeviation(a.var[c], a.epsilon), a.gamma[c], a.beta[c]};
  }
  __device__ float Apply(const Channel& c, float x, float) const {
    return math::BatchNorm(x, c.mean, c.std, c.gamma, c.beta);
  }
};

template <class Real>
struct ParameterGradients {
  qt_batch_norm_backward_args a;
  struct Total {
    double dbeta, dgamma;
  };
  __device__ Total Zero() const { return {0.0, 0.0}; }
  __device__ void Add(Total* total, int64_t i, int64_t channel) const {
    const double dy = static_cast<double>(math::Widen(static_cast<const Real*>(a.dy)[i]));
    const float x = math::Widen(static_cast<const Real*>(a.x)[i]);
    total->dbeta += dy;
    total->dgamma += dy * math::Shifted(x, a.mean[channel]);
  }
  __device__ Total Combine(Total one, Total two) const {
    return {one.dbeta + two.dbeta, one.dgamma + two.dgamma};
  }
  __device__ void Store(int64_t c, Total total) const {
    a.dbeta[c] = static_cast<float>(total.dbeta);
    a.dgamma[c] =
        math::GammaGradient(total.dgamma, math::StandardDeviation(a.var[c], a.epsilon));
  }
};

// dx where mean and var are this batch's: dgamma and dbeta have been stored, or were given.
struct BatchGradient {
  qt_batch_norm_backward_args a;
  struct Channel {
    float mean, std, inv_std, gamma, mean_dy, mean_dy_xhat;
  };
  __device__ Channel Prepare(int64_t c) const {
    const float rows = static_cast<float>(a.sum_rows == 0 ? a.rows : a.sum_rows);
    return {a.mean[c],  math::StandardDeviation(a.var[c], a.epsilon),
            math::InverseStd(a.var[c], a.epsilon),
            a.gamma[c], a.dbeta[c] / rows,
            a.dgamma[c] / rows};
  }
  __device__ float Apply(const Channel& c, float dy, float x) const {
    return math::BatchNormGradient(dy, math::BatchNormXhat(x, c.mean, c.std), c.gamma, c.inv_std,
                                   c.mean_dy, c.mean_dy_xhat);
  }
};

struct FrozenGradient {
  qt_batch_norm_backward_args a;
  struct Channel {
    float inv_std, gamma;
  };
  __device__ Channel Prepare(int64_t c) const {
    return {math::InverseStd(a.var[c], a.epsilon), a.gamma[c]};
  }
  __device__ float Apply(const Channel& c, float dy, float) const {
    return math::BatchNormGradientFrozen(dy, c.gamma, c.inv_std);
  }
};

}  // namespace

cudaError_t batch_norm_stats(const Stream& stream, const qt_batch_norm_stats_args& args) {
  const cudaError_t status = math::WithReal(args.element_type, [&](auto* type) {
    return ReduceChannels(stream, Statistics<math::Pointed<decltype(type)>>{args}, args.rows,
                          args.channels, 1);
  });
  if (status != cudaSuccess || args.running_mean == nullptr) return status;
  return ForChannels(stream, UpdateRunning{args}, args.channels);
}

cudaError_t batch_norm(const Stream& stream, const qt_batch_norm_args& args) {
  return MapColumns(stream, Normalize{args}, {args.x, nullptr, args.y, args.element_type},
                    args.rows, args.channels);
}

cudaError_t batch_norm_backward(const Stream& stream, const qt_batch_norm_backward_args& args) {
  if (args.sum_rows == 0) {
    const cudaError_t status = math::WithReal(args.element_type, [&](auto* type) {
      return ReduceChannels(stream, ParameterGradients<math::Pointed<decltype(type)>>{args},
                            args.rows, args.channels, 1);
    });
    if (status != cudaSuccess || args.dx == nullptr) return status;
  }
  if (args.frozen != 0) {
    return MapColumns(stream, FrozenGradient{args}, {args.dy, nullptr, args.dx, args.element_type},
                      args.rows, args.channels);
  }
  return MapColumns(stream, BatchGradient{args}, {args.dy, args.x, args.dx, args.element_type},
                    args.rows, args.channels);
}

}  // namespace qt::cuda
