// softmax and its gradient: the bits of cpu/softmax.cc, half a warp per row.
#include "cuda/device/row_lanes.h"
#include "cuda/kernels.h"

namespace qt::cuda {
namespace {

struct Softmax {
  const float* x;
  float* y;
  int64_t n;

  __device__ void Apply(int64_t row, int64_t count, int lane) const {
    const float* from = x + row * n;
    float* to = y + row * n;
    float max = -HUGE_VALF;  // a NaN is skipped here and found by the sum
    for (int64_t j = lane; j < count; j += math::kRowLanes) max = from[j] > max ? from[j] : max;
    for (int lanes = 1; lanes < math::kRowLanes; lanes *= 2) {
      const float other = __shfl_xor_sync(0xffffffffu, max, lanes);
      max = other > max ? other : max;
    }
    double total = 0.0;
    for (int64_t j = lane; j < count; j += math::kRowLanes) {
      const float e = math::Exp(from[j] - max);
      to[j] = e;
      total += static_cast<double>(e);
    }
    const float sum = static_cast<float>(SumOfLanes(total));
    for (int64_t j = lane; j < count; j += math::kRowLanes) to[j] = math::Softmax(to[j], sum);
  }
};

struct SoftmaxGradient {
  const float* y;
  const float* dy;
  float* dx;
  int64_t n;

  __device__ void Apply(int64_t row, int64_t count, int lane) const {
    const int64_t at = row * n;
    double total = 0.0;
    for (int64_t j = lane; j < count; j += math::kRowLanes) {
      total += static_cast<double>(dy[at + j] * y[at + j]);
    }
    const float dot = static_cast<float>(SumOfLanes(total));
    for (int64_t j = lane; j < count; j += math::kRowLanes) {
      dx[at + j] = math::SoftmaxGradient(y[at + j], dy[at + j], dot);
    }
  }
};

}  // namespace

cudaError_t softmax(const Stream& stream, const qt_softmax_args& a) {
  return ForRowLanes(stream, Softmax{a.x, a.y, a.n}, a.rows, a.n);
}

cudaError_t softmax_backward(const Stream& stream, const qt_softmax_backward_args& a) {
  return ForRowLanes(stream, SoftmaxGradient{a.y, a.dy, a.dx, a.n}, a.rows, a.n);
}

}  // namespace qt::cuda
