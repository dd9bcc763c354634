// Floats as integers that order like them, and the index of a percentile. Derivation: NUMERICS.md,
// "Top-K and percentiles".
#ifndef QUANTRAIN_MATH_TOP_K_H_
#define QUANTRAIN_MATH_TOP_K_H_

#include "math/hd.h"

namespace qt::math {

// -0 has become +0. Not for NaN.
QT_HD uint32_t OrderKey(float x) {
  const uint32_t bits = FloatBits(x + 0.0f);
  return bits ^ ((bits >> 31) != 0 ? 0xffffffffu : 0x80000000u);
}

QT_HD float FromOrderKey(uint32_t key) {
  return BitsFloat(key ^ ((key >> 31) != 0 ? 0x80000000u : 0xffffffffu));
}

// One-based index from the outside of the value that a share of count values does not exceed.
QT_HD int64_t PercentileIndex(int64_t count, double percentile) {
  const double index = rint(static_cast<double>(count) * (1.0 - percentile));
  return index < 1.0 ? 1 : static_cast<int64_t>(index);
}

// The percentile's end from the outermost k values; *exact is cleared where it lies further inside.
QT_HD float PercentileEnd(const float* outermost, int32_t k, int64_t count, double percentile,
                          int32_t* exact) {
  if (count <= 0) return 0.0f;  // less: memory of a device, which nobody checked
  const int64_t known = count < k ? count : k;
  int64_t index = PercentileIndex(count, percentile);
  if (index > known) {
    index = known;
    *exact = 0;
  }
  return outermost[index - 1];
}

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_TOP_K_H_
