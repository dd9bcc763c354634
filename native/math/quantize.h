// From a real number to a code and back. Codes are kept in float until the clamp has acted, so no
// conversion to an integer can overflow; |code| < 2^17, so every code and difference of codes is
// exact in float. Ties go to even, NaN goes to the lower end of the clamp and is out of range.
// Derivation: NUMERICS.md, "Quantize".
#ifndef QUANTRAIN_MATH_QUANTIZE_H_
#define QUANTRAIN_MATH_QUANTIZE_H_

#include "math/hd.h"

namespace qt::math {

constexpr float kFloatMin = 1.17549435e-38f;  // smallest normal float, the floor of every scale
constexpr float kFloatMax = 3.40282347e+38f;

// min(max(v, lo), hi) by comparisons that are false for NaN: NaN gives lo. Ternaries, because they
// are one vector instruction each and leave no choice to a library.
QT_HD float Clamp(float v, float lo, float hi) {
  v = v > lo ? v : lo;
  return v < hi ? v : hi;
}

// The code before the clamp. A division: x * (1 / s) rounds twice and flips ties.
QT_HD float Level(float x, float scale, float zero_point) { return rintf(x / scale) + zero_point; }

// False for NaN. The bitwise & keeps loops free of branches.
QT_HD bool InRange(float level, float qmin, float qmax) {
  return (level >= qmin) & (level <= qmax);
}

QT_HD float Quantize(float x, float scale, float zero_point, float qmin, float qmax) {
  return Clamp(Level(x, scale, zero_point), qmin, qmax);
}

// One rounding: the difference of two codes is exact.
QT_HD float Dequantize(float code, float scale, float zero_point) {
  return (code - zero_point) * scale;
}

// -1 where batch norm's gamma is negative, else +1 (also for -0 and NaN).
QT_HD float Sign(float gamma) { return gamma < 0.0f ? -1.0f : 1.0f; }

// Bits of |x| as an integer that orders like |x|; NaN counts as 0, so that a maximum skips it.
QT_HD int32_t MagnitudeBits(float x) {
  const int32_t bits = static_cast<int32_t>(FloatBits(x) & 0x7fffffffu);
  return bits > 0x7f800000 ? 0 : bits;
}

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_QUANTIZE_H_
