// From a real number to a code and back. Codes are kept in float until the clamp has acted, so no
// conversion to an integer can overflow; |code| < 2^17, so every code and difference of codes is
// exact in float. Ties go to even, NaN goes to the lower end of the clamp and is out of range.
// Derivation: NUMERICS.md, "Quantize".
#ifndef QUANTRAIN_MATH_QUANTIZE_H_
#define QUANTRAIN_MATH_QUANTIZE_H_

#include "math/hd.h"
#include "math/truth.h"

namespace qt::math {

constexpr float kFloatMin = 1.17549435e-38f;  // smallest normal float, the floor of every scale
constexpr float kFloatMax = 3.40282347e+38f;

// The larger and the smaller of two; the second where one is NaN. Ternaries, because they are one
// vector instruction each and leave no choice to a library.
QT_HD float Larger(float a, float b) { return a > b ? a : b; }
QT_HD float Smaller(float a, float b) { return a < b ? a : b; }
QT_HD float Rint(float x) { return rintf(x); }
QT_HD float Absolute(float x) { return BitsFloat(FloatBits(x) & 0x7fffffffu); }
QT_HD bool Equal(float a, float b) { return a == b; }

// A template's T is float, or a vector of floats with the same operations in every lane.

// min(max(v, lo), hi) by comparisons that are false for NaN: NaN gives lo.
template <class T>
QT_HD T Clamp(T v, T lo, T hi) {
  return Smaller(Larger(v, lo), hi);
}

// rint(v) for |v| <= 2^22: the sum lies where floats are integers, and its low bits are the number.
// One addition instead of a rounding and a conversion, and the same tie rule.
QT_HD int32_t RoundToInt(float v) {
  return static_cast<int32_t>(FloatBits(v + 12582912.0f) - 0x4b400000u);
}

// The code before the clamp, from the quotient of number and scale. The zero-point is outside the
// rounding.
template <class T>
QT_HD T LevelOfQuotient(T quotient, T zero_point) {
  return Rint(quotient) + zero_point;
}

// A division: x * (1 / s) rounds twice and flips ties.
template <class T>
QT_HD T Level(T x, T scale, T zero_point) {
  return LevelOfQuotient(x / scale, zero_point);
}

// False for NaN. The bitwise & keeps loops free of branches.
QT_HD bool InRange(float level, float qmin, float qmax) {
  return (level >= qmin) & (level <= qmax);
}

// Whether the clamp left the level as it is: in range, with one comparison. False for NaN.
template <class T>
QT_HD auto Kept(T level, T clamped) {
  return Equal(level, clamped);
}

template <class T>
QT_HD T Quantize(T x, T scale, T zero_point, T qmin, T qmax) {
  return Clamp(Level(x, scale, zero_point), qmin, qmax);
}

// One rounding: the difference of two codes is exact.
template <class T>
QT_HD T Dequantize(T code, T scale, T zero_point) {
  return (code - zero_point) * scale;
}

// Code containers. A code lies in its container when it is stored.
QT_HD float Widen(uint8_t code) { return static_cast<float>(code); }
QT_HD float Widen(int8_t code) { return static_cast<float>(code); }
QT_HD float Widen(uint16_t code) { return static_cast<float>(code); }
QT_HD float Widen(int16_t code) { return static_cast<float>(code); }
template <class Code>
QT_HD void StoreCode(float code, Code* out) {
  *out = static_cast<Code>(static_cast<int32_t>(code));
}

// -1 where batch norm's gamma is negative, else +1 (also for -0 and NaN).
QT_HD float Sign(float gamma) { return gamma < 0.0f ? -1.0f : 1.0f; }

// sign * x for a sign of +-1, NaN too, by its bits.
QT_HD float Signed(float sign, float x) {
  return BitsFloat(FloatBits(x) ^ (FloatBits(sign) & 0x80000000u));
}

// Bits of |x| as an integer that orders like |x|; NaN counts as 0, so that a maximum skips it.
QT_HD int32_t MagnitudeBits(float x) {
  const int32_t bits = static_cast<int32_t>(FloatBits(x) & 0x7fffffffu);
  return bits > 0x7f800000 ? 0 : bits;
}

// |x|, 0 for NaN.
QT_HD float Magnitude(float x) { return BitsFloat(static_cast<uint32_t>(MagnitudeBits(x))); }

// Scale of the binary scheme from a sum of magnitudes.
QT_HD float MeanMagnitude(double sum, int64_t n) {
  const float mean = static_cast<float>(n > 0 ? sum / static_cast<double>(n) : 0.0);
  return Clamp(mean, kFloatMin, kFloatMax);
}

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_QUANTIZE_H_
