// exp, log and tanh in float as polynomials of + - * / and rint, with no libm behind them: the same
// bits on every instruction set, compiler and device. Errors (checked over every float): Exp below 1
// ulp, Log below 1 ulp, Tanh below 2 ulp. Branch-free, so that loops over them vectorize.
// Derivation: NUMERICS.md, "Elementary functions".
#ifndef QUANTRAIN_MATH_ELEMENTARY_H_
#define QUANTRAIN_MATH_ELEMENTARY_H_

#include "math/hd.h"

namespace qt::math {

// 2^exponent for -126 <= exponent <= 127, exactly.
QT_HD float PowerOfTwo(int32_t exponent) {
  return BitsFloat(static_cast<uint32_t>(exponent + 127) << 23);
}

// e^x = 2^power * (1 + part), |part| <= sqrt(2) - 1 and relatively exact; for |x| below 2^22.
struct ExpParts {
  int32_t power;
  float part;
};

QT_HD ExpParts SplitExp(float x) {
  const float k = rintf(x * 1.44269504088896341f);
  // ln 2 = 0.693359375 + (-2.12194440e-4): k times the first part is exact.
  const float r = (x - k * 0.693359375f) - k * -2.12194440054690583e-4f;
  float p = 0.001381459878757596f;
  p = p * r + 0.008368716575205326f;
  p = p * r + 0.04166838899254799f;
  p = p * r + 0.1666652113199234f;
  p = p * r + 0.4999999403953552f;
  return {static_cast<int32_t>(k), p * (r * r) + r};
}

// e^x. NaN gives NaN, +Inf gives +Inf, -Inf gives +0; results below FLT_MIN are correctly denormal.
QT_HD float Exp(float x) {
  // Beyond these ends the result is Inf or 0; a NaN goes to the lower end so that the integer below
  // is defined.
  float t = x > -104.0f ? x : -104.0f;
  t = t < 89.0f ? t : 89.0f;
  const ExpParts e = SplitExp(t);
  // 2^power in two factors: the first product is exact, the second rounds once where the result is
  // denormal.
  const int32_t half = e.power >> 1;
  const float y = ((e.part + 1.0f) * PowerOfTwo(half)) * PowerOfTwo(e.power - half);
  return x == x ? y : x;
}

// Hyperbolic tangent, (e^2x - 1) / (e^2x + 1). +-Inf gives +-1, +-0 itself, NaN gives NaN; odd to the
// bit.
QT_HD float Tanh(float x) {
  const uint32_t sign = FloatBits(x) & 0x80000000u;
  const float magnitude = BitsFloat(FloatBits(x) ^ sign);
  // tanh rounds to 1 from 9.01 on; a NaN goes there, too.
  const float t = magnitude < 10.0f ? magnitude : 10.0f;
  const ExpParts e = SplitExp(2.0f * t);
  const float power = PowerOfTwo(e.power);
  const float minus_one = power * e.part + (power - 1.0f);  // e^2t - 1, without cancellation
  const float y = minus_one / (minus_one + 2.0f);
  return x == x ? BitsFloat(FloatBits(y) | sign) : x;
}

// Natural logarithm. log(+-0) = -Inf, log(x < 0) = NaN, log(+Inf) = +Inf, NaN gives NaN; denormals
// are exact inputs.
QT_HD float Log(float x) {
  const bool tiny = x < 1.17549435e-38f;
  const float scaled = tiny ? x * 8388608.0f : x;
  // x = 2^e * m with m in [sqrt(1/2), sqrt(2)).
  const int32_t bits = static_cast<int32_t>(FloatBits(scaled)) - 0x3f3504f3;
  const int32_t exponent = bits >> 23;
  const float m = BitsFloat(static_cast<uint32_t>((bits & 0x007fffff) + 0x3f3504f3));
  const float e = static_cast<float>(tiny ? exponent - 23 : exponent);
  const float f = m - 1.0f;
  const float s = f / (2.0f + f);
  const float z = s * s;
  const float r = z * (0.6666677594184875f + z * (0.3997754156589508f + z * 0.29871729016304016f));
  const float half = 0.5f * (f * f);
  float y = e * 0.693359375f + ((f - (half - s * (half + r))) + e * -2.12194440054690583e-4f);
  y = x < BitsFloat(0x7f800000u) ? y : x;        // +Inf and NaN
  y = x == 0.0f ? BitsFloat(0xff800000u) : y;    // -Inf
  return x < 0.0f ? BitsFloat(0x7fc00000u) : y;  // NaN
}

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_ELEMENTARY_H_
