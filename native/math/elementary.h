// exp, log, tanh, erf and powers in float as polynomials of + - * / and rint, with no libm behind them:
// the same bits on every instruction set, compiler and device. Errors: Exp and Log below 1 ulp (for
// every float), Erf 1.5, Log1P 2.5, Tanh 2.7, ExpM1 (of x <= 0) 1; Pow, whose inside is double, 0.501
// ulp. Branch-free, so that loops over them vectorize.
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

// e^x - 1 for x <= 0 without cancellation; NaN is treated as -Inf.
QT_HD float ExpM1(float x) {
  const float t = x > -26.0f ? x : -26.0f;  // -1 to the last bit from -17.4 on
  const ExpParts e = SplitExp(t);
  const float power = PowerOfTwo(e.power);
  return power * e.part + (power - 1.0f);
}

// Error function. +-Inf gives +-1, NaN gives NaN; odd to the bit.
QT_HD float Erf(float x) {
  const uint32_t sign = FloatBits(x) & 0x80000000u;
  const float magnitude = BitsFloat(FloatBits(x) ^ sign);
  const float t = magnitude < 4.0f ? magnitude : 4.0f;  // erf rounds to 1 from 3.92 on
  const float z = t * t;
  float p = 7.853867282392457e-05f;
  p = p * z - 0.0008010195451788604f;
  p = p * z + 0.005188327748328447f;
  p = p * z - 0.026853812858462334f;
  p = p * z + 0.1128358542919159f;
  p = p * z - 0.3761262595653534f;
  p = p * z + 0.12837916612625122f;
  const float small = t + t * p;
  float q = -0.00018637916946318f;  // -log(1 - erf)
  q = q * t + 0.0029476580675691366f;
  q = q * t - 0.02183806337416172f;
  q = q * t + 0.10310675203800201f;
  q = q * t + 0.638144850730896f;
  q = q * t + 1.1270891427993774f;
  q = q * t + 0.00034152326406911016f;
  const ExpParts e = SplitExp(-q);
  const float large = 1.0f - (e.part + 1.0f) * PowerOfTwo(e.power);
  const float y = t < 1.0f ? small : large;
  return x == x ? BitsFloat(FloatBits(y) | sign) : x;
}

// x = 2^exponent * mantissa for a positive, finite x, mantissa in [sqrt(1/2), sqrt(2)).
struct LogParts {
  int32_t exponent;
  float mantissa;
};

QT_HD LogParts SplitLog(float x) {
  const bool tiny = x < 1.17549435e-38f;
  const float scaled = tiny ? x * 8388608.0f : x;
  const int32_t bits = static_cast<int32_t>(FloatBits(scaled) - 0x3f3504f3u);
  const int32_t exponent = bits >> 23;
  return {tiny ? exponent - 23 : exponent,
          BitsFloat(static_cast<uint32_t>((bits & 0x007fffff) + 0x3f3504f3))};
}

// Natural logarithm. log(+-0) = -Inf, log(x < 0) = NaN, log(+Inf) = +Inf, NaN gives NaN; denormals
// are exact inputs.
QT_HD float Log(float x) {
  const LogParts parts = SplitLog(x);
  const float e = static_cast<float>(parts.exponent);
  const float f = parts.mantissa - 1.0f;
  const float s = f / (2.0f + f);
  const float z = s * s;
  const float r = z * (0.6666677594184875f + z * (0.3997754156589508f + z * 0.29871729016304016f));
  const float half = 0.5f * (f * f);
  float y = e * 0.693359375f + ((f - (half - s * (half + r))) + e * -2.12194440054690583e-4f);
  y = x < BitsFloat(0x7f800000u) ? y : x;        // +Inf and NaN
  y = x == 0.0f ? BitsFloat(0xff800000u) : y;    // -Inf
  return x < 0.0f ? BitsFloat(0x7fc00000u) : y;  // NaN
}

// log(1 + x) for 0 <= x <= 1: what rounding loses in 1 + x is put back as a factor.
QT_HD float Log1P(float x) {
  const float u = 1.0f + x;
  const float gap = u - 1.0f;
  return gap > 0.0f ? Log(u) * (x / gap) : x;
}

// Natural logarithm of a positive, finite float, relative error below 2^-47: 2 atanh(s) by its series.
QT_HD double LogInDouble(float x) {
  const LogParts parts = SplitLog(x);
  const double f = static_cast<double>(parts.mantissa) - 1.0;
  const double s = f / (2.0 + f);
  const double z = s * s;
  double p = 1.0 / 19.0;
  p = p * z + 1.0 / 17.0;
  p = p * z + 1.0 / 15.0;
  p = p * z + 1.0 / 13.0;
  p = p * z + 1.0 / 11.0;
  p = p * z + 1.0 / 9.0;
  p = p * z + 1.0 / 7.0;
  p = p * z + 1.0 / 5.0;
  p = p * z + 1.0 / 3.0;
  return static_cast<double>(parts.exponent) * 0.69314718055994531 + 2.0 * (s + s * z * p);
}

// e^x for |x| <= 200, relative error below 2^-50.
QT_HD double ExpInDouble(double x) {
  const double k = rint(x * 1.4426950408889634);
  // ln 2 in two parts, the first short enough that k times it is exact.
  const double r = (x - k * 0.69314718036912382) - k * 1.9082149292705877e-10;
  double p = 1.0 / 6227020800.0;
  p = p * r + 1.0 / 479001600.0;
  p = p * r + 1.0 / 39916800.0;
  p = p * r + 1.0 / 3628800.0;
  p = p * r + 1.0 / 362880.0;
  p = p * r + 1.0 / 40320.0;
  p = p * r + 1.0 / 5040.0;
  p = p * r + 1.0 / 720.0;
  p = p * r + 1.0 / 120.0;
  p = p * r + 1.0 / 24.0;
  p = p * r + 1.0 / 6.0;
  p = p * r + 0.5;
  const int64_t bits = (static_cast<int64_t>(static_cast<int32_t>(k)) + 1023) << 52;
  double power;
  memcpy(&power, &bits, sizeof(power));
  return power * (1.0 + (r + r * r * p));
}

// a^b for numbers a and b, infinities among them: the cases of C's pow. b = 2 is a * a to the bit.
QT_HD float Pow(float a, float b) {
  const float infinity = BitsFloat(0x7f800000u);
  const float magnitude = BitsFloat(FloatBits(a) & 0x7fffffffu);
  double log = LogInDouble(magnitude);
  log = magnitude == 0.0f ? -static_cast<double>(infinity) : log;
  log = magnitude == infinity ? static_cast<double>(infinity) : log;
  double t = static_cast<double>(b) * log;
  t = t > -200.0 ? t : -200.0;
  t = t < 200.0 ? t : 200.0;
  float y = static_cast<float>(ExpInDouble(t));
  y = (magnitude == 1.0f) | (b == 0.0f) ? 1.0f : y;
  const float half = 0.5f * b;
  const bool whole = rintf(b) == b, odd = whole & (rintf(half) != half);
  y = (FloatBits(a) >> 31 != 0) & odd ? -y : y;
  y = (a < 0.0f) & (a > -infinity) & !whole ? BitsFloat(0x7fc00000u) : y;
  return b == 2.0f ? a * a : y;
}

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_ELEMENTARY_H_
