// bfloat16: the upper half of a float. Widening is exact; narrowing rounds to nearest, ties to even,
// overflow to infinity; a NaN stays a (quiet) NaN with its sign.
#ifndef QUANTRAIN_MATH_BF16_H_
#define QUANTRAIN_MATH_BF16_H_

#include "math/hd.h"

namespace qt::math {

struct Bf16 {
  uint16_t bits;
};

QT_HD float Widen(float x) { return x; }
QT_HD float Widen(Bf16 x) { return BitsFloat(static_cast<uint32_t>(x.bits) << 16); }

QT_HD void Narrow(float x, float* out) { *out = x; }
QT_HD void Narrow(float x, Bf16* out) {
  const uint32_t bits = FloatBits(x);
  const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const uint32_t quiet = (bits >> 16) | 0x40u;
  out->bits = static_cast<uint16_t>((bits & 0x7fffffffu) > 0x7f800000u ? quiet : rounded);
}

// keep ? x : +0 with the bits of x; of integers for bf16, so that loops vectorize.
QT_HD float Select(bool keep, float x) { return keep ? x : 0.0f; }
QT_HD Bf16 Select(bool keep, Bf16 x) {
  return {static_cast<uint16_t>(x.bits & (keep ? 0xffffu : 0u))};
}

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_BF16_H_
