// leaky_relu and its gradient: one pass over memory.
#include "cpu/points.h"
#include "math/layers.h"

namespace qt::cpu::QT_ISA {

qt_status leaky_relu(qt_context& ctx, const qt_leaky_relu_args& a) {
  const float* x = a.x;
  const float slope = a.slope;
  ForEachValue(ctx, a.n, 1, x, nullptr, a.y,
               [=](auto t, int64_t i, int64_t) {
                 using T = decltype(t);
                 const T v = LoadAs<T>(x + i);
                 return math::LeakyRelu(v, v, T(slope));
               });
  return QT_OK;
}

qt_status leaky_relu_backward(qt_context& ctx, const qt_leaky_relu_backward_args& a) {
  const float* x = a.x;
  const float* dy = a.dy;
  const float slope = a.slope;
  ForEachValue(ctx, a.n, 1, x, dy, a.dx,
               [=](auto t, int64_t i, int64_t) {
                 using T = decltype(t);
                 return math::LeakyRelu(LoadAs<T>(x + i), LoadAs<T>(dy + i), T(slope));
               });
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA
