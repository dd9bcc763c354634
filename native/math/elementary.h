// exp and log in float as polynomials of + - * / and rint, with no libm behind them: the same bits
// on every instruction set, compiler and device. Errors (checked over every float): Exp below 1
// ulp, Log below 1 ulp. Branch-free, so that loops over them vectorize. Derivation: NUMERICS.md,
// "Elementary functions".
#ifndef QUANTRAIN_MATH_ELEMENTARY_H_
#define QUANTRAIN_MATH_ELEMENTARY_H_

#include "math/hd.h"

namespace qt::math {

// e^x. NaN gives NaN, +Inf gives +Inf, -Inf gives +0; results below FLT_MIN are correctly denormal.
QT_HD float Exp(float x) {
  // Beyond these ends the result is Inf or 0; a NaN goes to the lower end so that the integer below
  // is defined.
  float t = x > -104.0f ? x : -104.0f;
  t = t < 89.0f ? t : 89.0f;
  const float k = rintf(t * 1.44269504088896341f);
  // ln 2 = 0.693359375 + (-2.12194440e-4): k times the first part is exact.
  const float r = (t - k * 0.693359375f) - k * -2.12194440054690583e-4f;
  float p = 0.001381459878757596f;
  p = p * r + 0.008368716575205326f;
  p = p * r + 0.04166838899254799f;
  p = p * r + 0.1666652113199234f;
  p = p * r + 0.4999999403953552f;
  const float e = (p * (r * r) + r) + 1.0f;
  // 2^k in two factors: the first product is exact, the second rounds once where the result is
  // denormal.
  const int32_t n = static_cast<int32_t>(k);
  const int32_t half = n >> 1;
  const float a = BitsFloat(static_cast<uint32_t>(half + 127) << 23);
  const float b = BitsFloat(static_cast<uint32_t>(n - half + 127) << 23);
  const float y = (e * a) * b;
  return x == x ? y : x;
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
