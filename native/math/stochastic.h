// floor and the comparison are exact. Derivation: NUMERICS.md, "Stochastic rounding".
#ifndef QUANTRAIN_MATH_STOCHASTIC_H_
#define QUANTRAIN_MATH_STOCHASTIC_H_

#include "math/hd.h"

namespace qt::math {

// u in [0, 1). NaN stays NaN, infinities stay.
QT_HD float StochasticRound(float v, float u) {
  const float nearest = rintf(v);
  const float down = nearest > v ? nearest - 1.0f : nearest;
  return u < v - down ? down + 1.0f : down;
}

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_STOCHASTIC_H_
