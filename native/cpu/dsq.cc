// DSQ: the learned range, and the soft staircase that gives the gradient of the hard quantizer.
#include "cpu/learned.h"

namespace qt::cpu::QT_ISA {

qt_status dsq_qparams(qt_context&, const qt_dsq_qparams_args& a) {
  for (int64_t c = 0; c < a.channels; ++c) {
    math::DsqQparams(a.learned_lower[c], a.learned_upper[c], a.qmin, a.qmax, a.scale + c,
                     a.zero_point + c, a.lower + c, a.upper + c);
  }
  return QT_OK;
}

qt_status dsq_forward(qt_context& ctx, const qt_dsq_forward_args& a) {
  return LearnedKernel(ctx, a, nullptr, a.y);
}

qt_status dsq_backward(qt_context& ctx, const qt_dsq_backward_args& a) {
  return LearnedKernel(ctx, a, a.dy, a.dx);
}

}  // namespace qt::cpu::QT_ISA
