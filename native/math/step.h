// Levels of many numbers on one grid, without a division each, in the bits of the division.
//
// With y = 1 / s rounded once, q = x * y is the quotient to about two units in the last place. A
// remainder x - q * s by fma, times y, added by fma, makes it faithful (at most one unit off); the
// remainder is then exact, and a second such step gives the quotient rounded correctly (Markstein
// 1990, IBM Journal of Research and Development 34(1), theorem 4: y is the nearest float to 1 / s, q
// is faithful, nothing under- or overflows). Quotients beyond every grid are cut off before, so that
// nothing overflows; those so small that a remainder is inexact round to 0 either way. Hence
// Level(x, StepOf(s), z) and Level(x, s, z) agree after Clamp and in Kept for every x.
#ifndef QUANTRAIN_MATH_STEP_H_
#define QUANTRAIN_MATH_STEP_H_

#include "math/fma.h"
#include "math/quantize.h"

namespace qt::math {

struct Step {
  float scale;
  float reciprocal;  // 0: divide
};

QT_HD bool Multiplies(const Step& step) { return step.reciprocal != 0.0f; }

// Scales outside 2^-60 .. 2^60 divide, and so does a CPU without AVX-512, whose vectors are short
// enough to be divided in less time than these seven operations take (8 levels on Zen 3: 1.4 ns,
// and 2.5 ns by the reciprocal). Where a vector has 16 floats, a division takes a cycle for each.
QT_HD Step StepOf(float scale) {
#if defined(QT_ISA) && !defined(__AVX512F__)
  return {scale, 0.0f};
#else
  const bool multiplies = scale >= 8.67361738e-19f && scale <= 1.15292150e18f;
  return {scale, multiplies ? 1.0f / scale : 0.0f};
#endif
}

// Of a step that multiplies. |code| < 2^17, so a quotient cut off at 2^20 is outside every grid.
template <class T>
QT_HD T LevelByReciprocal(T x, T scale, T reciprocal, T zero_point) {
  const T most = scale * T(1048576.0f);
  x = Larger(-most, Smaller(most, x));  // NaN stays
  T q = x * reciprocal;
  q = Fma(Fma(-q, scale, x), reciprocal, q);
  q = Fma(Fma(-q, scale, x), reciprocal, q);
  return LevelOfQuotient(q, zero_point);
}

// For any step, where a branch per element costs nothing.
QT_HD float Level(float x, const Step& step, float zero_point) {
  return Multiplies(step) ? LevelByReciprocal(x, step.scale, step.reciprocal, zero_point)
                          : Level(x, step.scale, zero_point);
}

QT_HD float Dequantize(float code, const Step& step, float zero_point) {
  return Dequantize(code, step.scale, zero_point);
}

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_STEP_H_
