// Element-wise gradient scaling, in the form of math/learned.h. Derivation: NUMERICS.md, "EWGS".
#ifndef QUANTRAIN_MATH_EWGS_H_
#define QUANTRAIN_MATH_EWGS_H_

#include "math/learned.h"

namespace qt::math {

// delta is that of an error in steps.
struct EwgsValue {
  float scale, zero_point, delta;
};

template <>
struct Learned<qt_ewgs_backward_args> {
  using Value = EwgsValue;
  static constexpr int kSums = 1;
};

QT_HD EwgsValue Load(const qt_ewgs_backward_args& a, int64_t channel) {
  return {a.scale[channel], static_cast<float>(a.zero_point[channel]),
          *a.delta / static_cast<float>(a.levels)};
}

QT_HD Term Apply(const qt_ewgs_backward_args& a, float x, float dy, EwgsValue value) {
  const float v = x / value.scale;
  const float code = rintf(v);
  const float level = code + value.zero_point;
  const float clamped = Clamp(level, static_cast<float>(a.qmin), static_cast<float>(a.qmax));
  const bool inside = level == clamped;
  // |dy| is sign(dy) * dy.
  const float magnitude = BitsFloat(FloatBits(dy) & 0x7fffffffu);
  const float g = dy + (value.delta * magnitude) * (v - code);
  const float within = dy * code - g * v, end = dy * (clamped - value.zero_point);
  return {Where(inside, g), {Where(level == level, inside ? within : end), 0.0f, 0.0f}};
}

QT_HD void Store(const qt_ewgs_backward_args& a, int64_t channel, EwgsValue, const float* sum) {
  if (a.dscale != nullptr) a.dscale[channel] = a.gradient_scale * sum[0];
}

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_EWGS_H_
