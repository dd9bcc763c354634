// Two codes to one: the residual add and the product of ONNX Runtime's contract on x86, operation by
// operation in its order. Constants of a call come first, then Level(constants, a, b) before clamp
// and rounding, zero-point included; the fixed-point adds have the same shape. Derivation:
// NUMERICS.md, "Residual add" and "Product of codes".
#ifndef QUANTRAIN_MATH_BINARY_CODES_H_
#define QUANTRAIN_MATH_BINARY_CODES_H_

#include "math/fixed_point.h"
#include "math/fma.h"
#include "math/level.h"

namespace qt::math {

// QLinearAdd (x86 with FMA). The zero-points are folded into fix.
struct FloatAdd {
  float ratio_a, ratio_b, fix;
};

QT_HD FloatAdd MakeFloatAdd(float a_scale, int32_t a_zero_point, float b_scale,
                            int32_t b_zero_point, float y_scale, int32_t y_zero_point) {
  const float za = static_cast<float>(a_zero_point), zb = static_cast<float>(b_zero_point);
  FloatAdd k;
  k.ratio_a = a_scale / y_scale;
  k.ratio_b = b_scale / y_scale;
  k.fix = static_cast<float>(y_zero_point) - Fma(k.ratio_a, za, k.ratio_b * zb);
  return k;
}

QT_HD float Level(const FloatAdd& k, int32_t a, int32_t b) {
  return Fma(static_cast<float>(a), k.ratio_a, Fma(static_cast<float>(b), k.ratio_b, k.fix));
}

// QLinearMul (x86): the integer product is exact in float; product and sum are rounded apart.
struct FloatMul {
  int32_t a_zero_point, b_zero_point;
  float multiplier, y_zero_point;
};

QT_HD FloatMul MakeFloatMul(float a_scale, int32_t a_zero_point, float b_scale,
                            int32_t b_zero_point, float y_scale, int32_t y_zero_point) {
  FloatMul k;
  k.a_zero_point = a_zero_point;
  k.b_zero_point = b_zero_point;
  k.multiplier = (a_scale * b_scale) / y_scale;
  k.y_zero_point = static_cast<float>(y_zero_point);
  return k;
}

QT_HD float Level(const FloatMul& k, int32_t a, int32_t b) {
  const int32_t product =
      MultiplyInt(SubtractInt(a, k.a_zero_point), SubtractInt(b, k.b_zero_point));
  return static_cast<float>(product) * k.multiplier + k.y_zero_point;
}

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_BINARY_CODES_H_
