// From a level, which is a value on the output's grid with its zero-point and not yet clamped, to
// its code: in float for contracts that round last, in int32 for those that have rounded.
#ifndef QUANTRAIN_MATH_LEVEL_H_
#define QUANTRAIN_MATH_LEVEL_H_

#include "math/fixed_point.h"
#include "math/quantize.h"
#include "math/truth.h"

namespace qt::math {

// The clamp, and which levels pass a gradient: those on which it did not act, with ReLU only those
// above the zero-point.
template <class L>
struct Ends {
  L lo, hi, first_passing;
};

// The next float above an integer-valued one.
QT_HD float NextUp(float v) {
  const uint32_t bits = FloatBits(v + 0.0f);
  return BitsFloat(v < 0.0f ? bits - 1 : bits + 1);
}
QT_HD int32_t NextUp(int32_t v) { return AddInt(v, 1); }

template <class L>
QT_HD Ends<L> MakeEnds(int32_t qmin, int32_t qmax, int32_t zero_point, bool relu) {
  const L lo = static_cast<L>(relu ? zero_point : qmin);
  return {lo, static_cast<L>(qmax), relu ? NextUp(lo) : lo};
}

// The code as an integer. T: a number, or a vector of them.
template <class T>
QT_HD auto LevelCode(T level, const Ends<float>& e) {
  return RoundToInt(Clamp(level, T(e.lo), T(e.hi)));
}
template <class T>
QT_HD auto LevelCode(T level, const Ends<int32_t>& e) {
  return ClampInt(level, T(e.lo), T(e.hi));
}
// False for NaN.
template <class T, class L>
QT_HD auto Passes(T level, const Ends<L>& e) {
  return Both(level >= T(e.first_passing), level <= T(e.hi));
}

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_LEVEL_H_
