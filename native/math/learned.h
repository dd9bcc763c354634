// Quantizers with learned values, one element and one channel at a time. The arguments of a kernel
// are its rule, by overload:
//   Load(args, channel, value)        what an element needs of its channel: Learned<Args>::kValues
//   Apply(args, x, dy, value, sum)    the element's output; sets its terms of Learned<Args>::kSums sums
//   Store(args, channel, value, sum)  once per channel, with the sums over its elements
// The output of a backward kernel is dx, that of a forward kernel (no sums, no dy) y. CPU and CUDA
// kernels add nothing but loops. An x of NaN has no gradient: dx and its terms are 0. Branch-free.
// Derivation: NUMERICS.md, "Learned quantizers".
#ifndef QUANTRAIN_MATH_LEARNED_H_
#define QUANTRAIN_MATH_LEARNED_H_

#include "include/quantrain.h"
#include "math/elementary.h"
#include "math/quantize.h"

namespace qt::math {

template <class Args>
struct Learned;

// A float made a scale: positive and normal, whatever an optimizer did to it; NaN gives the floor.
QT_HD float ScaleOf(float x) {
  const float s = x > kFloatMin ? x : kFloatMin;
  return s < kFloatMax ? s : kFloatMax;
}

// ---- learned step (LSQ) and zero-point (LSQ+)

QT_HD void LsqQparams(float learned_scale, float learned_zero_point, int32_t qmin, int32_t qmax,
                      float* scale, int32_t* zero_point) {
  *scale = ScaleOf(BitsFloat(FloatBits(learned_scale) & 0x7fffffffu));
  *zero_point = static_cast<int32_t>(
      Clamp(rintf(learned_zero_point), static_cast<float>(qmin), static_cast<float>(qmax)));
}

// d of the quantized value by the step, per unit of dy: the rounding residual inside the grid, the
// end of the grid outside. v = x / s, code = rint(v); level is NaN where x is.
QT_HD float StepSlope(float v, float code, float level, float zero_point, float qmin, float qmax) {
  const float end = level < qmin ? qmin - zero_point : qmax - zero_point;
  return InRange(level, qmin, qmax) ? code - v : end;
}

template <>
struct Learned<qt_lsq_backward_args> {
  static constexpr int kValues = 2, kSums = 2;
};

QT_HD void Load(const qt_lsq_backward_args& a, int64_t channel, float* value) {
  value[0] = a.scale[channel];
  value[1] = static_cast<float>(a.zero_point[channel]);
}

QT_HD float Apply(const qt_lsq_backward_args& a, float x, float dy, const float* value, float* sum) {
  const float v = x / value[0];
  const float code = rintf(v);
  const float level = code + value[1];
  const float qmin = static_cast<float>(a.qmin), qmax = static_cast<float>(a.qmax);
  const bool inside = InRange(level, qmin, qmax);
  const bool number = level == level;
  const float term = dy * StepSlope(v, code, level, value[1], qmin, qmax);
  sum[0] = number ? term : 0.0f;
  sum[1] = number & !inside ? dy : 0.0f;  // times -s, once per channel
  return inside ? dy : 0.0f;
}

QT_HD void Store(const qt_lsq_backward_args& a, int64_t channel, const float* value, const float* sum) {
  a.dscale[channel] = a.gradient_scale * sum[0];
  if (a.dzero_point != nullptr) {
    a.dzero_point[channel] = a.gradient_scale * (-value[0] * sum[1]);
  }
}

// ---- LSQ+ with a real offset: v = (x - beta) / s

template <>
struct Learned<qt_lsq_plus_args> {
  static constexpr int kValues = 2, kSums = 0;
};

QT_HD void Load(const qt_lsq_plus_args& a, int64_t channel, float* value) {
  value[0] = a.scale[channel];
  value[1] = a.beta[channel];
}

QT_HD float Apply(const qt_lsq_plus_args& a, float x, float, const float* value, float*) {
  const float code = Quantize(x - value[1], value[0], 0.0f, static_cast<float>(a.qmin),
                              static_cast<float>(a.qmax));
  return code * value[0] + value[1];
}

QT_HD void Store(const qt_lsq_plus_args&, int64_t, const float*, const float*) {}

template <>
struct Learned<qt_lsq_plus_backward_args> {
  static constexpr int kValues = 2, kSums = 2;
};

QT_HD void Load(const qt_lsq_plus_backward_args& a, int64_t channel, float* value) {
  value[0] = a.scale[channel];
  value[1] = a.beta[channel];
}

QT_HD float Apply(const qt_lsq_plus_backward_args& a, float x, float dy, const float* value, float* sum) {
  const float v = (x - value[1]) / value[0];
  const float code = rintf(v);
  const float qmin = static_cast<float>(a.qmin), qmax = static_cast<float>(a.qmax);
  const bool inside = InRange(code, qmin, qmax);
  const bool number = code == code;
  const float term = dy * StepSlope(v, code, code, 0.0f, qmin, qmax);
  sum[0] = number ? term : 0.0f;
  sum[1] = number & !inside ? dy : 0.0f;
  return inside ? dy : 0.0f;
}

QT_HD void Store(const qt_lsq_plus_backward_args& a, int64_t channel, const float*, const float* sum) {
  a.dscale[channel] = a.gradient_scale * sum[0];
  a.dbeta[channel] = a.gradient_scale * sum[1];
}

// ---- learned clip (PACT)

QT_HD void PactQparams(float alpha, int32_t qmin, int32_t qmax, bool is_signed, float* scale,
                       int32_t* zero_point) {
  const int32_t steps = is_signed ? qmax : qmax - qmin;  // between 0 and the clip
  *scale = ScaleOf(alpha / static_cast<float>(steps));
  *zero_point = is_signed ? 0 : qmin;
}

template <>
struct Learned<qt_pact_backward_args> {
  static constexpr int kValues = 2, kSums = 1;
};

QT_HD void Load(const qt_pact_backward_args& a, int64_t channel, float* value) {
  value[0] = ScaleOf(a.alpha[channel]);
  // x is inside above this: -alpha, or the float before 0, so that 0 and -0 are inside.
  value[1] = a.is_signed != 0 ? -value[0] : BitsFloat(0x80000001u);
}

QT_HD float Apply(const qt_pact_backward_args& a, float x, float dy, const float* value, float* sum) {
  const float low = a.is_signed != 0 ? -dy : 0.0f;
  const float not_above = x <= value[1] ? low : 0.0f;
  sum[0] = x >= value[0] ? dy : not_above;
  return (x > value[1]) & (x < value[0]) ? dy : 0.0f;
}

QT_HD void Store(const qt_pact_backward_args& a, int64_t channel, const float*, const float* sum) {
  a.dalpha[channel] = sum[0];
}

// ---- learned power-of-two threshold (TQT)

// 2^ceil(log2 t) over the steps between 0 and t, which are a power of two. Exponents beyond the
// normal floats stop at their ends, NaN at the lower one.
QT_HD void TqtQparams(float log2_threshold, int32_t qmin, int32_t qmax, bool is_signed,
                      float* scale, int32_t* zero_point) {
  const int32_t steps = is_signed ? qmax + 1 : qmax - qmin + 1;
  const int32_t log2_steps =
      static_cast<int32_t>(FloatBits(static_cast<float>(steps)) >> 23) - 127;
  const float nearest = rintf(log2_threshold);
  const float up = nearest < log2_threshold ? nearest + 1.0f : nearest;
  const float exponent = Clamp(up - static_cast<float>(log2_steps), -126.0f, 127.0f);
  *scale = PowerOfTwo(static_cast<int32_t>(exponent));
  *zero_point = is_signed ? 0 : qmin;
}

template <>
struct Learned<qt_tqt_backward_args> {
  static constexpr int kValues = 2, kSums = 1;
};

QT_HD void Load(const qt_tqt_backward_args& a, int64_t channel, float* value) {
  value[0] = a.scale[channel];
  value[1] = static_cast<float>(a.zero_point[channel]);
}

QT_HD float Apply(const qt_tqt_backward_args& a, float x, float dy, const float* value, float* sum) {
  const float v = x / value[0];
  const float code = rintf(v);
  const float level = code + value[1];
  const float qmin = static_cast<float>(a.qmin), qmax = static_cast<float>(a.qmax);
  const float term = dy * StepSlope(v, code, level, value[1], qmin, qmax);
  sum[0] = level == level ? term : 0.0f;
  return InRange(level, qmin, qmax) ? dy : 0.0f;
}

QT_HD void Store(const qt_tqt_backward_args& a, int64_t channel, const float* value, const float* sum) {
  a.dlog2_threshold[channel] = (value[0] * 0.693147180559945309f) * sum[0];
}

// ---- soft staircase (DSQ)

// The learned range to the grid; upper <= lower and NaN give the finest grid.
QT_HD float DsqScale(float lower, float upper, float levels) {
  return ScaleOf((upper - lower) / levels);
}

QT_HD void DsqQparams(float learned_lower, float learned_upper, int32_t qmin, int32_t qmax,
                      float* scale, int32_t* zero_point, float* lower, float* upper) {
  const float least = static_cast<float>(qmin), most = static_cast<float>(qmax);
  const float s = DsqScale(learned_lower, learned_upper, most - least);
  const float z = Clamp(least - rintf(learned_lower / s), least, most);
  *scale = s;
  *zero_point = static_cast<int32_t>(z);
  *lower = Dequantize(least, s, z);
  *upper = Dequantize(most, s, z);
}

// alpha stays in [2^-10, 1 - 2^-10]: at 0 the staircase is a step and its slope infinite, at 1 phi is
// 0 / 0. NaN gives the lower end.
QT_HD float DsqAlpha(float alpha) { return Clamp(alpha, 0.0009765625f, 0.9990234375f); }

// Values of a channel, with k, S and phi as in the header: k * Delta = ln(2 / alpha - 1).
enum DsqValue {
  kDsqLower,
  kDsqUpper,
  kDsqDelta,
  kDsqGain,       // k * Delta
  kDsqHalf,       // S / 2
  kDsqSlope,      // S / 2 * k * Delta, dy/dx in the middle of a step
  kDsqAlphaTanh,  // dS/dalpha / 2
  kDsqAlphaGain,  // S / 2 * d(k * Delta)/dalpha, negative
  kDsqValues
};

QT_HD void LoadDsq(float lower, float upper, float alpha, float levels, float* value) {
  const float a = DsqAlpha(alpha);
  const float s = 1.0f / (1.0f - a);
  value[kDsqLower] = lower;
  value[kDsqUpper] = upper;
  value[kDsqDelta] = DsqScale(lower, upper, levels);
  value[kDsqGain] = Log(2.0f / a - 1.0f);
  value[kDsqHalf] = 0.5f * s;
  value[kDsqSlope] = (0.5f * s) * value[kDsqGain];
  value[kDsqAlphaTanh] = (0.5f * s) * s;
  value[kDsqAlphaGain] = -s / (a * (2.0f - a));
}

// Where x lies on the staircase: position in steps from lower, and of that the step (0 .. levels - 1)
// and the rest around the step's middle. Steps and rest are exact differences.
struct DsqPlace {
  float position, step, rest, tanh;
};

QT_HD DsqPlace PlaceOnStaircase(float x, float levels, const float* value) {
  DsqPlace at;
  at.position = (x - value[kDsqLower]) / value[kDsqDelta];
  const float nearest = rintf(at.position);
  const float down = nearest > at.position ? nearest - 1.0f : nearest;
  at.step = Clamp(down, 0.0f, levels - 1.0f);
  at.rest = (at.position - at.step) - 0.5f;
  at.tanh = Tanh(value[kDsqGain] * at.rest);
  return at;
}

template <>
struct Learned<qt_dsq_forward_args> {
  static constexpr int kValues = kDsqValues, kSums = 0;
};

QT_HD void Load(const qt_dsq_forward_args& a, int64_t channel, float* value) {
  LoadDsq(a.lower[channel], a.upper[channel], a.alpha[channel], static_cast<float>(a.levels), value);
}

QT_HD float Apply(const qt_dsq_forward_args& a, float x, float, const float* value, float*) {
  const float levels = static_cast<float>(a.levels);
  const DsqPlace at = PlaceOnStaircase(x, levels, value);
  const float height = at.step + (value[kDsqHalf] * at.tanh + 0.5f);
  const float y = value[kDsqLower] + value[kDsqDelta] * height;
  const float end = x > value[kDsqUpper] ? value[kDsqUpper] : value[kDsqLower];
  return (x >= value[kDsqLower]) & (x <= value[kDsqUpper]) ? y : end;
}

QT_HD void Store(const qt_dsq_forward_args&, int64_t, const float*, const float*) {}

template <>
struct Learned<qt_dsq_backward_args> {
  static constexpr int kValues = kDsqValues, kSums = 3;
};

QT_HD void Load(const qt_dsq_backward_args& a, int64_t channel, float* value) {
  LoadDsq(a.lower[channel], a.upper[channel], a.alpha[channel], static_cast<float>(a.levels), value);
}

// Sums are those of levels * dy/dlower, levels * dy/dupper and dy/dalpha / Delta: what is common to
// the channel's elements is multiplied once, in Store.
QT_HD float Apply(const qt_dsq_backward_args& a, float x, float dy, const float* value, float* sum) {
  const float levels = static_cast<float>(a.levels);
  const DsqPlace at = PlaceOnStaircase(x, levels, value);
  const float rise = (1.0f - at.tanh) * (1.0f + at.tanh);
  const float slope = value[kDsqSlope] * rise;
  const float height = at.step + (value[kDsqHalf] * at.tanh + 0.5f);
  const float by_upper = height - slope * at.position;
  const float by_lower = (levels - levels * slope) - by_upper;
  const float by_alpha =
      value[kDsqAlphaTanh] * at.tanh + value[kDsqAlphaGain] * (at.rest * rise);
  const bool below = x < value[kDsqLower], above = x > value[kDsqUpper];
  const bool inside = (x >= value[kDsqLower]) & (x <= value[kDsqUpper]);
  const float end = dy * levels;
  const float low = below ? end : 0.0f;
  const float high = above & !below ? end : 0.0f;
  sum[0] = inside ? dy * by_lower : low;
  sum[1] = inside ? dy * by_upper : high;
  sum[2] = inside ? dy * by_alpha : 0.0f;
  return inside ? dy * slope : 0.0f;
}

QT_HD void Store(const qt_dsq_backward_args& a, int64_t channel, const float* value, const float* sum) {
  a.dlower[channel] = sum[0] / static_cast<float>(a.levels);
  a.dupper[channel] = sum[1] / static_cast<float>(a.levels);
  a.dalpha[channel] = value[kDsqDelta] * sum[2];
}

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_LEARNED_H_
