// Element-wise gradient scaling, in the form of math/learned.h. Derivation: NUMERICS.md, "EWGS".
#ifndef QUANTRAIN_MATH_EWGS_H_
#define QUANTRAIN_MATH_EWGS_H_

#include "math/learned.h"

namespace qt::math {

// delta is that of an error in steps.
template <class T>
struct EwgsValueOf {
  T scale, zero_point, delta;
};
using EwgsValue = EwgsValueOf<float>;

template <>
struct Learned<qt_ewgs_backward_args> {
  template <class T>
  using Of = EwgsValueOf<T>;
  using Value = EwgsValue;
  static constexpr int kSums = 1;
};

QT_HD EwgsValue Load(const qt_ewgs_backward_args& a, int64_t channel) {
  return {a.scale[channel], static_cast<float>(a.zero_point[channel]),
          *a.delta / static_cast<float>(a.levels)};
}

template <class T>
QT_HD TermOf<T> Apply(const qt_ewgs_backward_args& a, T x, T dy, EwgsValueOf<T> value) {
  const T v = x / value.scale;
  const T code = Rint(v);
  const T level = code + value.zero_point;
  const T clamped = Clamp(level, T(static_cast<float>(a.qmin)), T(static_cast<float>(a.qmax)));
  const auto inside = Equal(level, clamped);
  // |dy| is sign(dy) * dy.
  const T g = dy + (value.delta * Absolute(dy)) * (v - code);
  const T within = dy * code - g * v, end = dy * (clamped - value.zero_point);
  return {Where(inside, g),
          {Where(Equal(level, level), Choose(inside, within, end)), T(0.0f), T(0.0f)}};
}

QT_HD void Store(const qt_ewgs_backward_args& a, int64_t channel, EwgsValue, const float* sum) {
  if (a.dscale != nullptr) a.dscale[channel] = a.gradient_scale * sum[0];
}

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_EWGS_H_
