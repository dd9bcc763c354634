// Tracking, freezing and dampening. Derivation: NUMERICS.md, "Oscillating weights".
#ifndef QUANTRAIN_MATH_OSCILLATION_H_
#define QUANTRAIN_MATH_OSCILLATION_H_

#include "math/learned.h"

namespace qt::math {

// What is kept per weight; integers as floats, which is exact.
struct Oscillation {
  float integer, direction, phase, frequency, mean;
};

constexpr float kNotSeen = 0.0f, kTracked = 1.0f, kFrozen = 2.0f;

// The state after an update of the weight to w. A frequency of NaN never freezes.
QT_HD Oscillation TrackOscillation(Oscillation s, float w, float scale, float qmin, float qmax,
                                   float momentum, float threshold) {
  const float q = Quantize(w, scale, 0.0f, qmin, qmax);
  const float moved = q - s.integer;
  const float sign = static_cast<float>(moved > 0.0f) - static_cast<float>(moved < 0.0f);
  const float oscillated = static_cast<float>(sign * s.direction < 0.0f);
  const float keep = 1.0f - momentum;
  const float frequency = momentum * oscillated + keep * s.frequency;
  const float mean = momentum * q + keep * s.mean;
  const bool freezes = frequency > threshold;
  // + 0 turns -0, which no integer in memory is, into +0.
  const Oscillation tracked = {Choose(freezes, Clamp(rintf(mean), qmin, qmax) + 0.0f, q),
                               Choose(sign != 0.0f, sign, s.direction),
                               Choose(freezes, kFrozen, kTracked), frequency, mean};
  const bool first = s.phase == kNotSeen, frozen = s.phase == kFrozen;
  return {Choose(frozen, s.integer, Choose(first, q, tracked.integer)),
          Choose(frozen | first, s.direction, tracked.direction),
          Choose(frozen, kFrozen, Choose(first, kTracked, tracked.phase)),
          Choose(frozen | first, s.frequency, tracked.frequency),
          Choose(frozen, s.mean, Choose(first, q, tracked.mean))};
}

// What the weight becomes.
QT_HD float FrozenWeight(const Oscillation& s, float w, float scale) {
  return Choose(s.phase == kFrozen, s.integer * scale, w);
}

// ---- dampening, in the form of math/learned.h

template <class T>
struct DampeningValueOf {
  T scale, lambda;
};
using DampeningValue = DampeningValueOf<float>;

template <>
struct Learned<qt_dampening_args> {
  template <class T>
  using Of = DampeningValueOf<T>;
  using Value = DampeningValue;
  static constexpr int kSums = 1;
};

QT_HD DampeningValue Load(const qt_dampening_args& a, int64_t channel) {
  return {a.scale[channel], *a.lambda};
}

template <class T>
QT_HD TermOf<T> Apply(const qt_dampening_args& a, T x, T dy, DampeningValueOf<T> value) {
  const T qmin = T(static_cast<float>(a.qmin)), qmax = T(static_cast<float>(a.qmax));
  const T low = qmin * value.scale, high = qmax * value.scale;
  const T code = Quantize(x, value.scale, T(0.0f), qmin, qmax);
  // Outside, clip(w) and Q(w) are both the end of the grid.
  const T error = Where((low <= x) & (x <= high), x - code * value.scale);
  return {dy + (T(2.0f) * value.lambda) * error, {error * error, T(0.0f), T(0.0f)}};
}

QT_HD void Store(const qt_dampening_args& a, int64_t channel, DampeningValue value,
                 const float* sum) {
  a.loss[channel] = value.lambda * sum[0];
}

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_OSCILLATION_H_
