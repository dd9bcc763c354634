// TQT: the learned power-of-two threshold.
#include "cpu/learned.h"

namespace qt::cpu::QT_ISA {

qt_status tqt_qparams(qt_context&, const qt_tqt_qparams_args& a) {
  for (int64_t c = 0; c < a.channels; ++c) {
    math::TqtQparams(a.log2_threshold[c], a.qmin, a.qmax, a.is_signed != 0, a.scale + c,
                     a.zero_point + c);
  }
  return QT_OK;
}

qt_status tqt_backward(qt_context& ctx, const qt_tqt_backward_args& a) {
  return LearnedKernel(ctx, a, a.dy, a.dx);
}

}  // namespace qt::cpu::QT_ISA
