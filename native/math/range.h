// Observed ranges and what becomes of them: the moving average and the ONE formula from a range to
// scale and zero-point that observers, training and export share. Derivation: NUMERICS.md, "Range
// to qparams".
#ifndef QUANTRAIN_MATH_RANGE_H_
#define QUANTRAIN_MATH_RANGE_H_

#include "math/quantize.h"

namespace qt::math {

// One step of the moving average, in this association; the first batch is copied by the caller.
QT_HD float MovingAverage(float state, float batch, float momentum) {
  return state + momentum * (batch - state);
}

// absmax / qmax for a symmetric grid, never below the smallest normal float. Weights use it as it
// is: a channel of zeros gets the finest grid, so that its bias keeps its resolution.
QT_HD float WeightScale(float absmax, int32_t qmax) {
  const float scale = absmax / static_cast<float>(qmax);
  return scale < kFloatMin ? kFloatMin : scale;
}

// The same for an observed range; nothing observed but 0 gives 1.
QT_HD float SymmetricScale(float absmax, int32_t qmax) {
  return absmax == 0.0f ? 1.0f : WeightScale(absmax, qmax);
}

// The range is widened to contain 0 (a NaN end counts as 0).
QT_HD void RangeToQparams(float range_min, float range_max, int32_t qmin, int32_t qmax,
                          bool symmetric, float* scale, int32_t* zero_point) {
  const float lo = range_min < 0.0f ? range_min : 0.0f;
  const float hi = range_max > 0.0f ? range_max : 0.0f;
  if (symmetric) {
    *scale = SymmetricScale(-lo > hi ? -lo : hi, qmax);
    *zero_point = 0;
    return;
  }
  const float least = static_cast<float>(qmin), most = static_cast<float>(qmax);
  if (lo == hi) {  // both 0
    *scale = 1.0f;
    *zero_point = static_cast<int32_t>(Clamp(0.0f, least, most));
    return;
  }
  const float s = (hi - lo) / (most - least);
  *scale = s < kFloatMin ? kFloatMin : s;
  *zero_point = static_cast<int32_t>(Clamp(least - rintf(lo / *scale), least, most));
}

// The range of min(max(v, 0), upper) where v has the range [least, most]: both are monotone, so they
// act on the ends. + 0 turns -0, whose order is undefined, into +0.
QT_HD void StoreActivatedRange(float least, float most, bool relu, float upper, float* min,
                               float* max) {
  const float lo = relu ? 0.0f : -HUGE_VALF;
  *min = Clamp(least, lo, upper) + 0.0f;
  *max = Clamp(most, lo, upper) + 0.0f;
}

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_RANGE_H_
