// Quantizers with learned values, one element and one channel at a time. The arguments of a kernel
// are its rule, by overload:
//   Load(args, channel)               what an element needs of its channel: a struct of floats
//   Apply(args, x, dy, value)         the element's output, and its terms of kSums sums
//   Store(args, channel, value, sum)  once per channel, with the sums over its elements
// The output of a backward kernel is dx, that of a forward kernel (no sums, no dy) y. CPU and CUDA
// kernels add nothing but loops. An x of NaN has no gradient: dx and its terms are 0. Branch-free,
// and small structs by value (never arrays or references to locals), so that loops vectorize.
// Derivation: NUMERICS.md, "Learned quantizers".
#ifndef QUANTRAIN_MATH_LEARNED_H_
#define QUANTRAIN_MATH_LEARNED_H_

#include "include/quantrain.h"
#include "math/elementary.h"
#include "math/layers.h"
#include "math/quantize.h"

namespace qt::math {

template <class Args>
struct Learned;

// T is float, or a vector of floats; a Learned with an Of has both.
template <class T>
struct TermOf {
  T out;
  T sum[3];
};
using Term = TermOf<float>;

// A float made a scale: positive and normal, whatever an optimizer did to it; NaN gives the floor.
QT_HD float ScaleOf(float x) {
  const float s = x > kFloatMin ? x : kFloatMin;
  return s < kFloatMax ? s : kFloatMax;
}

// ---- learned step (LSQ) and zero-point (LSQ+)

QT_HD void LsqQparams(const qt_lsq_qparams_args& a, int64_t c) {
  const float s = ScaleOf(BitsFloat(FloatBits(a.learned_scale[c]) & 0x7fffffffu));
  float z = a.learned_zero_point == nullptr ? 0.0f : a.learned_zero_point[c];
  if (a.learned_offset != nullptr) z = -(a.learned_offset[c] / s);
  a.scale[c] = s;
  a.zero_point[c] = static_cast<int32_t>(
      Clamp(rintf(z), static_cast<float>(a.qmin), static_cast<float>(a.qmax)));
}

// What the quantized value gains per unit of the step: the rounding residual inside the grid, the
// end of the grid outside. code = rint(v) with v = x / s; level = code + zero_point as in Level(),
// so that inside is the forward's mask; clamped is the level on the grid.
template <class T>
QT_HD T StepSlope(T v, T code, T level, T clamped, T zero_point) {
  return Choose(Equal(level, clamped), code - v, clamped - zero_point);
}

template <class T>
struct UniformValueOf {
  T scale, zero_point;
};
using UniformValue = UniformValueOf<float>;

template <>
struct Learned<qt_lsq_backward_args> {
  template <class T>
  using Of = UniformValueOf<T>;
  using Value = UniformValue;
  static constexpr int kSums = 2;
};

QT_HD UniformValue Load(const qt_lsq_backward_args& a, int64_t channel) {
  return {a.scale[channel], static_cast<float>(a.zero_point[channel])};
}

template <class T>
QT_HD TermOf<T> Apply(const qt_lsq_backward_args& a, T x, T dy, UniformValueOf<T> value) {
  const T v = x / value.scale;
  const T code = Rint(v);
  const T level = code + value.zero_point;
  const T clamped = Clamp(level, T(static_cast<float>(a.qmin)), T(static_cast<float>(a.qmax)));
  const T term = dy * StepSlope(v, code, level, clamped, value.zero_point);
  const auto inside = Equal(level, clamped), number = Equal(level, level);
  // The second sum is times -s, once per channel.
  return {Where(inside, dy), {Where(number, term), Where(number & !inside, dy), T(0.0f)}};
}

QT_HD void Store(const qt_lsq_backward_args& a, int64_t channel, const UniformValue& value,
                 const float* sum) {
  a.dscale[channel] = a.gradient_scale * sum[0];
  if (a.dzero_point != nullptr) {
    a.dzero_point[channel] = a.gradient_scale * (-value.scale * sum[1]);
  }
}

// Behind a ReLU: x is what goes into that, and the output what comes out of its gradient.
struct LsqOfRelu {
  qt_lsq_backward_args lsq;
  float upper;
};

template <>
struct Learned<LsqOfRelu> : Learned<qt_lsq_backward_args> {};

QT_HD UniformValue Load(const LsqOfRelu& a, int64_t channel) { return Load(a.lsq, channel); }

template <class T>
QT_HD TermOf<T> Apply(const LsqOfRelu& a, T x, T dy, UniformValueOf<T> value) {
  const T y = Relu(x, T(a.upper));
  TermOf<T> term = Apply(a.lsq, y, dy, value);
  term.out = ReluGradient(y, term.out, T(a.upper));
  return term;
}

QT_HD void Store(const LsqOfRelu& a, int64_t channel, const UniformValue& value, const float* sum) {
  Store(a.lsq, channel, value, sum);
}

// One channel of n floats, of the kernels that compute x from integers.
template <class Args>
QT_HD qt_lsq_backward_args LsqOf(const Args& a, int64_t n) {
  return {/*x=*/nullptr, a.dy, a.scale, a.zero_point, a.dx, a.dscale, /*dzero_point=*/nullptr,
          /*outer=*/1, /*channels=*/1, /*inner=*/n, a.qmin, a.qmax, a.gradient_scale,
          QT_ELEMENT_F32};
}

// ---- LSQ+ with a real offset: v = (x - beta) / s

template <class T>
struct OffsetValueOf {
  T scale, beta;
};
using OffsetValue = OffsetValueOf<float>;

template <>
struct Learned<qt_lsq_plus_args> {
  template <class T>
  using Of = OffsetValueOf<T>;
  using Value = OffsetValue;
  static constexpr int kSums = 0;
};

QT_HD OffsetValue Load(const qt_lsq_plus_args& a, int64_t channel) {
  return {a.scale[channel], a.beta[channel]};
}

template <class T>
QT_HD TermOf<T> Apply(const qt_lsq_plus_args& a, T x, T, OffsetValueOf<T> value) {
  const T code = Quantize(x - value.beta, value.scale, T(0.0f), T(static_cast<float>(a.qmin)),
                          T(static_cast<float>(a.qmax)));
  return {code * value.scale + value.beta, {T(0.0f), T(0.0f), T(0.0f)}};
}

QT_HD void Store(const qt_lsq_plus_args&, int64_t, const OffsetValue&, const float*) {}

template <>
struct Learned<qt_lsq_plus_backward_args> {
  template <class T>
  using Of = OffsetValueOf<T>;
  using Value = OffsetValue;
  static constexpr int kSums = 2;
};

QT_HD OffsetValue Load(const qt_lsq_plus_backward_args& a, int64_t channel) {
  return {a.scale[channel], a.beta[channel]};
}

template <class T>
QT_HD TermOf<T> Apply(const qt_lsq_plus_backward_args& a, T x, T dy, OffsetValueOf<T> value) {
  const T v = (x - value.beta) / value.scale;
  const T level = Rint(v);
  const T clamped = Clamp(level, T(static_cast<float>(a.qmin)), T(static_cast<float>(a.qmax)));
  const T term = dy * StepSlope(v, level, level, clamped, T(0.0f));
  const auto inside = Equal(level, clamped), number = Equal(level, level);
  return {Where(inside, dy), {Where(number, term), Where(number & !inside, dy), T(0.0f)}};
}

QT_HD void Store(const qt_lsq_plus_backward_args& a, int64_t channel, const OffsetValue&,
                 const float* sum) {
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

template <class T>
struct PactValueOf {
  T alpha;
  T below;  // the greatest float that is not inside at the lower end
};
using PactValue = PactValueOf<float>;

template <>
struct Learned<qt_pact_backward_args> {
  template <class T>
  using Of = PactValueOf<T>;
  using Value = PactValue;
  static constexpr int kSums = 1;
};

QT_HD PactValue Load(const qt_pact_backward_args& a, int64_t channel) {
  const float alpha = ScaleOf(a.alpha[channel]);
  // The float below 0: 0 and -0 are inside.
  return {alpha, a.is_signed != 0 ? -alpha : BitsFloat(0x80000001u)};
}

template <class T>
QT_HD TermOf<T> Apply(const qt_pact_backward_args& a, T x, T dy, PactValueOf<T> value) {
  const T below = Where(x <= value.below, dy), low = a.is_signed != 0 ? below : T(0.0f);
  return {Where((value.below < x) & (x < value.alpha), dy),
          {Where(value.alpha <= x, dy) - low, T(0.0f), T(0.0f)}};
}

QT_HD void Store(const qt_pact_backward_args& a, int64_t channel, const PactValue&,
                 const float* sum) {
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
  template <class T>
  using Of = UniformValueOf<T>;
  using Value = UniformValue;
  static constexpr int kSums = 1;
};

QT_HD UniformValue Load(const qt_tqt_backward_args& a, int64_t channel) {
  return {a.scale[channel], static_cast<float>(a.zero_point[channel])};
}

template <class T>
QT_HD TermOf<T> Apply(const qt_tqt_backward_args& a, T x, T dy, UniformValueOf<T> value) {
  const T v = x / value.scale;
  const T code = Rint(v);
  const T level = code + value.zero_point;
  const T clamped = Clamp(level, T(static_cast<float>(a.qmin)), T(static_cast<float>(a.qmax)));
  const T term = dy * StepSlope(v, code, level, clamped, value.zero_point);
  const auto inside = Equal(level, clamped), number = Equal(level, level);
  return {Where(inside, dy), {Where(number, term), T(0.0f), T(0.0f)}};
}

QT_HD void Store(const qt_tqt_backward_args& a, int64_t channel, const UniformValue& value,
                 const float* sum) {
  a.dlog2_threshold[channel] = (value.scale * 0.693147180559945309f) * sum[0];
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

// alpha stays in [2^-10, 1 - 2^-10]: at 0 the staircase is a step and its slope infinite, at 1 phi
// is 0 / 0. NaN gives the lower end.
QT_HD float DsqAlpha(float alpha) { return Clamp(alpha, 0.0009765625f, 0.9990234375f); }

// Of a channel, with k, S and phi as in the header: k * Delta = ln(2 / alpha - 1).
struct DsqValue {
  float lower, upper, delta;
  float gain;        // k * Delta
  float half;        // S / 2
  float slope;       // S / 2 * k * Delta, dy/dx in the middle of a step
  float alpha_tanh;  // dS/dalpha / 2
  float alpha_gain;  // S / 2 * d(k * Delta)/dalpha, negative
};

QT_HD DsqValue DsqValueOf(float lower, float upper, float alpha, float levels) {
  const float a = DsqAlpha(alpha);
  const float s = 1.0f / (1.0f - a), half = 0.5f * s;
  const float gain = Log(2.0f / a - 1.0f);
  return {lower, upper,       DsqScale(lower, upper, levels), gain,
          half,  half * gain, half * s,                       -s / (a * (2.0f - a))};
}

// Where x lies on the staircase: position in steps from lower, of that the step (0 .. levels - 1)
// and the rest around the step's middle. Step and rest are exact differences.
struct DsqPlace {
  float position, step, rest, tanh;
};

QT_HD DsqPlace PlaceOnStaircase(float x, float levels, DsqValue value) {
  const float position = (x - value.lower) / value.delta;
  const float nearest = rintf(position);
  const float down = nearest > position ? nearest - 1.0f : nearest;
  const float step = Clamp(down, 0.0f, levels - 1.0f);
  const float rest = (position - step) - 0.5f;
  return {position, step, rest, Tanh(value.gain * rest)};
}

// In steps from lower.
QT_HD float DsqHeight(DsqPlace at, DsqValue value) {
  return at.step + (value.half * at.tanh + 0.5f);
}

QT_HD bool DsqInside(float x, DsqValue value) {
  return (x >= value.lower) & (x <= value.upper);
}

template <>
struct Learned<qt_dsq_forward_args> {
  using Value = DsqValue;
  static constexpr int kSums = 0;
};

QT_HD DsqValue Load(const qt_dsq_forward_args& a, int64_t channel) {
  return DsqValueOf(a.lower[channel], a.upper[channel], a.alpha[channel],
                    static_cast<float>(a.levels));
}

QT_HD Term Apply(const qt_dsq_forward_args& a, float x, float, DsqValue value) {
  const DsqPlace at = PlaceOnStaircase(x, static_cast<float>(a.levels), value);
  const float y = value.lower + value.delta * DsqHeight(at, value);
  const float end = x > value.upper ? value.upper : value.lower;
  return {DsqInside(x, value) ? y : end, {0.0f, 0.0f, 0.0f}};
}

QT_HD void Store(const qt_dsq_forward_args&, int64_t, const DsqValue&, const float*) {}

template <>
struct Learned<qt_dsq_backward_args> {
  using Value = DsqValue;
  static constexpr int kSums = 3;
};

QT_HD DsqValue Load(const qt_dsq_backward_args& a, int64_t channel) {
  return DsqValueOf(a.lower[channel], a.upper[channel], a.alpha[channel],
                    static_cast<float>(a.levels));
}

// Sums are those of levels * dy/dlower, levels * dy/dupper and dy/dalpha / Delta: what is common to
// the channel's elements is multiplied once, in Store.
QT_HD Term Apply(const qt_dsq_backward_args& a, float x, float dy, DsqValue value) {
  const float levels = static_cast<float>(a.levels);
  const DsqPlace at = PlaceOnStaircase(x, levels, value);
  const float rise = (1.0f - at.tanh) * (1.0f + at.tanh);
  const float slope = value.slope * rise;
  const float by_upper = DsqHeight(at, value) - slope * at.position;
  const float by_lower = (levels - levels * slope) - by_upper;
  const float by_alpha = value.alpha_tanh * at.tanh + value.alpha_gain * (at.rest * rise);
  const bool inside = DsqInside(x, value), below = x < value.lower, above = x > value.upper;
  const float low = Where(below, levels), high = Where(above & !below, levels);
  const float reached = Where(inside | below | above, dy);  // NaN is none of them
  return {Where(inside, dy * slope),
          {reached * (inside ? by_lower : low), reached * (inside ? by_upper : high),
           Where(inside, dy * by_alpha)}};
}

QT_HD void Store(const qt_dsq_backward_args& a, int64_t channel, const DsqValue& value,
                 const float* sum) {
  a.dlower[channel] = sum[0] / static_cast<float>(a.levels);
  a.dupper[channel] = sum[1] / static_cast<float>(a.levels);
  a.dalpha[channel] = value.delta * sum[2];
}

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_LEARNED_H_
