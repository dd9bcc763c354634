// Oscillating weights: tracking, freezing, and the dampening loss (in the form of math/learned.h).
#ifndef QUANTRAIN_MATH_OSCILLATION_H_
#define QUANTRAIN_MATH_OSCILLATION_H_

#include "math/learned.h"

namespace qt::math {

// What is kept per weight; integers as floats, which is exact.
struct Oscillation {
  float integer, direction, phase, frequency, mean;
};

constexpr float kNotSeen = 0.0f, kTracked = 1.0f, kFrozen = 2.0f;

// holds ? a : b by bits: a compiler may turn chains of ternaries into branches, which do not
// vectorize.
QT_HD float Choose(bool holds, float a, float b) {
  const uint32_t mask = 0u - static_cast<uint32_t>(holds);
  return BitsFloat((FloatBits(a) & mask) | (FloatBits(b) & ~mask));
}

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
  const Oscillation tracked = {Choose(freezes, Clamp(rintf(mean), qmin, qmax), q),
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

// ---- dampening

template <>
struct Learned<qt_dampening_args> {
  static constexpr int kValues = 2, kSums = 1;
};

QT_HD void Load(const qt_dampening_args& a, int64_t channel, float* value) {
  value[0] = a.scale[channel];
  value[1] = *a.lambda;
}

QT_HD float Apply(const qt_dampening_args& a, float x, float dy, const float* value, float* sum) {
  const float qmin = static_cast<float>(a.qmin), qmax = static_cast<float>(a.qmax);
  const float low = qmin * value[0], high = qmax * value[0];
  const float code = Quantize(x, value[0], 0.0f, qmin, qmax);
  const bool inside = (x >= low) & (x <= high);  // outside both are the end of the grid
  const float error = inside ? x - code * value[0] : 0.0f;
  sum[0] = error * error;
  return dy + (2.0f * value[1]) * error;
}

QT_HD void Store(const qt_dampening_args& a, int64_t channel, const float* value,
                 const float* sum) {
  a.loss[channel] = value[1] * sum[0];
}

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_OSCILLATION_H_
