// softmax and its gradient: the bits of cpu/softmax.cc, half a warp per row.
#include "cuda/device/row_lanes.h"
#include "cuda/kernels.h"
#include "math/types.h"

namespace qt::cuda {
namespace {

// Exponentials are made twice: y cannot hold them where it is bf16.
template <class Real>
struct Softmax {
  const Real* x;
  Real* y;
  int64_t n;

  __device__ void Apply(int64_t row, int64_t count, int lane) const {
    const Real* from = x + row * n;
    Real* to = y + row * n;
    float max = -HUGE_VALF;  // a NaN is skipped here and found by the sum
    for (int64_t j = lane; j < count; j += math::kRowLanes) {
      const float v = math::Widen(from[j]);
      max = v > max ? v : max;
    }
    for (int lanes = 1; lanes < math::kRowLanes; lanes *= 2) {
      const float other = __shfl_xor_sync(0xffffffffu, max, lanes);
      max = other > max ? other : max;
    }
    double total = 0.0;
    for (int64_t j = lane; j < count; j += math::kRowLanes) {
      total += static_cast<double>(math::Exp(math::Widen(from[j]) - max));
    }
    const float sum = static_cast<float>(SumOfLanes(total));
    for (int64_t j = lane; j < count; j += math::kRowLanes) {
      math::Narrow(math::Softmax(math::Exp(math::Widen(from[j]) - max), sum), &to[j]);
    }
  }
};

template <class Real>
struct SoftmaxGradient {
  const Real* y;
  const Real* dy;
  Real* dx;
  int64_t n;

  __device__ void Apply(int64_t row, int64_t count, int lane) const {
    const int64_t at = row * n;
    double total = 0.0;
    for (int64_t j = lane; j < count; j += math::kRowLanes) {
      total += static_cast<double>(math::Widen(dy[at + j]) * math::Widen(y[at + j]));
    }
    const float dot = static_cast<float>(SumOfLanes(total));
    for (int64_t j = lane; j < count; j += math::kRowLanes) {
      const float of_y = math::Widen(y[at + j]), of_dy = math::Widen(dy[at + j]);
      math::Narrow(math::SoftmaxGradient(of_y, of_dy, dot), &dx[at + j]);
    }
  }
};

}  // namespace

cudaError_t softmax(const Stream& stream, const qt_softmax_args& a) {
  return math::WithReal(a.element_type, [&](auto* type) {
    using Real = math::Pointed<decltype(type)>;
    const Softmax<Real> f = {static_cast<const Real*>(a.x), static_cast<Real*>(a.y), a.n};
    return ForRowLanes(stream, f, a.rows, a.n);
  });
}

cudaError_t softmax_backward(const Stream& stream, const qt_softmax_backward_args& a) {
  return math::WithReal(a.element_type, [&](auto* type) {
    using Real = math::Pointed<decltype(type)>;
    const SoftmaxGradient<Real> f = {static_cast<const Real*>(a.y), static_cast<const Real*>(a.dy),
                                     static_cast<Real*>(a.dx), a.n};
    return ForRowLanes(stream, f, a.rows, a.n);
  });
}

}  // namespace qt::cuda
