// Element-wise gradient scaling.
#include "math/ewgs.h"

#include "cpu/learned.h"  // after its formulas

namespace qt::cpu::QT_ISA {

qt_status ewgs_backward(qt_context& ctx, const qt_ewgs_backward_args& a) {
  return LearnedKernel(ctx, a, a.dy, a.dx);
}

}  // namespace qt::cpu::QT_ISA
