// Observed ranges and what becomes of them: how a range follows its batches, and the ONE formula from
// a range to scale and zero-point that observers, training and export share. Derivation: NUMERICS.md,
// "Range to qparams".
#ifndef QUANTRAIN_MATH_RANGE_H_
#define QUANTRAIN_MATH_RANGE_H_

#include "include/quantrain.h"
#include "math/quantize.h"

namespace qt::math {

// An end of a batch's range from what was seen of it: +-Inf (seen is false) becomes 0, -0 becomes +0.
QT_HD float RangeEnd(float end, bool seen) { return (seen ? end : 0.0f) + 0.0f; }

// One step of the moving average, in this association; the first batch is copied by the caller.
QT_HD float MovingAverage(float state, float batch, float momentum) {
  return state + momentum * (batch - state);
}

// One step of the mean of n batches, this one included. Equal batches stay as they are, bit by bit.
QT_HD float RunningMean(float state, float batch, float n) { return state + (batch - state) / n; }

// One step of a range by qt_range_rule; count: batches seen before.
QT_HD void FollowRange(int32_t rule, int32_t count, float batch_min, float batch_max,
                       float momentum, float* range_min, float* range_max) {
  const bool first = count == 0;
  float lo = batch_min, hi = batch_max;
  if (rule == QT_RANGE_MIN_MAX) {
    if (!first) {
      lo = lo < *range_min ? lo : *range_min;
      hi = hi > *range_max ? hi : *range_max;
    }
  } else if (rule == QT_RANGE_MEAN) {
    if (!first) {
      const float n = static_cast<float>(count) + 1.0f;
      lo = RunningMean(*range_min, lo, n);
      hi = RunningMean(*range_max, hi, n);
    }
  } else if (!first || rule == QT_RANGE_EMA_DEBIASED) {
    lo = MovingAverage(first ? 0.0f : *range_min, lo, momentum);
    hi = MovingAverage(first ? 0.0f : *range_max, hi, momentum);
  }
  *range_min = lo;
  *range_max = hi;
}

// The average of two states that are linear in their batches, weighted by the batches; a state
// without batches has no weight.
QT_HD float MergeAverages(float a, int32_t count_a, float b, int32_t count_b) {
  if (count_b == 0) return a;
  if (count_a == 0) return b;
  const double n_a = static_cast<double>(count_a), n_b = static_cast<double>(count_b);
  return static_cast<float>((n_a * static_cast<double>(a) + n_b * static_cast<double>(b)) /
                            (n_a + n_b));
}

QT_HD void MergeRange(int32_t rule, int32_t count, int32_t other_count, float other_min,
                      float other_max, float* range_min, float* range_max) {
  float lo = MergeAverages(*range_min, count, other_min, other_count);
  float hi = MergeAverages(*range_max, count, other_max, other_count);
  if (rule == QT_RANGE_MIN_MAX && count > 0 && other_count > 0) {
    lo = other_min < *range_min ? other_min : *range_min;
    hi = other_max > *range_max ? other_max : *range_max;
  }
  *range_min = lo;
  *range_max = hi;
}

// Counts stop at the largest int32.
QT_HD int32_t AddCounts(int32_t a, int32_t b) {
  const int64_t sum = int64_t{a} + b;
  return sum < INT32_MAX ? static_cast<int32_t>(sum) : INT32_MAX;
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

// The smallest power of two that is no less than a scale: the exponent's bits, one more where a
// fraction is left. Above 2^127 there is none, and it is 2^127; Inf and NaN stay, to be found by the
// next kernel's check.
QT_HD float PowerOfTwoAbove(float scale) {
  constexpr float kMost = 1.70141183e+38f;  // 2^127
  if (!(scale <= kMost)) return scale <= kFloatMax ? kMost : scale;
  return BitsFloat((FloatBits(scale) + 0x7fffffu) & 0x7f800000u);
}

QT_HD float Restricted(float scale, bool power_of_two) {
  return power_of_two ? PowerOfTwoAbove(scale) : scale;
}

// The range is widened to contain 0 (a NaN end counts as 0).
QT_HD void RangeToQparams(float range_min, float range_max, int32_t qmin, int32_t qmax,
                          bool symmetric, bool power_of_two, float* scale, int32_t* zero_point) {
  const float lo = range_min < 0.0f ? range_min : 0.0f;
  const float hi = range_max > 0.0f ? range_max : 0.0f;
  if (symmetric) {
    *scale = Restricted(SymmetricScale(-lo > hi ? -lo : hi, qmax), power_of_two);
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
  *scale = Restricted(s < kFloatMin ? kFloatMin : s, power_of_two);
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
