// leaky_relu and its gradient: one pass over memory.
#include "cpu/points.h"
#include "math/layers.h"

namespace qt::cpu::QT_ISA {

qt_status leaky_relu(qt_context& ctx, const qt_leaky_relu_args& a) {
  const float slope = a.slope;
  ForEachValue(ctx, a.n, 1, a.element_type, a.x, a.y,
               [=](auto x, int64_t) { return math::LeakyRelu(x, x, decltype(x)(slope)); });
  return QT_OK;
}

qt_status leaky_relu_backward(qt_context& ctx, const qt_leaky_relu_backward_args& a) {
  const float slope = a.slope;
  ForEachValue(ctx, a.n, 1, a.element_type, a.x, a.dy, a.dx, [=](auto x, auto dy, int64_t) {
    return math::LeakyRelu(x, dy, decltype(x)(slope));
  });
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA
