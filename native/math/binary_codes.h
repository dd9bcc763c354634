// Two codes to one: the residual add and the product of ONNX Runtime's contract on x86, operation by
// operation in its order. Constants of a call come first, then Level(constants, a, b) before clamp
// and rounding, zero-point included; the fixed-point adds have the same shape. Codes come as what the
// constants compute with: a contract's Number, or a vector of it. Derivation:
// NUMERICS.md, "Residual add" and "Product of codes".
#ifndef QUANTRAIN_MATH_BINARY_CODES_H_
#define QUANTRAIN_MATH_BINARY_CODES_H_

#include "math/fixed_point.h"
#include "math/fma.h"
#include "math/level.h"

namespace qt::math {

// QLinearAdd (x86 with FMA). The zero-points are folded into fix.
struct FloatAdd {
  using Number = float;
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

template <class T>
QT_HD T Level(const FloatAdd& k, T a, T b) {
  return Fma(a, T(k.ratio_a), Fma(b, T(k.ratio_b), T(k.fix)));
}

// QLinearMul (x86): differences of codes and their product are exact in float; product and sum are
// rounded apart.
struct FloatMul {
  using Number = float;
  float a_zero_point, b_zero_point, multiplier, y_zero_point;
};

QT_HD FloatMul MakeFloatMul(float a_scale, int32_t a_zero_point, float b_scale,
                            int32_t b_zero_point, float y_scale, int32_t y_zero_point) {
  FloatMul k;
  k.a_zero_point = static_cast<float>(a_zero_point);
  k.b_zero_point = static_cast<float>(b_zero_point);
  k.multiplier = (a_scale * b_scale) / y_scale;
  k.y_zero_point = static_cast<float>(y_zero_point);
  return k;
}

template <class T>
QT_HD T Level(const FloatMul& k, T a, T b) {
  const T product = (a - T(k.a_zero_point)) * (b - T(k.b_zero_point));
  return product * T(k.multiplier) + T(k.y_zero_point);
}

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_BINARY_CODES_H_
