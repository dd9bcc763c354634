// What follows a convolution's sum: clip (ReLU, ReLU6), the observed extent, the code. Derivation:
// NUMERICS.md, "Epilogue".
#ifndef QUANTRAIN_MATH_EPILOGUE_H_
#define QUANTRAIN_MATH_EPILOGUE_H_

#include "math/quantize.h"
#include "math/requantize.h"
#include "math/truth.h"

namespace qt::math {

// Extremes of numbers; NaN compares false and is skipped. Exact in any order.
struct Extent {
  float least, most;
};

QT_HD Extent NoExtent() { return {__builtin_inff(), -__builtin_inff()}; }

QT_HD void Extend(Extent* e, float low, float high) {
  e->least = low < e->least ? low : e->least;
  e->most = high > e->most ? high : e->most;
}

// The extent after a clip, which is monotone. Nothing seen gives 0; adding +0 turns -0 into +0.
QT_HD Extent ClippedExtent(const Extent& e, float lower, float upper) {
  if (e.least > e.most) return {0.0f, 0.0f};
  const float least = e.least > lower ? e.least : lower, most = e.most > lower ? e.most : lower;
  return {(least < upper ? least : upper) + 0.0f, (most < upper ? most : upper) + 0.0f};
}

// min(max(v, lower), upper); NaN stays NaN.
template <class T>
QT_HD T Clip(T v, T lower, T upper) {
  return Smaller(upper, Larger(lower, v));
}

// Where the clip has a slope. False for NaN.
template <class T>
QT_HD auto InsideClip(T v, T lower, T upper) {
  return Both(v > lower, v < upper);
}

// The clamp of an epilogue that requantizes, relative to the zero-point: the grid's ends, and the
// codes of the clip's.
struct LevelRange {
  float lo, hi;
};

QT_HD LevelRange EpilogueLevels(float qmin, float qmax, float zero_point, float y_scale,
                                float lower, float upper) {
  LevelRange r = {qmin - zero_point, qmax - zero_point};
  r.lo = Clamp(rintf(lower / y_scale), r.lo, r.hi);
  r.hi = Clamp(rintf(upper / y_scale), r.lo, r.hi);
  return r;
}

// x * correction + bias, rounded twice.
template <class T>
QT_HD T Corrected(T x, T correction, T bias) {
  return x * correction + bias;
}

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_EPILOGUE_H_
