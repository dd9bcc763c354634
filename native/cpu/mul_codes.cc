// mul_codes: the product of two tensors of codes.
#include "cpu/binary_codes.h"

namespace qt::cpu::QT_ISA {

qt_status mul_codes(qt_context& ctx, const qt_mul_codes_args& a) {
  BinaryCodes(ctx, a,
              math::MakeFloatMul(*a.a_scale, *a.a_zero_point, *a.b_scale, *a.b_zero_point,
                                 *a.y_scale, *a.y_zero_point),
              math::MakeEnds<float>(a.qmin, a.qmax, *a.y_zero_point, /*relu=*/false));
  return QT_OK;
}

}  // namespace qt::cpu::QT_ISA
