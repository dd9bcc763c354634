// Learned step size: LSQ, and LSQ+ with an integer zero-point or a real offset.
#include "cpu/learned.h"

namespace qt::cpu::QT_ISA {

qt_status lsq_qparams(qt_context&, const qt_lsq_qparams_args& a) {
  for (int64_t c = 0; c < a.channels; ++c) math::LsqQparams(a, c);
  return QT_OK;
}

qt_status lsq_backward(qt_context& ctx, const qt_lsq_backward_args& a) {
  return LearnedKernel(ctx, a, a.dy, a.dx);
}

qt_status lsq_plus(qt_context& ctx, const qt_lsq_plus_args& a) {
  return LearnedKernel(ctx, a, nullptr, a.y);
}

qt_status lsq_plus_backward(qt_context& ctx, const qt_lsq_plus_backward_args& a) {
  return LearnedKernel(ctx, a, a.dy, a.dx);
}

}  // namespace qt::cpu::QT_ISA
