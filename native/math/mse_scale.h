// The step of least squared error among candidates: which steps there are, and the error of one
// element. Errors are summed in double in one fixed order, because the choice must be the same
// everywhere: a channel's elements are cut into parts (MseParts), a part is summed element by
// element, parts are added in order. Derivation: NUMERICS.md, "Step of least squared error".
#ifndef QUANTRAIN_MATH_MSE_SCALE_H_
#define QUANTRAIN_MATH_MSE_SCALE_H_

#include "math/range.h"

namespace qt::math {

// Parts of a channel with `length` elements: of 4096, or more where there would be over 1024.
struct MseParts {
  int64_t count, length;
};

QT_HD MseParts PartsOf(int64_t length) {
  int64_t part = (length + 1023) / 1024;
  part = part < 4096 ? 4096 : part;
  return {(length + part - 1) / part, part};
}

// Inf and NaN take no part, neither in the range nor in the error.
QT_HD bool TakesPart(float x) { return (FloatBits(x) & 0x7f800000u) != 0x7f800000u; }

// Step k of `candidates`, of which the last is the range's. Positive and normal.
QT_HD float CandidateScale(float range_scale, int32_t k, int32_t candidates) {
  const float s = range_scale * (static_cast<float>(k) / static_cast<float>(candidates));
  return s < kFloatMin ? kFloatMin : s;
}

QT_HD double SquaredError(float x, float scale, float zero_point, float qmin, float qmax) {
  const float y = Dequantize(Quantize(x, scale, zero_point, qmin, qmax), scale, zero_point);
  const double e = static_cast<double>(y) - static_cast<double>(x);
  return TakesPart(x) ? e * e : 0.0;
}

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_MSE_SCALE_H_
