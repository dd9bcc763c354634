// DoReFa, q_k(r) = rint(n * r) / n with n = 2^k - 1. Derivation: NUMERICS.md, "DoReFa".
#ifndef QUANTRAIN_MATH_DOREFA_H_
#define QUANTRAIN_MATH_DOREFA_H_

#include "math/elementary.h"
#include "math/quantize.h"
#include "math/stochastic.h"

namespace qt::math {

QT_HD float DorefaSteps(int32_t bits) { return static_cast<float>((1 << bits) - 1); }

// NaN gives 0.
QT_HD float DorefaActivation(float x, float steps) {
  return rintf(steps * Clamp(x, 0.0f, 1.0f)) / steps;
}

// False for NaN.
QT_HD float DorefaActivationGradient(float x, float dy) {
  return (x >= 0.0f) & (x <= 1.0f) ? dy : 0.0f;
}

// From the bits of the largest |w|; the floor keeps a channel of zeros from 0 / 0.
QT_HD float DorefaMaxTanh(int32_t magnitude_bits) {
  const float t = Tanh(BitsFloat(static_cast<uint32_t>(magnitude_bits)));
  return t > kFloatMin ? t : kFloatMin;
}

// 2 * q_k(r) - 1 = (2 * code - n) / n, rounded once. NaN gives -1.
QT_HD float DorefaLevel(float code, float steps) { return (2.0f * code - steps) / steps; }

QT_HD float DorefaWeight(float w, float max_tanh, float steps) {
  const float r = (0.5f * Tanh(w)) / max_tanh + 0.5f;
  return DorefaLevel(rintf(steps * Clamp(r, 0.0f, 1.0f)), steps);
}

QT_HD float DorefaWeightGradient(float w, float dy, float max_tanh) {
  const float t = Tanh(w);
  const float dw = dy * (((1.0f - t) * (1.0f + t)) / max_tanh);
  return w == w ? dw : 0.0f;
}

// u in [0, 1); max is 0 only where dy is (or NaN, which stays).
QT_HD float DorefaGradient(float dy, float max, float steps, float u) {
  const float r = (0.5f * dy) / (max > kFloatMin ? max : kFloatMin) + 0.5f;
  const float code = StochasticRound(steps * Clamp(r, 0.0f, 1.0f), u);
  return dy == dy ? max * DorefaLevel(code, steps) : dy;
}

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_DOREFA_H_
