// Mean, sum of squared deviations and mean magnitude of finite values, how two sets of them become
// one, and the range that they leave of an observed one. Derivation: NUMERICS.md, "Moments".
#ifndef QUANTRAIN_MATH_MOMENTS_H_
#define QUANTRAIN_MATH_MOMENTS_H_

#include "math/integer.h"
#include "math/quantize.h"

namespace qt::math {

QT_HD bool IsFinite(float x) { return fabsf(x) <= kFloatMax; }

// Sums over a batch. A float's square is exact in double, so m2 below loses only what the additions
// round: 2^-53 of sum(x^2) for each level of the sum's tree.
struct PowerSums {
  double sum, squares, magnitudes;
  int64_t count;
};

QT_HD PowerSums AddSums(const PowerSums& a, const PowerSums& b) {
  return {a.sum + b.sum, a.squares + b.squares, a.magnitudes + b.magnitudes, a.count + b.count};
}

QT_HD void AddValue(float x, PowerSums* sums) {
  const bool finite = IsFinite(x);
  const double v = static_cast<double>(finite ? x : 0.0f);
  sums->sum += v;
  sums->squares += v * v;
  sums->magnitudes += fabs(v);
  sums->count += finite ? 1 : 0;
}

struct Moments {
  int64_t count;
  double mean, m2, mean_abs;
};

QT_HD Moments MomentsOf(const PowerSums& s) {
  if (s.count == 0) return {0, 0.0, 0.0, 0.0};
  const double n = static_cast<double>(s.count), mean = s.sum / n;
  const double m2 = s.squares - s.sum * mean;
  return {s.count, mean, m2 > 0.0 ? m2 : 0.0, s.magnitudes / n};
}

// Chan, Golub and LeVeque's update; an empty set changes nothing.
QT_HD Moments MergeMoments(const Moments& a, const Moments& b) {
  if (b.count == 0) return a;
  if (a.count == 0) return b;
  const double n_a = static_cast<double>(a.count), n_b = static_cast<double>(b.count);
  const double share = n_b / (n_a + n_b), d = b.mean - a.mean;
  return {AddInt(a.count, b.count), a.mean + d * share, a.m2 + b.m2 + d * d * (n_a * share),
          a.mean_abs + (b.mean_abs - a.mean_abs) * share};
}

// Merges into a state in memory, one rounding to float each; std may be null.
QT_HD void MergeIntoState(const Moments& batch, int64_t* count, float* mean, float* m2,
                          float* mean_abs, float* std) {
  const Moments state = {*count, static_cast<double>(*mean), static_cast<double>(*m2),
                         static_cast<double>(*mean_abs)};
  const Moments merged = MergeMoments(state, batch);
  *count = merged.count;
  *mean = static_cast<float>(merged.mean);
  *m2 = static_cast<float>(merged.m2);
  *mean_abs = static_cast<float>(merged.mean_abs);
  if (std == nullptr) return;
  *std = merged.count == 0
             ? 0.0f
             : static_cast<float>(sqrt(merged.m2 / static_cast<double>(merged.count)));
}

// k deviations around the mean, within the observed range; a NaN leaves the observed end.
QT_HD void StdRange(float observed_min, float observed_max, int64_t count, float mean, float std,
                    float k, float* min, float* max) {
  const float lo = mean - k * std, hi = mean + k * std;
  const float least = lo > observed_min ? (lo < observed_max ? lo : observed_max) : observed_min;
  const float most = hi < observed_max ? (hi > observed_min ? hi : observed_min) : observed_max;
  *min = count == 0 ? 0.0f : least;
  *max = count == 0 ? 0.0f : most;
}

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_MOMENTS_H_
