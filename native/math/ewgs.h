// Element-wise gradient scaling, in the form of math/learned.h.
#ifndef QUANTRAIN_MATH_EWGS_H_
#define QUANTRAIN_MATH_EWGS_H_

#include "math/learned.h"

namespace qt::math {

template <>
struct Learned<qt_ewgs_backward_args> {
  static constexpr int kValues = 3, kSums = 1;
};

QT_HD void Load(const qt_ewgs_backward_args& a, int64_t channel, float* value) {
  value[0] = a.scale[channel];
  value[1] = static_cast<float>(a.zero_point[channel]);
  value[2] = *a.delta / static_cast<float>(a.levels);
}

QT_HD float Apply(const qt_ewgs_backward_args& a, float x, float dy, const float* value,
                  float* sum) {
  const float v = x / value[0];
  const float code = rintf(v);
  const float level = code + value[1];
  const float qmin = static_cast<float>(a.qmin), qmax = static_cast<float>(a.qmax);
  const bool inside = InRange(level, qmin, qmax);
  // |dy| is sign(dy) * dy.
  const float magnitude = BitsFloat(FloatBits(dy) & 0x7fffffffu);
  const float g = dy + (value[2] * magnitude) * (v - code);
  const float end = dy * (level < qmin ? qmin - value[1] : qmax - value[1]);
  const float outside = level == level ? end : 0.0f;
  sum[0] = inside ? dy * code - g * v : outside;
  return inside ? g : 0.0f;
}

QT_HD void Store(const qt_ewgs_backward_args& a, int64_t channel, const float*, const float* sum) {
  if (a.dscale != nullptr) a.dscale[channel] = a.gradient_scale * sum[0];
}

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_EWGS_H_
