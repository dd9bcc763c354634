// N2UQ, one element at a time. Segment i of the input line is [begin[i], begin[i + 1]), of length
// interval[i]; the threshold to code i + 1 is its middle. Tables are built by adding up from `start`,
// in float and in order. Derivation: NUMERICS.md, "N2UQ".
#ifndef QUANTRAIN_MATH_N2UQ_H_
#define QUANTRAIN_MATH_N2UQ_H_

#include "math/learned.h"

namespace qt::math {

constexpr int32_t kN2uqMostSegments = 255;
constexpr int32_t kN2uqMostEntries = kN2uqMostSegments + 1;

// NaN gives the least.
QT_HD float N2uqInterval(float a) { return a > 1e-3f ? a : 1e-3f; }

// Levels are 2 / segments apart, so that the output without its scale ends at 2.
QT_HD float N2uqStep(int32_t segments) { return 2.0f / static_cast<float>(segments); }

QT_HD float N2uqThreshold(float begin, float interval) { return begin + 0.5f * interval; }

// One step of counting the entries of sorted[0 .. 2 * first_half - 2] below u, from at = 0 on with half
// = first_half, first_half / 2, ..., 1. NaN is above none.
QT_HD int32_t CountBelow(const float* sorted, int32_t at, int32_t half, float u) {
  return u > sorted[at + half - 1] ? at + half : at;
}

// An element's share of the gradients. segment: how many of begin[1 ..] lie below u, so that it is
// `segments` above them all, where `begin` and `interval` are those of the last segment.
struct N2uqTerms {
  float slope;    // gradient of u; 0 outside
  float moment;   // slope * (u - begin)
  float input;    // slope * x; 0 outside, where x may be infinite or NaN
  float output;   // dy * output without its scale
};

QT_HD N2uqTerms N2uqGradient(float x, float u, float dy, int32_t segment, int32_t segments,
                             float start, float begin, float interval, float step,
                             float out_scale) {
  const bool inside = (u > start) & (segment < segments);
  const float slope = inside ? dy * (out_scale * (step / interval)) : 0.0f;
  const float past = (segment < segments) & (u > N2uqThreshold(begin, interval)) ? 1.0f : 0.0f;
  const float code = static_cast<float>(segment) + past;
  return {slope, slope * (inside ? u - begin : 0.0f), slope * (inside ? x : 0.0f),
          dy * (code * step)};
}

// From the sums of a segment's moments and of the slopes in the segments after it. given: before
// N2uqInterval.
QT_HD float N2uqIntervalGradient(float given, float interval, float moments, float slopes_after) {
  return given > 1e-3f ? -(moments / interval) - slopes_after : 0.0f;
}

// ---- weights, in the form of math/learned.h

struct N2uqWeightValue {
  float scale, steps;
};

template <>
struct Learned<qt_n2uq_weight_args> {
  using Value = N2uqWeightValue;
  static constexpr int kSums = 0;
};

QT_HD N2uqWeightValue Load(const qt_n2uq_weight_args& a, int64_t channel) {
  const float steps = static_cast<float>((1 << a.bits) - 1);
  const float half = static_cast<float>(1 << (a.bits - 1));
  return {ScaleOf(a.mean_magnitude[channel] * (steps / half)), steps};
}

QT_HD Term Apply(const qt_n2uq_weight_args&, float x, float, N2uqWeightValue value) {
  const float v = Clamp(x / value.scale, -1.0f, 1.0f);
  const float code = rintf((v + 1.0f) * (0.5f * value.steps));
  return {value.scale * ((2.0f * code - value.steps) / value.steps), {0.0f, 0.0f, 0.0f}};
}

QT_HD void Store(const qt_n2uq_weight_args&, int64_t, N2uqWeightValue, const float*) {}

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_N2UQ_H_
