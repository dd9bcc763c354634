// layer_norm and layer_norm_backward: y, mean, rstd and dx in the bits of cpu/layer_norm.cc, half a warp per
// row; dgamma and dbeta are double sums in the order of device/reduce.h.
#include "cuda/device/reduce.h"
#include "cuda/device/row_lanes.h"
#include "cuda/device/strided.h"
#include "cuda/kernels.h"
#include "math/types.h"

namespace qt::cuda {
namespace {

template <class Real>
struct LayerNorm {
  qt_layer_norm_args a;

  __device__ void Apply(int64_t row, int64_t count, int lane) const {
    const Real* x = static_cast<const Real*>(a.x) + row * a.n;
    Real* y = static_cast<Real*>(a.y) + row * a.n;
    const float shift = math::Widen(x[0]);
    double sum = 0.0, squares = 0.0;
    for (int64_t j = lane; j < count; j += math::kRowLanes) {
      const double d = math::Shifted(math::Widen(x[j]), shift);
      sum += d;
      squares += d * d;
    }
    sum = SumOfLanes(sum);
    squares = SumOfLanes(squares);
    const math::RowMoments m =
        math::MomentsOfRow(shift, sum, squares, static_cast<double>(a.n), a.epsilon);
    if (lane == 0 && count > 0) {
      if (a.mean != nullptr) a.mean[row] = m.mean;
      if (a.rstd != nullptr) a.rstd[row] = m.rstd;
    }
    for (int64_t j = lane; j < count; j += math::kRowLanes) {
      math::Narrow(math::LayerNorm(math::Widen(x[j]), m.mean, m.rstd, a.gamma[j], a.beta[j]),
                   &y[j]);
    }
  }
};

template <class Real>
struct InputGradient {
  qt_layer_norm_backward_args a;

  __device__ void Apply(int64_t row, int64_t count, int lane) const {
    const Real* x = static_cast<const Real*>(a.x) + row * a.n;
    const Real* dy = static_cast<const Real*>(a.dy) + row * a.n;
    Real* dx = static_cast<Real*>(a.dx) + row * a.n;
    const float mean = a.mean[row], rstd = a.rstd[row];
    double g = 0.0, g_x_hat = 0.0;
    for (int64_t j = lane; j < count; j += math::kRowLanes) {
      const float scaled = math::Widen(dy[j]) * a.gamma[j];
      g += static_cast<double>(scaled);
      g_x_hat += math::Product(scaled, math::LayerNormXhat(math::Widen(x[j]), mean, rstd));
    }
    const double n = static_cast<double>(a.n);
    const float mean_g = static_cast<float>(SumOfLanes(g) / n);
    const float mean_g_x_hat = static_cast<float>(SumOfLanes(g_x_hat) / n);
    for (int64_t j = lane; j < count; j += math::kRowLanes) {
      const float scaled = math::Widen(dy[j]) * a.gamma[j];
      const float x_hat = math::LayerNormXhat(math::Widen(x[j]), mean, rstd);
      math::Narrow(math::LayerNormGradient(scaled, x_hat, rstd, mean_g, mean_g_x_hat), &dx[j]);
    }
  }
};

template <class Real>
struct ParameterGradients {
  qt_layer_norm_backward_args a;
  struct Total {
    double dgamma, dbeta;
  };
  __device__ Total Zero() const { return {0.0, 0.0}; }
  __device__ void Add(Total* total, int64_t i, int64_t column) const {
    const int64_t row = Quotient(i - column, a.n);
    const float x = math::Widen(static_cast<const Real*>(a.x)[i]);
    const float dy = math::Widen(static_cast<const Real*>(a.dy)[i]);
    total->dgamma += math::Product(dy, math::LayerNormXhat(x, a.mean[row], a.rstd[row]));
    total->dbeta += static_cast<double>(dy);
  }
  __device__ Total Combine(Total one, Total two) const {
    return {one.dgamma + two.dgamma, one.dbeta + two.dbeta};
  }
  __device__ void Store(int64_t column, Total total) const {
    a.dgamma[column] = static_cast<float>(total.dgamma);
    a.dbeta[column] = static_cast<float>(total.dbeta);
  }
};

}  // namespace

cudaError_t layer_norm(const Stream& stream, const qt_layer_norm_args& a) {
  return math::WithReal(a.element_type, [&](auto* type) {
    return ForRowLanes(stream, LayerNorm<math::Pointed<decltype(type)>>{a}, a.rows, a.n);
  });
}

cudaError_t layer_norm_backward(const Stream& stream, const qt_layer_norm_backward_args& a) {
  return math::WithReal(a.element_type, [&](auto* type) {
    using Real = math::Pointed<decltype(type)>;
    // First what reads dy, which dx may be.
    const cudaError_t status =
        ReduceChannels(stream, ParameterGradients<Real>{a}, a.rows, a.n, 1);
    return status == cudaSuccess ? ForRowLanes(stream, InputGradient<Real>{a}, a.rows, a.n)
                                 : status;
  });
}

}  // namespace qt::cuda
