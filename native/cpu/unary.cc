// unary and its gradient: one pass over memory, one loop per kind.
#include "cpu/map.h"
#include "math/tensors.h"

namespace qt::cpu::QT_ISA {

qt_status unary(qt_context& ctx, const qt_unary_args& a) {
  const float alpha = a.alpha, beta = a.beta;
  math::WithUnary(a.kind, [&](auto kind) {
    constexpr int kKind = decltype(kind)::value;
    Map(ctx, a.n, a.element_type, a.x, a.y,
        [=](float x) { return math::Unary<kKind>(x, alpha, beta); });
  });
  return QT_OK;
}

qt_status unary_backward(qt_context& ctx, const qt_unary_backward_args& a) {
  const float alpha = a.alpha, beta = a.beta;
  math::WithUnary(a.kind, [&](auto kind) {
    constexpr int kKind = decltype(kind)::value;
    Map(ctx, a.n, a.element_type, a.x, a.dy, a.dx,
        [=](float x, float dy) { return math::UnaryGradient<kKind>(x, dy, alpha, beta); });
  });
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA
