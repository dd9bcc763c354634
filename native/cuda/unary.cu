// unary and its gradient: the bits of cpu/unary.cc, one pass over memory.
#include "cuda/device/map.h"
#include "cuda/kernels.h"
#include "math/tensors.h"

namespace qt::cuda {
namespace {

template <int kKind>
struct Unary {
  float alpha, beta;
  __device__ float Apply(float x, float) const { return math::Unary<kKind>(x, alpha, beta); }
};

template <int kKind>
struct UnaryGradient {
  float alpha, beta;
  __device__ float Apply(float x, float dy) const {
    return math::UnaryGradient<kKind>(x, dy, alpha, beta);
  }
};

}  // namespace

cudaError_t unary(const Stream& stream, const qt_unary_args& a) {
  return math::WithUnary(a.kind, [&](auto kind) {
    return Map(stream, Unary<decltype(kind)::value>{a.alpha, a.beta},
               {a.x, nullptr, a.y, a.element_type}, a.n);
  });
}

cudaError_t unary_backward(const Stream& stream, const qt_unary_backward_args& a) {
  return math::WithUnary(a.kind, [&](auto kind) {
    return Map(stream, UnaryGradient<decltype(kind)::value>{a.alpha, a.beta},
               {a.x, a.dy, a.dx, a.element_type}, a.n);
  });
}

}  // namespace qt::cuda
