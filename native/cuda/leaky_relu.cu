// leaky_relu and its gradient: the bits of cpu/leaky_relu.cc, one pass over memory.
#include "cuda/device/map.h"
#include "cuda/kernels.h"
#include "math/layers.h"

namespace qt::cuda {
namespace {

struct LeakyRelu {
  float slope;
  __device__ float Apply(float x, float) const { return math::LeakyRelu(x, x, slope); }
};

struct LeakyReluGradient {
  float slope;
  __device__ float Apply(float x, float dy) const { return math::LeakyRelu(x, dy, slope); }
};

}  // namespace

cudaError_t leaky_relu(const Stream& stream, const qt_leaky_relu_args& a) {
  return Map(stream, LeakyRelu{a.slope}, {a.x, nullptr, a.y, a.element_type}, a.n);
}

cudaError_t leaky_relu_backward(const Stream& stream, const qt_leaky_relu_backward_args& a) {
  return Map(stream, LeakyReluGradient{a.slope}, {a.x, a.dy, a.dx, a.element_type}, a.n);
}

}  // namespace qt::cuda
