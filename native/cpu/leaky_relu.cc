// leaky_relu and its gradient: one pass over memory, in blocks of kBlock elements.
#include "cpu/kernel.h"
#include "math/layers.h"

namespace qt::cpu::QT_ISA {

qt_status leaky_relu(qt_context& ctx, const qt_leaky_relu_args& a) {
  const float* x = a.x;
  float* y = a.y;
  const float slope = a.slope;
  ParallelBlocks(ctx, a.n, kBlock, [=](int64_t, int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) y[i] = math::LeakyRelu(x[i], x[i], slope);
  });
  return QT_OK;
}

qt_status leaky_relu_backward(qt_context& ctx, const qt_leaky_relu_backward_args& a) {
  const float* x = a.x;
  const float* dy = a.dy;
  float* dx = a.dx;
  const float slope = a.slope;
  ParallelBlocks(ctx, a.n, kBlock, [=](int64_t, int64_t begin, int64_t end) {
#pragma omp simd
    for (int64_t i = begin; i < end; ++i) dx[i] = math::LeakyRelu(x[i], dy[i], slope);
  });
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA
