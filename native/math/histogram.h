// Bins whose width is a power of two and doubles as the range grows: which bin, how wide, and what
// becomes of the counts. Dividing by a power of two is exact and floor(floor(v) / 2) = floor(v / 2),
// so growing late gives the counts that growing early would have given. Derivation: NUMERICS.md,
// "Histogram".
#ifndef QUANTRAIN_MATH_HISTOGRAM_H_
#define QUANTRAIN_MATH_HISTOGRAM_H_

#include "math/fixed_point.h"
#include "math/moments.h"

namespace qt::math {

constexpr int32_t kLeastExponent = -126, kMostExponent = 128;

// An exponent of a state that nobody checked (a device's), held where bins are.
QT_HD int32_t HeldExponent(int32_t e) { return ClampInt(e, kLeastExponent, kMostExponent); }

// 2^e as a double, |e| < 1023.
QT_HD double PowerOfTwo(int32_t e) {
  const uint64_t bits = static_cast<uint64_t>(e + 1023) << 52;
  double power;
  memcpy(&power, &bits, sizeof(power));
  return power;
}

// Bins on one side of 0 and the number of sides.
struct Sides {
  int32_t length, count;
};

QT_HD Sides SidesOf(int32_t bins, bool is_signed) {
  return is_signed ? Sides{bins / 2, 2} : Sides{bins, 1};
}

// The counts of side s (0: x >= 0), outward from 0: element j is at[j * step].
struct Side {
  int64_t first, step;
};

QT_HD Side SideAt(const Sides& sides, int32_t s) {
  if (s == 1) return {sides.length - 1, -1};
  return {sides.count == 2 ? sides.length : 0, 1};
}

// The smallest exponent >= kLeastExponent at which a finite magnitude has a bin.
QT_HD int32_t FitExponent(float magnitude, int32_t side_length) {
  const double m = static_cast<double>(magnitude), length = static_cast<double>(side_length);
  // No less than the magnitude's own exponent minus 17, because there are at most 2^16 bins.
  const int32_t own = static_cast<int32_t>(FloatBits(magnitude) >> 23) - 127;
  int32_t e = own - 17 > kLeastExponent ? own - 17 : kLeastExponent;
  while (!(m < length * PowerOfTwo(e))) ++e;
  return e;
}

// What a magnitude is multiplied by: 2^-exponent, at worst a denormal, always exact.
QT_HD float InverseWidth(int32_t exponent) { return static_cast<float>(PowerOfTwo(-exponent)); }

// The bin of a finite x that fits. A product that underflows belongs to the innermost bin anyway.
QT_HD int32_t Bin(float x, float inverse_width, const Sides& sides) {
  const int32_t j = static_cast<int32_t>(fabsf(x) * inverse_width);
  if (sides.count == 1) return j;
  return sides.length + (x < 0.0f ? ~j : j);
}

// Count of the j-th bin of a side after `shift` doublings; at points to the side's first.
QT_HD int64_t GrownCount(const int64_t* at, int64_t step, int64_t length, int64_t j,
                         int32_t shift) {
  const int32_t s = shift < 20 ? shift : 20;  // 2^20 bins and more are all of them
  const int64_t begin = j << s, end = (j + 1) << s < length ? (j + 1) << s : length;
  int64_t sum = 0;
  for (int64_t k = begin; k < end; ++k) sum = AddInt(sum, at[k * step]);
  return sum;
}

}  // namespace qt::math

#endif  // QUANTRAIN_MATH_HISTOGRAM_H_
